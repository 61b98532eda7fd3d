// Rows that are taken part by part.
//
// Invariant: at most one part is asked for ahead of the one that is read, so a slow reader slows the statement and not the other
// way round; a reader that stops ends the statement.
'use strict';

const { operation } = require('./native');

/** The rows of a statement that `start` begins. */
async function* rowsOf(start, making, signal) {
  const begun = await operation(start, signal);
  const hydrate = making.hydrator(begun.shape);
  const ask = () => operation((completions, number) => begun.next(completions, number), signal);
  let next = ask();
  try {
    for (;;) {
      const part = await next;
      if (part === null) return;
      next = ask();
      // It is waited for in the next round, or by nobody where the loop is left.
      next.catch(() => {});
      for (const chunk of part.chunks) yield* hydrate(chunk);
    }
  } finally {
    begun.close();
  }
}

module.exports = { rowsOf };
