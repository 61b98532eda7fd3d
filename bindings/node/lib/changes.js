// Being told of commits.
'use strict';

const { operation } = require('./native');

/** A subscription. An AsyncIterator of `{token, entities, schema, everything}`; a loop that is left ends it. */
class Changes {
  #raw;
  #signal;

  constructor(raw, signal) {
    this.#raw = raw;
    this.#signal = signal;
  }

  /** The version from which on commits are told. */
  get since() {
    return this.#raw.since;
  }

  /** The next notice, once there is one. What is not taken is joined to it. */
  async next() {
    const value = JSON.parse(await operation((completions, number) => this.#raw.next(completions, number), this.#signal));
    return { done: false, value };
  }

  /** Ends it. */
  async return() {
    this.#raw.close();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  async [Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')]() {
    await this.return();
  }
}

module.exports = { Changes };
