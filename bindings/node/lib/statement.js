// One statement of a connection or a transaction.
'use strict';

const { operation } = require('./native');
const { optionsOf } = require('./options');
const { writeParams } = require('./params');

const CALL_OPTIONS = ['signal', 'int64', 'json', 'construct'];

/** Runs it by the method `way` of what is native, `query` or `fetch`, and makes its outcome. */
async function runStatement(native, way, answers, text, params, options) {
  const { signal, ...values } = optionsOf(options, CALL_OPTIONS);
  const making = answers.making(values);
  const raw = await operation((completions, number) => native[way](completions, number, text, writeParams(params)), signal);
  return making.outcome(raw);
}

module.exports = { CALL_OPTIONS, runStatement };
