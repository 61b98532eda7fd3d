// Loads the native module, and turns its numbered completions into promises.
//
// Invariant: the process lives as long as a promise is waited for, and no longer.
'use strict';

const path = require('node:path');
const { classes, error, fromNative } = require('./errors');

const FILE = path.join(__dirname, '..', 'native', 'ormdb.node');

function load() {
  try {
    return require(FILE);
  } catch (cause) {
    const message = `the native module of @ormdb/client cannot be loaded (${cause.message})`;
    const detail = { file: FILE, hint: '`npm install` builds it, with a Rust toolchain' };
    throw new classes.UnavailableError(message, { code: 'io', sqlstate: '58030', kind: 'unavailable', detail }, { cause });
  }
}

const native = load();

/** What waits, by number. */
const waiting = new Map();
let last = 0;

// A timer is what a process can be kept alive by without cost.
const alive = setInterval(() => {}, 0x7fffffff).unref();

const completions = new native.Completions((number, failure, value) => {
  const { resolve, reject } = waiting.get(number);
  waiting.delete(number);
  if (waiting.size === 0) alive.unref();
  if (failure === null || failure === undefined) resolve(value);
  else reject(failure);
});

function cancelled(signal) {
  return error('cancelled', 'the operation was aborted', {}, { cause: signal.reason });
}

/**
 * Waits for an operation: `start(completions, number)` asks for it and gives what stops it. The error is made where it is waited
 * for, so that its stack leads to the caller.
 */
async function operation(start, signal) {
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw error('invalid_value', '`signal` is an AbortSignal');
  if (signal?.aborted) throw cancelled(signal);
  last = (last + 1) >>> 0;
  const number = last;
  let onAbort;
  try {
    return await new Promise((resolve, reject) => {
      waiting.set(number, { resolve, reject });
      if (waiting.size === 1) alive.ref();
      let stop;
      try {
        stop = start(completions, number);
      } catch (thrown) {
        waiting.delete(number);
        if (waiting.size === 0) alive.unref();
        throw thrown;
      }
      if (signal !== undefined) {
        onAbort = () => stop.stop();
        signal.addEventListener('abort', onAbort, { once: true });
      }
    });
  } catch (failure) {
    const thrown = fromNative(typeof failure === 'string' ? new Error(failure) : failure);
    if (signal?.aborted && thrown.code === 'cancelled') throw cancelled(signal);
    if (thrown instanceof Error) Error.captureStackTrace(thrown, operation);
    throw thrown;
  } finally {
    if (onAbort !== undefined) signal.removeEventListener('abort', onAbort);
  }
}

/** Runs an operation on this thread. */
function atOnce(run) {
  try {
    return run();
  } catch (thrown) {
    const failure = fromNative(thrown);
    if (failure !== thrown) Error.captureStackTrace(failure, atOnce);
    throw failure;
  }
}

module.exports = { native, operation, atOnce };
