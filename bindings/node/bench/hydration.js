// How long hydration takes: rows of five columns out of one chunk, medians over rounds. Run it with `npm run bench`.
'use strict';

const { createHydrator } = require('../lib/hydrator');
const { chunk } = require('../test/support/chunks');

const ROWS = Number(process.argv[2] ?? 10_000);
const ROUNDS = 201;

const NAMES = ['Kukl', 'Sykurmolarnir', 'Björk Guðmundsdóttir', 'Sigur Rós', 'Múm', 'GusGus', 'Hjaltalín', 'Of Monsters and Men'];
const CASES = {
  'int64, text, int32, float64, text that recurs': [
    { name: 'id', kind: 4, value: (n) => BigInt(n) },
    { name: 'title', kind: 8, value: (n) => `A movie of the number ${n}` },
    { name: 'year', kind: 3, value: (n) => 1900 + (n % 120) },
    { name: 'rating', kind: 6, value: (n) => (n % 100) / 7 },
    { name: 'country', kind: 8, value: (n) => ['IS', 'DK', 'NO', 'SE', 'FI'][n % 5] },
  ],
  'the same, with nulls': [
    { name: 'id', kind: 4, value: (n) => BigInt(n) },
    { name: 'title', kind: 8, value: (n) => (n % 9 === 0 ? null : `A movie of the number ${n}`) },
    { name: 'year', kind: 3, value: (n) => (n % 10 === 0 ? null : 1900 + (n % 120)) },
    { name: 'rating', kind: 6, value: (n) => (n % 11 === 0 ? null : (n % 100) / 7) },
    { name: 'country', kind: 8, value: (n) => ['IS', 'DK', 'NO', 'SE', null][n % 5] },
  ],
  'int64, text beyond ASCII, datetime, decimal, bool': [
    { name: 'id', kind: 4, value: (n) => BigInt(n) },
    { name: 'name', kind: 8, value: (n) => `${NAMES[n % NAMES.length]} ${n}` },
    { name: 'at', kind: 11, value: (n) => 1_700_000_000_000_000n + BigInt(n) * 1_000_000n },
    { name: 'price', kind: 7, value: (n) => BigInt(n), scale: 2 },
    { name: 'seen', kind: 1, value: (n) => n % 3 === 0 },
  ],
};

function median(times) {
  return times.sort((a, b) => a - b)[times.length >> 1];
}

function measure(run) {
  const times = [];
  for (let round = 0; round < ROUNDS; round++) {
    const start = process.hrtime.bigint();
    run();
    times.push(Number(process.hrtime.bigint() - start) / 1e6);
  }
  return median(times);
}

const rows = Array.from({ length: ROWS }, (_, n) => n);
for (const [name, columns] of Object.entries(CASES)) {
  const shape = JSON.stringify({ nodes: [{ entity: 'Movie', columns: columns.map(({ name, kind }) => ({ name, kind })), edges: [] }] });
  const bytes = chunk([columns.map(({ kind, value, scale }) => ({ kind, scale, values: rows.map(value) }))], [[rows]]);
  const generated = createHydrator(shape);
  const walking = createHydrator(shape, { codeGeneration: false });
  const text = JSON.stringify(generated(bytes));
  console.log(`${ROWS} rows of ${name}`);
  for (const [way, run] of [
    ['generated', () => generated(bytes)],
    ['walking', () => walking(bytes)],
    ['JSON.parse', () => JSON.parse(text)],
  ]) {
    console.log(`  ${way.padEnd(12)} ${measure(run).toFixed(2)} ms`);
  }
}
