// The conformance suite (conformance/README.md), embedded and behind a server.
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { describe, it } = require('node:test');
const { Decimal, Interval, OrmdbError, microsOf, typed } = require('..');
const { ROOT, open } = require('./support/place');

const SUITE = path.join(ROOT, 'conformance', 'suite');
const CODES = 'codes.json';
const VALUES = { int64: 'bigint', json: 'text' };
const STEP_MEMBERS = {
  run: ['params', 'in', 'save'],
  begin: ['isolation', 'access'],
  commit: [],
  rollback: [],
  savepoint: ['in'],
  rollback_to: ['in'],
  release: ['in'],
  apply: [],
  show_schema: [],
};

const files = fs.readdirSync(SUITE).filter((name) => name.endsWith('.json') && name !== CODES);
const read = (name) => JSON.parse(fs.readFileSync(path.join(SUITE, name), 'utf8'));
const codes = fs.existsSync(path.join(SUITE, CODES)) ? read(CODES) : JSON.parse(fs.readFileSync(path.join(SUITE, '..', CODES), 'utf8'));

for (const where of ['embedded', 'remote']) {
  describe(`conformance, ${where}`, () => {
    for (const name of files) {
      it(name, async (t) => {
        const { schema, steps, about, ...unknown } = read(name);
        assert.deepEqual(Object.keys(unknown), [], 'unknown members of the file');
        const db = await open(t, where, VALUES);
        await db.applySchema(`${schema.join('\n')}\n`);
        const run = { db, transactions: new Map(), saved: new Map() };
        for (const [at, step] of steps.entries()) {
          try {
            await runStep(run, step);
          } catch (failure) {
            failure.message = `step ${at + 1}: ${JSON.stringify(step).slice(0, 400)}\n${failure.message}`;
            throw failure;
          }
        }
        for (const transaction of run.transactions.values()) await transaction.rollback();
      });
    }
  });
}

async function runStep(run, { about, expect, ...step }) {
  const kind = Object.keys(STEP_MEMBERS).find((kind) => kind in step);
  assert.ok(kind, 'a step of no kind');
  const unknown = Object.keys(step).filter((name) => name !== kind && !STEP_MEMBERS[kind].includes(name));
  assert.deepEqual(unknown, [], 'unknown members of the step');
  let answer;
  try {
    answer = await perform(run, kind, step);
  } catch (failure) {
    if (!(failure instanceof OrmdbError) || !(expect?.error || expect?.errors)) throw failure;
    if (expect.errors) {
      assert.equal(failure.errors.length, expect.errors.length);
      failure.errors.forEach((error, at) => compareError(error, expect.errors[at]));
    } else {
      compareError(failure, expect.error);
    }
    return;
  }
  assert.ok(!expect?.error && !expect?.errors, 'it should have failed');
  compareAnswer(answer, expect ?? { done: true });
  for (const [name, what] of Object.entries(step.save ?? {})) {
    run.saved.set(name, what === 'token' ? answer.token : what.reduce((value, part) => value[part], answer.rows));
  }
}

async function perform({ db, transactions, saved }, kind, step) {
  const transaction = () => transactions.get(step.in) ?? assert.fail(`no transaction is named ${step.in}`);
  const ended = (name) => {
    const found = transactions.get(name) ?? assert.fail(`no transaction is named ${name}`);
    transactions.delete(name);
    return found;
  };
  switch (kind) {
    case 'run': {
      const params = Object.fromEntries(Object.entries(step.params ?? {}).map(([name, value]) => [name, param(value, saved)]));
      return (step.in === undefined ? db : transaction()).query(step.run, params);
    }
    case 'begin':
      transactions.set(step.begin, await db.begin({ isolation: step.isolation ?? 'serializable', readOnly: step.access === 'read_only' }));
      return { kind: 'done' };
    case 'commit':
      return { kind: 'done', token: await ended(step.commit).commit() };
    case 'rollback':
      await ended(step.rollback).rollback();
      return { kind: 'done' };
    case 'savepoint':
      await transaction().setSavepoint(step.savepoint);
      return { kind: 'done' };
    case 'rollback_to':
      await transaction().rollbackTo(step.rollback_to);
      return { kind: 'done' };
    case 'release':
      await transaction().release(step.release);
      return { kind: 'done' };
    case 'apply':
      return { kind: 'applied', ...(await db.applySchema(`${step.apply.join('\n')}\n`)) };
    default:
      return { kind: 'schema', text: await db.schema() };
  }
}

/** A typed value of a file as a parameter. */
function param(value, saved) {
  if (typeof value === 'number') return BigInt(value);
  if (value === null || typeof value !== 'object') return value;
  const [[tag, of]] = Object.entries(value);
  switch (tag) {
    case '$array':
      return of.map((element) => param(element, saved));
    case '$bytes':
      return Buffer.from(of, 'hex');
    case '$interval':
      return new Interval(of[0], of[1], BigInt(of[2]));
    case '$saved':
      assert.ok(saved.has(of), `nothing is saved as ${of}`);
      return saved.get(of);
    default:
      return typed(tag.slice(1), of);
  }
}

function compareAnswer(answer, expect) {
  const [[what, of]] = Object.entries(expect);
  switch (what) {
    case 'rows':
      assert.equal(answer.kind, 'rows');
      compareRows(answer, of);
      return;
    case 'written': {
      assert.equal(answer.kind, 'written');
      const { created = 0, updated = 0, deleted = 0, rows, ...unknown } = of;
      assert.deepEqual(Object.keys(unknown), []);
      assert.deepEqual([answer.created, answer.updated, answer.deleted], [created, updated, deleted], 'created, updated, deleted');
      assert.equal(answer.rows === undefined, rows === undefined, 'whether there are rows');
      if (rows !== undefined) compareRows(answer, rows);
      return;
    }
    case 'plan':
      assert.equal(answer.kind, 'plan');
      for (const part of of) assert.ok(answer.text.includes(part), `${part} is not in\n${answer.text}`);
      return;
    case 'done':
      assert.equal(answer.kind, 'done');
      if (of === 'token') assert.match(answer.token, /^[0-9a-f]{16}-[0-9a-f]+$/);
      return;
    case 'applied':
      assert.deepEqual(answer.changes, of);
      return;
    case 'schema':
      assert.equal(answer.text, `${of.join('\n')}\n`);
      return;
    default:
      assert.fail(`an expectation of no kind: ${what}`);
  }
}

function compareRows(answer, expected) {
  const shown = (value) => JSON.stringify(value, (_name, inner) => (typeof inner === 'bigint' ? String(inner) : inner));
  try {
    compareList(answer.nodes, 0, answer.rows, expected, 'rows');
  } catch (failure) {
    failure.message += `\ngot      ${shown(answer.rows)}\nexpected ${shown(expected)}`;
    throw failure;
  }
}

function compareList(nodes, node, rows, expected, place) {
  assert.equal(rows.length, expected.length, `${place}: how many`);
  rows.forEach((row, at) => compareObject(nodes, node, row, expected[at], '', `${place}[${at}]`));
}

/** A row, or the struct of a prefix of names in it. */
function compareObject(nodes, node, object, expected, prefix, place) {
  assert.deepEqual(Object.keys(object), Object.keys(expected), `${place}: names`);
  for (const [name, value] of Object.entries(object)) {
    const at = `${place}.${name}`;
    const edge = prefix === '' ? nodes[node].edges.find((edge) => edge.name === name) : undefined;
    const column = nodes[node].columns.find((column) => column.name === prefix + name);
    if (edge?.many) compareList(nodes, edge.node, value, expected[name], at);
    else if (edge) value === null ? assert.equal(value, expected[name], at) : compareObject(nodes, edge.node, value, expected[name], '', at);
    else if (column) compareValue(column, value, expected[name], at);
    else if (value === null) assert.equal(expected[name], null, at);
    else compareObject(nodes, node, value, expected[name], `${prefix}${name}.`, at);
  }
}

function compareValue({ type, list }, value, expected, place) {
  if (expected?.$withheld) return assert.equal(value, undefined, place);
  if (expected?.$any) {
    assert.equal(type, expected.$any, place);
    return assert.notEqual(value ?? null, null, place);
  }
  if (value === null) return assert.equal(expected, null, place);
  if (!list) return assert.deepStrictEqual(typedValue(type, value), normal(expected), place);
  assert.equal(expected.$array.length, value.length, `${place}: how many`);
  value.forEach((element, at) => compareValue({ type }, element, expected.$array[at], `${place}[${at}]`));
}

/** A value that is expected, with floats as numbers. */
function normal(expected) {
  if (typeof expected === 'number') return { $int64: String(expected) };
  if (expected?.$float32 !== undefined) return { $float32: Math.fround(Number(expected.$float32)) };
  if (expected?.$float64 !== undefined) return { $float64: Number(expected.$float64) };
  return expected;
}

/** A value of a column as the files write it. */
function typedValue(type, value) {
  switch (type) {
    case 'bool':
    case 'string':
      return value;
    case 'int64':
      assert.equal(typeof value, 'bigint');
      return { $int64: String(value) };
    case 'decimal':
      assert.ok(value instanceof Decimal);
      return { $decimal: String(value) };
    case 'bytes':
      return { $bytes: Buffer.from(value).toString('hex') };
    case 'datetime': {
      const micros = microsOf(value);
      const rest = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n;
      const seconds = new Date(Number((micros - rest) / 1000n)).toISOString().slice(0, 19);
      return { $datetime: `${seconds}${rest === 0n ? '' : `.${String(rest).padStart(6, '0').replace(/0+$/, '')}`}Z` };
    }
    case 'interval':
      return { $interval: [value.months, value.days, String(value.micros)] };
    default:
      return { [`$${type}`]: value };
  }
}

function compareError(error, { code, ...details }) {
  assert.equal(error.code, code, error.stack);
  assert.deepEqual({ sqlstate: error.sqlstate, kind: error.kind }, codes[code]);
  assert.notEqual(error.message, '');
  const { hint, file, span, limit, maybeExecuted, ...rest } = error.detail;
  const found = { ...rest };
  if (span) found.span = [span.start, span.end, span.line, span.column];
  if (limit) found.limit = [limit.name, limit.allowed, limit.asked];
  if (maybeExecuted !== undefined) found.maybe_executed = maybeExecuted;
  for (const [name, value] of Object.entries(details)) {
    if (value === '$any') {
      assert.ok(name in found, name);
      found[name] = value;
    }
    if (name === 'limit') value.forEach((part, at) => part === '$any' && (found.limit[at] = part));
  }
  assert.deepEqual(found, details, error.message);
}
