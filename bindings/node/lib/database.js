// A database: of this process, or behind a server. What can be asked of it is the same.
'use strict';

const { error, fromNative } = require('./errors');
const { hydrationOptions, Hydrators } = require('./hydrator');
const { native, operation, atOnce } = require('./native');
const { optionsOf } = require('./options');
const { writeParams } = require('./params');
const { Answers, nodesOf } = require('./answer');
const { Changes } = require('./changes');
const { CALL_OPTIONS, runStatement } = require('./statement');
const { rowsOf } = require('./stream');
const { Transaction, runTransaction } = require('./transaction');
const { createOf, updateOf } = require('./write');

const CONNECT_TIMEOUT_MS = 10_000;
const CONNECT_OPTIONS = ['create', 'retentionAgeMs', 'retentionBytes', 'connectTimeoutMs', 'int64', 'json', 'construct', 'signal'];
const SYNC_OPTIONS = ['int64', 'json', 'construct'];
const BEGIN_OPTIONS = ['isolation', 'readOnly', 'signal'];

/** Opens a directory, `ormdb://host:port`, `ormdb+unix:///path`, or a Unix socket. */
async function connect(target, options) {
  const { rawOptions, defaults, signal } = openOptions(target, options);
  const connection = await operation(
    (completions, number) => native.Connection.open(completions, number, target, rawOptions),
    signal,
  );
  return new Database(connection, defaults);
}

/** As `connect`, at once: for a database of this process. */
function connectSync(target, options) {
  const { rawOptions, defaults } = openOptions(target, options);
  return new Database(
    atOnce(() => native.Connection.openSync(target, rawOptions)),
    defaults,
  );
}

function openOptions(target, options) {
  if (typeof target !== 'string') throw error('invalid_value', 'a database is named by the path of its directory, or a URL');
  const {
    create = true,
    retentionAgeMs,
    retentionBytes,
    connectTimeoutMs = CONNECT_TIMEOUT_MS,
    signal,
    ...values
  } = optionsOf(options, CONNECT_OPTIONS);
  const isWhole = (given, most) => Number.isInteger(given) && given >= 0 && given <= most;
  if (!isWhole(connectTimeoutMs, 0xffffffff)) {
    throw error('invalid_value', '`connectTimeoutMs` is a whole number of milliseconds');
  }
  if (retentionAgeMs !== undefined && !isWhole(retentionAgeMs, Number.MAX_SAFE_INTEGER)) {
    throw error('invalid_value', '`retentionAgeMs` is a whole number of milliseconds');
  }
  if (retentionBytes !== undefined && !isWhole(retentionBytes, Number.MAX_SAFE_INTEGER)) {
    throw error('invalid_value', '`retentionBytes` is a whole number of bytes');
  }
  const rawOptions = { create: Boolean(create), connectTimeoutMs, retentionAgeMs, retentionBytes };
  return { rawOptions, defaults: hydrationOptions(values), signal };
}

class Database {
  #connection;
  #answers;

  constructor(connection, defaults) {
    this.#connection = connection;
    this.#answers = new Answers(new Hydrators(), defaults);
  }

  /** Whether the database is in this process. */
  get isEmbedded() {
    return this.#connection.isEmbedded;
  }

  /** Runs any statement, and tells all of its outcome. */
  async query(text, params, options) {
    return runStatement(this.#connection, 'query', this.#answers, text, params, options);
  }

  /** The rows of a fetch, or those that a write returns. A statement that gives none is refused, and not executed. */
  async fetch(text, params, options) {
    return (await runStatement(this.#connection, 'fetch', this.#answers, text, params, options)).rows;
  }

  /** The first row, or null where there is none. */
  async fetchOne(text, params, options) {
    return (await this.fetch(text, params, options))[0] ?? null;
  }

  /** Creates a row, and gives it with what the database filled in. */
  async create(entity, values, options) {
    return this.fetchOne(...createOf(entity, values), options);
  }

  /** Changes the row of a key, and gives it as it is then. */
  async update(entity, key, changes, options) {
    return this.fetchOne(...updateOf(entity, key, changes), options);
  }

  /** As `query`, at once. What waits for others, for a disk or for a network stops this process. */
  querySync(text, params, options) {
    const making = this.#answers.making(optionsOf(options, SYNC_OPTIONS));
    return making.outcome(atOnce(() => this.#connection.querySync(text, writeParams(params))));
  }

  /** As `fetch`, at once: for short reads of a database of this process. */
  fetchSync(text, params, options) {
    const making = this.#answers.making(optionsOf(options, SYNC_OPTIONS));
    return making.outcome(atOnce(() => this.#connection.fetchSync(text, writeParams(params)))).rows;
  }

  /** As `fetchOne`, at once. */
  fetchOneSync(text, params, options) {
    return this.fetchSync(text, params, options)[0] ?? null;
  }

  /**
   * The rows of a statement, part by part: `for await (const row of db.stream(…))`. A loop that is left ends the statement. One
   * that gives no rows is refused, and not executed.
   */
  stream(text, params, options) {
    const { signal, ...values } = optionsOf(options, CALL_OPTIONS);
    // Written at once: the parameters may be changed before the first row is asked for.
    const bytes = Buffer.from(writeParams(params));
    const start = (completions, number) => this.#connection.stream(completions, number, text, bytes);
    return rowsOf(start, this.#answers.making(values), signal);
  }

  /** What a statement takes and gives, in the schema as it is, without running it: `{params, nodes, shape}`. */
  async describe(text) {
    const json = await operation((completions, number) => this.#connection.describe(completions, number, text));
    const { params, shape } = JSON.parse(json);
    return { params, nodes: shape === null ? null : nodesOf(shape), shape };
  }

  /**
   * Is told of commits from now on that write rows of these entities, or of any where none is named:
   * `for await (const changed of await db.subscribe(['User']))`.
   */
  async subscribe(entities = [], options) {
    const { signal } = optionsOf(options, ['signal']);
    if (!Array.isArray(entities)) throw error('invalid_value', 'a subscription names entities in an array');
    const raw = await operation(
      (completions, number) => this.#connection.subscribe(completions, number, entities.map(String)),
      signal,
    );
    return new Changes(raw, signal);
  }

  /** Begins a transaction, which the caller ends. */
  async begin(options) {
    const { isolation = 'serializable', readOnly = false, signal } = optionsOf(options, BEGIN_OPTIONS);
    const raw = await operation(
      (completions, number) => this.#connection.begin(completions, number, String(isolation), Boolean(readOnly)),
      signal,
    );
    return new Transaction(raw, this.#answers);
  }

  /** Runs `body` in a transaction and commits it; runs it again while it conflicts with others. */
  transaction(body, options) {
    return runTransaction((begun) => this.begin(begun), body, options);
  }

  /** The text of the schema. */
  schema() {
    return operation((completions, number) => this.#connection.schema(completions, number));
  }

  /** Applies a schema: `{version, changes}`. The error of one that is refused has `errors`, all that is wrong with it. */
  async applySchema(text) {
    if (typeof text !== 'string') throw error('invalid_value', 'a schema is a text');
    const json = await operation((completions, number) => this.#connection.applySchema(completions, number, text));
    const { errors, ...applied } = JSON.parse(json);
    if (errors === undefined) return applied;
    const failures = errors.map((of) => fromNative(new Error(of)));
    throw Object.assign(failures[0], { errors: failures });
  }

  /** Takes no further statements, and rolls back the transactions that are open. */
  async close() {
    await operation((completions, number) => this.#connection.close(completions, number));
  }

  async [Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')]() {
    await this.close();
  }
}

module.exports = { connect, connectSync, Database };
