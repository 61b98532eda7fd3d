// How long fetches take from the call to the objects: embedded at once, embedded with promises, and from a server over loopback.
// The server is the `ormdb` binary that `ORMDB_BINARY` names. Run it with `npm run bench`.
'use strict';

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { connect } = require('..');
const { serve } = require('../test/support/place');

const ROWS = Number(process.argv[2] ?? 10_000);
const SCHEMA = `
entity Movie {
  id       int64    @id
  title    string
  year     int32
  rating   float64
  country  string
}`;
const STATEMENTS = {
  'one row by its key': ['Movie[$id]', { id: 17 }, 2000],
  [`${ROWS} rows of 5 columns`]: ['Movie', undefined, 40],
};

async function fill(db) {
  await db.applySchema(SCHEMA);
  for (let at = 0; at < ROWS; at += 500) {
    const records = Array.from({ length: Math.min(500, ROWS - at) }, (_, n) => {
      const id = at + n;
      const country = ['IS', 'DK', 'NO', 'SE', 'FI'][id % 5];
      return `{ id: ${id}, title: "A movie of the number ${id}", year: ${1900 + (id % 120)}, rating: ${(id % 100) / 8}, country: "${country}" }`;
    });
    await db.query(`create Movie [${records.join(', ')}]`);
  }
}

async function median(rounds, run) {
  const times = [];
  for (let round = 0; round < rounds; round++) {
    const start = process.hrtime.bigint();
    await run();
    times.push(Number(process.hrtime.bigint() - start) / 1e3);
  }
  return times.sort((a, b) => a - b)[rounds >> 1];
}

async function main() {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'ormdb-bench-'));
  const embedded = await connect(path.join(dir, 'embedded'));
  const server = await serve(dir);
  const remote = await connect(server.url);
  try {
    await Promise.all([fill(embedded), fill(remote)]);
    for (const [name, [text, params, rounds]] of Object.entries(STATEMENTS)) {
      console.log(name);
      for (const [way, run] of [
        ['embedded, at once', () => embedded.fetchSync(text, params)],
        ['embedded', () => embedded.fetch(text, params)],
        ['remote', () => remote.fetch(text, params)],
      ]) {
        console.log(`  ${way.padEnd(18)} ${(await median(rounds, run)).toFixed(1)} us`);
      }
    }
  } finally {
    await Promise.all([embedded.close(), remote.close()]);
    await server.kill();
    fs.rmSync(dir, { recursive: true, force: true });
  }
}

main();
