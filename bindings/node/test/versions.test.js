// Versions that were overwritten, for as long as they are kept.
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { it } = require('node:test');
const { connect, connectSync } = require('..');
const { directory, serve } = require('./support/place');

/** By when a version has to be given up that nobody keeps. */
const GIVEN_UP_BY_MS = 60_000;

/** Overwrites the only row, and gives the token of a result with the row as it was. */
async function overwritten(db) {
  await db.applySchema('entity Artist {\n  id int64 @id\n  name string\n}\n');
  await db.query('create Artist { id: 1, name: "first" }');
  const { token } = await db.query('Artist { name }');
  await overwrite(db);
  return token;
}

async function overwrite(db) {
  await db.query('update Artist[1] set { name: "second" }');
}

async function nameAsOf(db, token) {
  return (await db.fetchOne('Artist[1] as of $t { name }', { t: token })).name;
}

/** Reads a version, while more is written, until it is given up, which it has to be. Gives how many milliseconds that took. */
async function givenUp(db, token) {
  const began = Date.now();
  while (Date.now() < began + GIVEN_UP_BY_MS) {
    try {
      assert.equal(await nameAsOf(db, token), 'first');
    } catch (error) {
      assert.equal(error.code, 'token_too_old');
      return Date.now() - began;
    }
    await overwrite(db);
  }
  throw new Error('nobody gives the version up');
}

/** Opens a database in a directory, and closes it when the test ends. */
async function opened(t, dir, options) {
  const db = await connect(dir, options);
  t.after(() => db.close());
  return db;
}

it('keeps versions for as long as is said', { timeout: 240_000 }, async (t) => {
  const dir = directory(t);
  const plain = await opened(t, path.join(dir, 'nothing'));
  const took = await givenUp(plain, await overwritten(plain));
  const noBytes = await opened(t, path.join(dir, 'no bytes'), { retentionAgeMs: 3_600_000, retentionBytes: 0 });
  await givenUp(noBytes, await overwritten(noBytes));
  // A hundred days are more than 32 bits of milliseconds.
  const options = { retentionAgeMs: 100 * 24 * 3_600_000, retentionBytes: 1e12 };
  const db = await opened(t, path.join(dir, 'long'), options);
  const token = await overwritten(db);
  const end = Date.now() + 2 * took;
  while (Date.now() < end) {
    await overwrite(db);
    assert.equal(await nameAsOf(db, token), 'first');
  }
  await db.close();
  // The database keeps its retention: an opening need not say it again.
  const again = connectSync(path.join(dir, 'long'));
  t.after(() => again.close());
  assert.equal(await nameAsOf(again, token), 'first');
});

it('reads versions that a server keeps', { timeout: 60_000 }, async (t) => {
  const server = await serve(directory(t), 0, ['--retention-age', '3600']);
  t.after(() => server.kill());
  const db = await opened(t, server.url);
  assert.equal(await nameAsOf(db, await overwritten(db)), 'first');
});

it('refuses what is no retention', async (t) => {
  const dir = path.join(directory(t), 'data');
  for (const options of [{ retentionAgeMs: -1 }, { retentionAgeMs: 0.5 }, { retentionAgeMs: NaN }, { retentionAgeMs: Infinity }, { retentionAgeMs: 1e18 }, { retentionAgeMs: 2 ** 52 }, { retentionAgeMs: 1, retentionBytes: '1' }, { retentionBytes: 1 }]) {
    await assert.rejects(connect(dir, options), { code: 'invalid_value' }, JSON.stringify(options));
    assert.throws(() => connectSync(dir, options), { code: 'invalid_value' }, JSON.stringify(options));
  }
  assert.equal(fs.existsSync(dir), false);
  await opened(t, dir, { retentionAgeMs: 60_000 });
  await assert.rejects(connect(dir, { retentionAgeMs: 61_000 }), { code: 'invalid_value', message: /another retention/ });
  await opened(t, dir);
});
