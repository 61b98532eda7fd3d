// Options of calls. Nothing unknown is ignored.
'use strict';

const { error } = require('./errors');

/** The options that were given, of which only these are known. */
function optionsOf(given, known) {
  if (given === undefined || given === null) return {};
  if (typeof given !== 'object') throw error('invalid_value', 'options are an object');
  for (const name of Object.keys(given)) {
    if (!known.includes(name)) throw error('invalid_value', `no option is named \`${name}\``, { hint: known.join(', ') });
  }
  return given;
}

module.exports = { optionsOf };
