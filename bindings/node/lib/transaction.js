// Transactions of several statements, and how one is run again that conflicts with others.
'use strict';

const { setTimeout: sleep } = require('node:timers/promises');
const { classes, error } = require('./errors');
const { operation } = require('./native');
const { optionsOf } = require('./options');
const { runStatement } = require('./statement');
const { createOf, updateOf } = require('./write');

const RUN_OPTIONS = ['isolation', 'readOnly', 'signal', 'retriesMax'];
/** As the other clients do it: how often a transaction is run again, and after which pauses. */
const RETRIES_MAX = 32;
const PAUSE_MS_MIN = 1;
const PAUSE_MS_MAX = 100;

/** A transaction with read-your-writes. Its statements run one after the other. */
class Transaction {
  #raw;
  #answers;
  #savepoints = 0;

  constructor(raw, answers) {
    this.#raw = raw;
    this.#answers = answers;
  }

  /** Runs any statement, and tells all of its outcome. */
  async query(text, params, options) {
    return runStatement(this.#raw, 'query', this.#answers, text, params, options);
  }

  /** The rows of a fetch, or those that a write returns. A statement that gives none is refused, and not executed. */
  async fetch(text, params, options) {
    return (await runStatement(this.#raw, 'fetch', this.#answers, text, params, options)).rows;
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

  /** Runs `body` behind a savepoint: what it wrote is taken back where it fails, and the transaction goes on. */
  async savepoint(body) {
    if (typeof body !== 'function') throw error('invalid_value', '`savepoint` runs a function; `setSavepoint` names a savepoint');
    const name = `node_${++this.#savepoints}`;
    await this.setSavepoint(name);
    try {
      const value = await body(this);
      await this.release(name);
      return value;
    } catch (failure) {
      // Where this fails too the transaction has ended, and the first failure says why.
      await this.rollbackTo(name).then(
        () => this.release(name),
        () => {},
      );
      throw failure;
    }
  }

  /** Sets a savepoint of a name. */
  async setSavepoint(name) {
    await operation((completions, number) => this.#raw.savepoint(completions, number, String(name)));
  }

  /** Takes back what was written since the savepoint, which stays. */
  async rollbackTo(name) {
    await operation((completions, number) => this.#raw.rollbackTo(completions, number, String(name)));
  }

  /** Forgets the savepoint and those after it; what was written stays. */
  async release(name) {
    await operation((completions, number) => this.#raw.release(completions, number, String(name)));
  }

  /** Commits: what was written is durable. Gives the version token, where something was. */
  async commit() {
    const { token } = await operation((completions, number) => this.#raw.commit(completions, number));
    return token;
  }

  /** Rolls back. One that has ended is left as it is. */
  async rollback() {
    await operation((completions, number) => this.#raw.rollback(completions, number));
  }

  async [Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')]() {
    await this.rollback();
  }
}

/** Runs `body` in transactions that `begin` begins, until one is committed. */
async function runTransaction(begin, body, options) {
  const { retriesMax = RETRIES_MAX, ...begun } = optionsOf(options, RUN_OPTIONS);
  if (typeof body !== 'function') throw error('invalid_value', '`transaction` runs a function; `begin` begins one that you end');
  if (!Number.isInteger(retriesMax) || retriesMax < 0) throw error('invalid_value', '`retriesMax` is a whole number');
  for (let retries = 0; ; retries++) {
    const transaction = await begin(begun);
    try {
      const value = await body(transaction);
      await transaction.commit();
      return value;
    } catch (failure) {
      // Its locks are free while this one pauses. What keeps it from being rolled back has ended it.
      await transaction.rollback().catch(() => {});
      await pause(failure, retries, retriesMax, begun.signal);
    }
  }
}

/** Waits before a transaction is run again, or throws what another run would meet again. */
async function pause(failure, retries, retriesMax, signal) {
  const conflicts = failure instanceof classes.SerializationConflictError || failure instanceof classes.DeadlockError;
  if (!conflicts || signal?.aborted) throw failure;
  if (retries >= retriesMax) {
    failure.detail = {
      ...failure.detail,
      hint: `it was run again ${retries} times (\`retriesMax\`)`,
      limit: { name: 'retries_max', allowed: retriesMax, asked: retries + 1 },
    };
    throw failure;
  }
  const longest = Math.min(PAUSE_MS_MIN * 2 ** Math.min(retries, 20), PAUSE_MS_MAX);
  await sleep(longest * (0.5 + Math.random() / 2));
}

module.exports = { Transaction, runTransaction };
