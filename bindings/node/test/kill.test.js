// The server is killed and started again under the client, a bounded number of times: no write that was acknowledged is lost,
// every call that fails does so with a typed error, and the connection recovers by itself.
'use strict';

const assert = require('node:assert/strict');
const { it } = require('node:test');
const { connect, OrmdbError } = require('..');
const { directory, serve } = require('./support/place');

const KILLS = Number(process.env.ORMDB_KILLS ?? 6);
const WRITERS = 4;
/** The writes that are acknowledged between two kills, at least. */
const WRITES_BETWEEN = 25;

it(`loses no acknowledged write over ${KILLS} kills of the server`, { timeout: 60_000 + 10_000 * KILLS }, async (t) => {
  const dir = directory(t);
  let server = await serve(dir);
  t.after(() => server.kill());
  const db = await connect(server.url);
  t.after(() => db.close());
  await db.applySchema('entity Note { id int64 @id @default(autoincrement())\n  text string @unique }');

  const acknowledged = new Set();
  const uncertain = new Set();
  let stopped = false;
  let failed = 0;
  const write = async (writer) => {
    for (let n = 0; !stopped; n++) {
      const text = `${writer}/${n}`;
      try {
        await db.query('create Note { text: $text }', { text });
        acknowledged.add(text);
      } catch (error) {
        assert.ok(error instanceof OrmdbError, error.stack);
        assert.equal(error.kind, 'unavailable', error.stack);
        if (error.detail.maybeExecuted !== false) uncertain.add(text);
        failed += 1;
        // The server needs its turn as well.
        await new Promise(setImmediate);
      }
    }
  };
  const writers = Array.from({ length: WRITERS }, (_, writer) => write(writer));
  const enough = async (count) => {
    while (acknowledged.size < count) await new Promise(setImmediate);
  };
  try {
    for (let kill = 0; kill < KILLS; kill++) {
      await enough(acknowledged.size + WRITES_BETWEEN);
      await server.kill();
      server = await serve(dir, server.port);
    }
    await enough(acknowledged.size + WRITES_BETWEEN);
  } finally {
    stopped = true;
    await Promise.all(writers);
  }

  assert.ok(failed > 0, 'no write met a kill');
  const found = new Set((await db.fetch('Note { text }')).map(({ text }) => text));
  for (const text of acknowledged) assert.ok(found.has(text), `${text} was acknowledged and is lost`);
  for (const text of found) assert.ok(acknowledged.has(text) || uncertain.has(text), `${text} is there and was not written`);
  t.diagnostic(`${acknowledged.size} writes acknowledged, ${failed} failed, ${uncertain.size} uncertain, ${found.size} found`);
});
