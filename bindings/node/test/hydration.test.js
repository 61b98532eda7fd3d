'use strict';

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const path = require('node:path');
const { describe, it } = require('node:test');
const { createHydrator } = require('../lib/hydrator');
const { Decimal } = require('../lib/decimal');
const { ProtocolError, OrmdbError } = require('../lib/errors').classes;
const { DateTime, Interval, microsOf } = require('../lib/temporal');
const { chunk } = require('./support/chunks');

const one = (columns, edges = []) => JSON.stringify({ nodes: [{ entity: 'A', columns, edges }] });
const range = (n) => Array.from({ length: n }, (_, at) => at);
const WAYS = [
  ['generated', {}],
  ['walking', { codeGeneration: false }],
];

for (const [name, way] of WAYS) {
  describe(`${name} hydrators`, () => {
    const hydrate = (shape, bytes, options) => createHydrator(shape, { ...way, ...options })(bytes);

    it('reads every type, and nulls', () => {
      const columns = [
        ['b', 1, [true, false, null], [true, false, null]],
        ['i16', 2, [-5, null, 7]],
        ['i32', 3, [-(2 ** 31), 5, null]],
        ['i64', 4, [1n, -(2n ** 53n) + 1n, null], [1, -(2 ** 53) + 1, null]],
        ['f32', 5, [0.5, null, -0], [0.5, null, -0]],
        ['f64', 6, [1e300, NaN, null]],
        ['s', 8, ['', 'a', null]],
        ['bytes', 9, [Buffer.from([1, 2]), Buffer.alloc(0), null], [new Uint8Array([1, 2]), new Uint8Array(0), null]],
        ['u', 10, ['018f4e6a000070008000000000000001', null, null], ['018f4e6a-0000-7000-8000-000000000001', null, null]],
        ['at', 11, [1_000_000n, -1n, null], [new Date(1000), new DateTime(-1, 999), null]],
        ['l', 12, [0n, -62135596800000000n, null], ['1970-01-01T00:00:00', '0001-01-01T00:00:00', null]],
        ['d', 13, [0, 2932896, null], ['1970-01-01', '9999-12-31', null]],
        ['t', 14, [86399999999n, 500000n, null], ['23:59:59.999999', '00:00:00.5', null]],
        ['iv', 15, [[14, -3, 1500000n], [0, 0, 0n], null], [new Interval(14, -3, 1500000n), new Interval(), null]],
        ['j', 16, ['{"a":[1,null]}', 'null', null], [{ a: [1, null] }, null, null]],
      ];
      const shape = one(columns.map(([name, kind]) => ({ name, kind })));
      const bytes = chunk([columns.map(([, kind, values]) => ({ kind, values }))], [[[0, 1, 2]]]);
      const rows = hydrate(shape, bytes);
      const expected = range(3).map((row) => Object.fromEntries(columns.map(([name, , values, read = values]) => [name, read[row]])));
      assert.deepStrictEqual(rows, expected);
    });

    it('reads decimals of one scale and of many, to the last digit', () => {
      const large = 10n ** 38n - 1n;
      const shape = one([
        { name: 'a', kind: 7 },
        { name: 'b', kind: 7 },
      ]);
      const bytes = chunk(
        [
          [
            { kind: 7, values: [150n, -5n, large, null], scale: 2 },
            { kind: 7, values: [1n, -large, 0n, 7n], scales: [0, 38, 3, 1] },
          ],
        ],
        [[[0, 1, 2, 3]]],
      );
      const rows = hydrate(shape, bytes);
      assert.deepStrictEqual(
        rows.map(({ a, b }) => [a && String(a), String(b)]),
        [
          ['1.50', '1'],
          ['-0.05', `-0.${'9'.repeat(38)}`],
          [`${'9'.repeat(36)}.99`, '0.000'],
          [null, '0.7'],
        ],
      );
      assert.ok(rows[0].a instanceof Decimal);
    });

    it('gives int64 as numbers while they are exact, and as bigints by request', () => {
      const shape = one([{ name: 'n', kind: 4 }]);
      const bytes = chunk([[{ kind: 4, values: [2n ** 53n, null] }]], [[[0, 1]]]);
      assert.throws(() => hydrate(shape, bytes), { code: 'numeric_overflow' });
      assert.deepStrictEqual(hydrate(shape, bytes, { int64: 'bigint' }), [{ n: 2n ** 53n }, { n: null }]);
      const edge = chunk([[{ kind: 4, values: [2n ** 53n - 1n, -1n, -(2n ** 31n), 2n ** 31n] }]], [[range(4)]]);
      assert.deepStrictEqual(
        hydrate(shape, edge).map(({ n }) => n),
        [2 ** 53 - 1, -1, -(2 ** 31), 2 ** 31],
      );
    });

    it('reads text of every width, in columns of every length', () => {
      const texts = ['', 'plain', 'naïve', '雪', '🦀 crab', 'ß'.repeat(40), null, 'x'.repeat(500)];
      for (const rows of [1, 3, 7, 8, 9, 40, 300]) {
        for (const some of [texts, texts.slice(0, 6), ['a', 'bb', null], ['rock', 'jazz'], ['é', null, '雪']]) {
          const values = range(rows).map((at) => some[(at * 7) % some.length]);
          const bytes = chunk([[{ kind: 8, values }]], [[range(rows)]]);
          assert.deepStrictEqual(
            hydrate(one([{ name: 's', kind: 8 }]), bytes).map(({ s }) => s),
            values,
          );
        }
      }
    });

    it('reads lists', () => {
      const shape = one([
        { name: 'n', kind: 3, list: true },
        { name: 's', kind: 8, list: true },
      ]);
      const bytes = chunk(
        [
          [
            { kind: 3, list: true, values: [[1, null, 2], [], null] },
            { kind: 8, list: true, values: [['a'], null, ['b', 'c']] },
          ],
        ],
        [[[2, 0, 1]]],
      );
      assert.deepStrictEqual(hydrate(shape, bytes), [
        { n: null, s: ['b', 'c'] },
        { n: [1, null, 2], s: ['a'] },
        { n: [], s: null },
      ]);
    });

    it('reads enums by their labels, and refuses numbers without one', () => {
      const labels = [
        [10, 'reader'],
        [20, 'admin'],
      ];
      const shape = one([{ name: 'role', kind: 17, labels }]);
      const rows = (values) => hydrate(shape, chunk([[{ kind: 17, values }]], [[range(values.length)]]));
      assert.deepStrictEqual(rows([20, null, 10]), [{ role: 'admin' }, { role: null }, { role: 'reader' }]);
      assert.throws(() => rows([11]), ProtocolError);
    });

    const GRAPH = JSON.stringify({
      nodes: [
        {
          entity: 'Artist',
          columns: [{ name: 'name', kind: 8 }],
          edges: [
            { alias: 'best', child: 1, many: false, before: 0 },
            { alias: 'albums', child: 2, many: true, before: 1 },
          ],
        },
        { entity: 'Album', columns: [{ name: 'title', kind: 8 }], edges: [] },
        { entity: 'Album', columns: [{ name: 'title', kind: 8 }], edges: [] },
      ],
    });
    const titles = { kind: 8, values: ['A', 'B', 'C'] };
    const graph = (best, albums) => chunk([[{ kind: 8, values: ['x', 'y'] }], [titles], [titles]], [[[1, 0]], best, albums]);

    it('follows edges, in the order asked for', () => {
      const rows = hydrate(GRAPH, graph([[2], []], [[2, 0], [0]]));
      const [A, C] = [{ title: 'A' }, { title: 'C' }];
      assert.deepStrictEqual(rows, [
        { best: null, name: 'y', albums: [A] },
        { best: C, name: 'x', albums: [C, A] },
      ]);
      assert.deepStrictEqual(Object.keys(rows[0]), ['best', 'name', 'albums']);
      // A row that several parents reach is one object.
      assert.equal(rows[0].albums[0], rows[1].albums[1]);
    });

    it('refuses edges to nowhere', () => {
      assert.throws(() => hydrate(GRAPH, graph([[3], []], [[], []])), ProtocolError);
      assert.throws(() => hydrate(GRAPH, graph([[0, 1], []], [[], []])), ProtocolError);
      assert.throws(() => hydrate(GRAPH, graph([[], []], [[7], []])), ProtocolError);
    });

    it('makes structs of dotted names', () => {
      const shape = one([
        { name: 'home.city', kind: 8 },
        { name: 'id', kind: 3 },
        { name: 'billing?', kind: 1 },
        { name: 'billing.geo.lat', kind: 6 },
        { name: 'home.zip', kind: 8 },
      ]);
      const bytes = chunk(
        [
          [
            { kind: 8, values: ['x', 'y'] },
            { kind: 3, values: [1, 2] },
            { kind: 1, values: [true, null] },
            { kind: 6, values: [1.5, null] },
            { kind: 8, values: ['1', null] },
          ],
        ],
        [[[0, 1]]],
      );
      assert.deepStrictEqual(hydrate(shape, bytes), [
        { home: { city: 'x', zip: '1' }, id: 1, billing: { geo: { lat: 1.5 } } },
        { home: { city: 'y', zip: null }, id: 2, billing: null },
      ]);
    });

    it('tells what is withheld from null', () => {
      const bytes = chunk([[{ kind: 3, values: [1, null, null], withheld: [false, true, false] }]], [[range(3)]]);
      assert.deepStrictEqual(
        hydrate(one([{ name: 'n', kind: 3 }]), bytes).map(({ n }) => n),
        [1, undefined, null],
      );
    });

    it('makes rows by the classes of an adapter', () => {
      class Artist {
        constructor() {
          this.loaded = true;
        }
      }
      const asked = [];
      const construct = (node) => {
        asked.push([node.entity, node.path, node.columns, node.edges]);
        return node.entity === 'Artist' ? Artist : undefined;
      };
      const [first] = hydrate(GRAPH, graph([[2], []], [[2, 0], [0]]), { construct });
      assert.ok(first instanceof Artist);
      assert.deepStrictEqual({ ...first }, { loaded: true, best: null, name: 'y', albums: [{ title: 'A' }] });
      assert.deepStrictEqual(asked, [
        ['Artist', [], ['name'], ['best', 'albums']],
        ['Album', ['best'], ['title'], []],
        ['Album', ['albums'], ['title'], []],
      ]);
    });

    it('keeps names that mean something to JavaScript', () => {
      const names = ['__proto__', 'constructor', 'a"b', "it's", 'x\n'];
      const shape = one(names.map((name) => ({ name, kind: 3 })));
      const [row] = hydrate(shape, chunk([names.map((_, at) => ({ kind: 3, values: [at] }))], [[[0]]]));
      assert.deepStrictEqual(Object.keys(row), names);
      assert.equal(Object.getPrototypeOf(row), Object.prototype);
      assert.deepStrictEqual(Object.values(row), range(names.length));
    });

    it('answers damaged bytes with a typed error, and never with a crash', () => {
      const shape = JSON.stringify({
        nodes: [
          {
            entity: 'A',
            columns: [
              { name: 's', kind: 8 },
              { name: 'n', kind: 4 },
              { name: 'l', kind: 3, list: true },
              { name: 'd', kind: 7 },
            ],
            edges: [{ alias: 'c', child: 1, many: true, before: 0 }],
          },
          { entity: 'B', columns: [{ name: 'j', kind: 16 }], edges: [] },
        ],
      });
      const whole = chunk(
        [
          [
            { kind: 8, values: range(12).map((n) => (n === 4 ? null : `té${n}`)) },
            { kind: 4, values: range(12).map(BigInt) },
            { kind: 3, list: true, values: range(12).map((n) => [n, n]) },
            { kind: 7, values: range(12).map((n) => BigInt(n)), scale: 1 },
          ],
          [{ kind: 16, values: ['{}', '[1]'] }],
        ],
        [[range(12)], range(12).map((n) => [n % 2])],
      );
      const read = createHydrator(shape, way);
      assert.equal(read(whole).length, 12);
      let seed = 1;
      const random = (below) => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) % below;
      const outcomes = { read: 0, refused: 0 };
      const attempt = (bytes, what) => {
        try {
          read(bytes);
          outcomes.read += 1;
        } catch (thrown) {
          assert.ok(thrown instanceof OrmdbError, `${what}: ${thrown.stack}`);
          outcomes.refused += 1;
        }
      };
      for (let length = 0; length < whole.length; length += 5) attempt(whole.slice(0, length), `length ${length}`);
      for (let round = 0; round < 3000; round++) {
        const bytes = whole.slice();
        const at = random(bytes.length);
        bytes[at] = random(4) === 0 ? 255 : random(256);
        attempt(bytes, `byte ${at} is ${bytes[at]}`);
      }
      assert.ok(outcomes.refused > 500, JSON.stringify(outcomes));
    });
  });
}

it('gives every row of a node one hidden class', () => {
  const code = `
    const { createHydrator } = require('./lib/hydrator');
    const { chunk } = require('./test/support/chunks');
    const shape = JSON.stringify({ nodes: [{ entity: 'A', columns: [{ name: 'a', kind: 3 }, { name: 's', kind: 8 }], edges: [] }] });
    const bytes = chunk([[{ kind: 3, values: [1, null, 3] }, { kind: 8, values: ['x', 'y', null] }]], [[[0, 1, 2]]]);
    for (const codeGeneration of [true, false]) {
      const [a, b, c] = createHydrator(shape, { codeGeneration })(bytes);
      if (!%HaveSameMap(a, b) || !%HaveSameMap(b, c)) process.exit(1);
    }`;
  execFileSync(process.execPath, ['--allow-natives-syntax', '-e', code], { cwd: path.join(__dirname, '..') });
});

it('hydrates where code may not be generated', () => {
  const code = `
    const { createHydrator } = require('./lib/hydrator');
    const { chunk } = require('./test/support/chunks');
    const shape = JSON.stringify({ nodes: [{ entity: 'A', columns: [{ name: 'a', kind: 3 }], edges: [] }] });
    process.stdout.write(JSON.stringify(createHydrator(shape)(chunk([[{ kind: 3, values: [1] }]], [[[0]]]))));`;
  const cwd = path.join(__dirname, '..');
  const out = execFileSync(process.execPath, ['--disallow-code-generation-from-strings', '-e', code], { cwd, encoding: 'utf8' });
  assert.equal(out, '[{"a":1}]');
});

it('keeps microseconds', () => {
  const at = DateTime.fromMicros(1_709_208_000_000_001n);
  assert.equal(at.toISOString(), '2024-02-29T12:00:00.000001Z');
  assert.equal(microsOf(at), 1_709_208_000_000_001n);
  assert.equal(microsOf(new Date(-1)), -1000n);
  assert.equal(DateTime.fromMicros(-62135596800000000n).toISOString(), '0001-01-01T00:00:00.000000Z');
});

it('reads and prints decimals', () => {
  for (const [text, printed = text] of [['1.50'], ['-0.05'], ['0'], ['1e3', '1000'], ['.5', '0.5'], ['5.', '5'], ['+1.0E-2', '0.010']]) {
    assert.equal(String(Decimal.from(text)), printed);
  }
  assert.ok(Decimal.from('1.50').equals('1.5'));
  assert.equal(Decimal.from('-2').compare('1.99'), -1);
  for (const bad of ['', '.', '1,5', 'NaN', '0x10']) assert.throws(() => Decimal.from(bad), { code: 'invalid_value' });
  assert.throws(() => Decimal.from(10n ** 38n), { code: 'numeric_overflow' });
  assert.throws(() => Decimal.from('1e999'), { code: 'numeric_overflow' });
});
