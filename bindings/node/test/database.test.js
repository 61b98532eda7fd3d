'use strict';

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const { describe, it } = require('node:test');
const { Worker } = require('node:worker_threads');
const client = require('..');
const { directory, open, serve } = require('./support/place');

const { connect, connectSync, typed, Decimal, DateTime, Interval } = client;
const SCHEMA = `
enum Role { reader, admin }
entity User {
  id     int64   @id @default(autoincrement())
  name   string  @unique
  role   Role    @default(reader)
  seen   int32   @default(0)
  posts  Post[]
}
entity Post {
  id        int64            @id @default(autoincrement())
  authorId  int64
  author    User             @relation(authorId -> User.id)
  title     string?
  price     decimal(20,4)?
  at        datetime?
  raw       bytes?
  doc       json?
  tags      string[]?
  length    interval?
  key       uuid?
  day       date?
  ratio     float64?
}
`;

for (const where of ['embedded', 'remote']) {
  describe(`a database, ${where}`, () => {
    const opened = async (t, options) => {
      const db = await open(t, where, options);
      await db.applySchema(SCHEMA);
      return db;
    };

    it('creates, fetches and tells what a write did', async (t) => {
      const db = await opened(t);
      assert.equal(db.isEmbedded, where === 'embedded');
      const written = await db.query('create User { name: $name, posts: create [{ title: $t }, {}] }', { name: 'Björk', $t: 'Debut' });
      assert.deepEqual([written.kind, written.created, written.updated, written.deleted, written.rows], ['written', 3, 0, 0, undefined]);
      assert.match(written.token, /^[0-9a-f]{16}-/);
      assert.deepStrictEqual(await db.fetch('User { name, role, posts order by id { title } }'), [
        { name: 'Björk', role: 'reader', posts: [{ title: 'Debut' }, { title: null }] },
      ]);
      assert.equal(await db.fetchOne('User[2]'), null);
      await assert.rejects(db.fetch('delete User where false'), { code: 'invalid_query' });
      const plan = await db.query('explain User { name }');
      assert.equal(plan.kind, 'plan');
      assert.match(plan.text, /fetch User/);
      assert.match(await db.schema(), /entity User/);
    });

    it('gives every value back as it was given', async (t) => {
      const db = await opened(t);
      const values = {
        title: '雪 "quoted"\n\u0000',
        price: Decimal.from('1234567890123456.7800'),
        at: DateTime.fromMicros(1_709_208_000_000_001n),
        raw: new Uint8Array([0, 255, 7]),
        doc: { a: [1, null, 'é'], b: {} },
        tags: ['x', null, ''],
        length: new Interval(14, -3, -1_500_000n),
        key: '018f4e6a-0000-7000-8000-000000000001',
        day: '2024-02-29',
        ratio: -0.1,
      };
      await db.create('User', { name: 'a' });
      const post = await db.create('Post', { authorId: 1, ...values });
      assert.deepStrictEqual(post, { id: 1, authorId: 1, ...values });
      assert.deepStrictEqual(await db.update('Post', { id: 1n }, { title: null, ratio: 2, price: '0.5', at: new Date(5) }), {
        ...post,
        title: null,
        ratio: 2,
        price: Decimal.from('0.5000'),
        at: new Date(5),
      });
      const [{ id, at }] = await db.fetch('Post[1]', null, { int64: 'bigint' });
      assert.deepStrictEqual([id, at], [1n, new Date(5)]);
      assert.deepStrictEqual(await db.fetch('Post where doc is not null { doc }', {}, { json: 'text' }), [{ doc: '{"a":[1,null,"é"],"b":{}}' }]);
    });

    it('infers the types of parameters, and takes those that are said', async (t) => {
      const db = await opened(t);
      await db.create('User', { name: 'a' });
      const kinds = async (value) => {
        const outcome = await db.query('User { x: $value }', { value }, { int64: 'bigint' });
        return outcome.nodes[0].columns[0].type;
      };
      assert.equal(await kinds(1), 'int64');
      assert.equal(await kinds(1.5), 'float64');
      assert.equal(await kinds(2n ** 62n), 'int64');
      assert.equal(await kinds(2n ** 64n), 'decimal');
      assert.equal(await kinds(typed('int16', 5)), 'int16');
      assert.equal(await kinds(typed('uuid', '018f4e6a-0000-7000-8000-000000000001')), 'uuid');
      assert.equal(await kinds(typed('float32', 0.5)), 'float32');
      assert.equal(await kinds(new Date()), 'datetime');
      await assert.rejects(kinds(undefined), { code: 'invalid_value', detail: { field: 'value', hint: 'null is the absent value' } });
      await assert.rejects(kinds(typed('int16', 70000)), { code: 'invalid_value' });
      await assert.rejects(kinds(() => 1), { code: 'invalid_value' });
      await assert.rejects(kinds(new Date(NaN)), { code: 'invalid_value' });
      assert.throws(() => typed('int17', 1), { code: 'invalid_value' });
    });

    it('takes any document for a field of documents', async (t) => {
      const db = await opened(t);
      await db.create('User', { name: 'a' });
      const documents = [{ a: 1n }, typed('json', [1, [2], 'x']), typed('json', '"text"'), typed('json', 5), null];
      const posts = [];
      for (const doc of documents) posts.push(await db.create('Post', { authorId: 1, doc }));
      assert.deepStrictEqual(
        posts.map(({ doc }) => doc),
        [{ a: 1 }, [1, [2], 'x'], 'text', 5, null],
      );
    });

    it('streams, with back pressure, and stops where the reader does', async (t) => {
      const db = await opened(t);
      const names = Array.from({ length: 3000 }, (_, n) => ({ name: `user ${n}` }));
      for (let at = 0; at < names.length; at += 500) {
        const params = Object.fromEntries(names.slice(at, at + 500).map(({ name }, n) => [`n${n}`, name]));
        await db.query(`create User [${Object.keys(params).map((name) => `{ name: $${name} }`)}]`, params);
      }
      const streamed = [];
      for await (const { name } of db.stream('User order by id { name }')) streamed.push(name);
      assert.deepEqual(streamed, names.map(({ name }) => name));
      let taken = 0;
      for await (const _ of db.stream('User { name }')) if (++taken === 10) break;
      assert.equal(taken, 10);
      const returned = [];
      for await (const row of db.stream('update User[1] set { seen: 5 } return { seen }')) returned.push(row);
      assert.deepEqual(returned, [{ seen: 5 }]);
      await assert.rejects(async () => {
        for await (const _ of db.stream('User { nmae }'));
      }, { code: 'unknown_field' });
      // What gives no rows is refused, and not executed.
      for (const text of ['delete User', 'explain User', 'commit']) {
        await assert.rejects(async () => {
          for await (const _ of db.stream(text));
        }, { code: 'invalid_query' });
        await assert.rejects(db.fetch(text), { code: 'invalid_query' });
        if (db.isEmbedded) assert.throws(() => db.fetchSync(text), { code: 'invalid_query' });
        await db.transaction((tx) => assert.rejects(tx.fetch(text), { code: 'invalid_query' }));
      }
      assert.equal((await db.fetch('User { id }')).length, names.length);
    });

    it('describes statements', async (t) => {
      const db = await opened(t);
      const described = await db.describe('User where name startsWith $p limit $n { name, seen }');
      assert.deepEqual(described.params, [{ name: 'p', type: 'string' }, { name: 'n', type: 'int64' }]);
      assert.deepEqual(described.nodes.map(({ entity, columns }) => [entity, columns.map(({ name }) => name)]), [['User', ['name', 'seen']]]);
      assert.equal(typeof client.createHydrator(described.shape), 'function');
      const written = await db.describe('delete User[$id]');
      assert.deepEqual([written.params, written.nodes, written.shape], [[{ name: 'id', type: 'int64' }], null, null]);
      await assert.rejects(db.describe('User { nmae }'), { code: 'unknown_field' });
    });

    it('tells of commits', { timeout: 60_000 }, async (t) => {
      const db = await opened(t);
      const changes = await db.subscribe(['User']);
      const every = await db.subscribe();
      const { token } = await db.query('create User { name: "a" }');
      const { done, value } = await every.next();
      assert.deepEqual([done, value], [false, { token, entities: ['User'], everything: false }]);
      assert.equal(typeof changes.since, 'string');
      let told = 0;
      for await (const changed of changes) {
        assert.deepEqual(changed.entities, ['User']);
        if (++told === 2) break;
        await db.query('update User[1] set { seen: 1 }');
      }
      await assert.rejects(changes.next(), { code: 'connection_failed' });
      await assert.rejects(db.subscribe(['Usr']), { code: 'unknown_entity' });
      const aborted = await db.subscribe([], { signal: AbortSignal.timeout(50) });
      await assert.rejects(aborted.next(), { code: 'cancelled' });
      await db.applySchema(`${await db.schema()}\nentity Tag {\n  id int64 @id\n}\n`);
      let changed;
      do changed = (await every.next()).value;
      while (changed.schema === undefined);
      assert.equal(typeof changed.schema, 'number');
      const ended = assert.rejects(every.next(), { code: 'connection_failed' });
      await db.close();
      await ended;
    });

    it('has errors with everything that a program needs', async (t) => {
      const db = await opened(t);
      await db.create('User', { name: 'a' });
      const unique = await db.create('User', { name: 'a' }).catch((error) => error);
      for (const Class of [client.UniqueViolationError, client.ConstraintError, client.RequestError, client.OrmdbError, Error]) {
        assert.ok(unique instanceof Class);
      }
      assert.equal(unique.name, 'UniqueViolationError');
      assert.deepEqual([unique.code, unique.sqlstate, unique.kind], ['unique_violation', '23505', 'fix_the_request']);
      assert.equal(unique.detail.entity, 'User');
      assert.match(unique.stack, /database\.test\.js/);
      const unknown = await db.fetch('User { nmae }').catch((error) => error);
      assert.equal(unknown.detail.suggestion, 'name');
      assert.match(unknown.render('User { nmae }'), /\| User \{ nmae \}\n {2}\| {8}\^\n {2}did you mean `name`\?/);
      await assert.rejects(db.fetch('User[$id]'), { code: 'missing_parameter', kind: 'fix_the_request' });
      await assert.rejects(db.fetch('User', {}, { bigint: true }), { code: 'invalid_value', detail: { hint: 'signal, int64, json, construct' } });
      const refused = await db.applySchema('entity A {\n id int64 @id\n b Nothing\n c strin\n}').catch((error) => error);
      assert.equal(refused.errors.length, 2);
      assert.equal(refused, refused.errors[0]);
    });

    it('runs transactions, with savepoints, and again where they conflict', async (t) => {
      const db = await opened(t);
      await db.create('User', { name: 'a' });
      const failed = new Error('no');
      await assert.rejects(
        db.transaction(async (tx) => {
          await tx.update('User', { id: 1 }, { seen: 9 });
          throw failed;
        }),
        failed,
      );
      const seen = await db.transaction(async (tx) => {
        await tx.update('User', { id: 1 }, { seen: 1 });
        await tx
          .savepoint(async () => {
            await tx.update('User', { id: 1 }, { seen: 2 });
            throw failed;
          })
          .catch((error) => assert.equal(error, failed));
        await tx.savepoint(() => tx.create('User', { name: 'b' }));
        return (await tx.fetchOne('User[1]')).seen;
      });
      assert.equal(seen, 1);
      assert.deepEqual(await db.fetch('User order by id { name, seen }'), [
        { name: 'a', seen: 1 },
        { name: 'b', seen: 0 },
      ]);
      const raise = () =>
        db.transaction(async (tx) => {
          const { seen } = await tx.fetchOne('User[1] { seen }');
          await tx.update('User', { id: 1 }, { seen: seen + 1 });
        });
      await Promise.all(Array.from({ length: 8 }, raise));
      assert.equal((await db.fetchOne('User[1] { seen }')).seen, 9);
      const tx = await db.begin({ isolation: 'snapshot', readOnly: true });
      await assert.rejects(tx.create('User', { name: 'c' }), { code: 'read_only' });
      await tx.rollback();
      await assert.rejects(tx.fetch('User'), { code: 'transaction_closed' });
      await assert.rejects(db.begin({ isolation: 'serialisable' }), { code: 'invalid_value' });
    });

    it('cancels by AbortSignal', async (t) => {
      const db = await opened(t);
      await assert.rejects(db.fetch('User', {}, { signal: AbortSignal.abort('enough') }), (error) => {
        assert.ok(error instanceof client.CancelledError);
        assert.deepEqual([error.code, error.kind, error.cause], ['cancelled', 'retry', 'enough']);
        return true;
      });
      // A statement that waits for a lock is one that surely lasts.
      await db.create('User', { name: 'a' });
      const tx = await db.begin();
      await tx.update('User', { id: 1 }, { seen: 1 });
      const abort = new AbortController();
      const waiting = db.update('User', { id: 1 }, { seen: 2 }, { signal: abort.signal });
      await db.fetch('User');
      abort.abort();
      await assert.rejects(waiting, { code: 'cancelled' });
      await tx.commit();
      assert.equal((await db.fetchOne('User[1]')).seen, 1);
    });

    it('answers at once', async (t) => {
      const db = await opened(t);
      await db.create('User', { name: 'a' });
      assert.deepEqual(db.fetchSync('User { name }'), [{ name: 'a' }]);
      assert.equal(db.fetchOneSync('User[$id] { name }', { id: 2 }), null);
      assert.equal(db.querySync('create User { name: "b" }').created, 1);
      assert.throws(() => db.fetchSync('User { nmae }'), { code: 'unknown_field', kind: 'fix_the_request' });
    });

    it('builds the rows of an adapter', async (t) => {
      class User {}
      const db = await opened(t, { construct: ({ entity }) => (entity === 'User' ? User : undefined) });
      await db.create('User', { name: 'a' });
      const [user] = await db.fetch('User { name, posts { title } }');
      assert.ok(user instanceof User);
      assert.deepEqual({ ...user }, { name: 'a', posts: [] });
    });

    it('is closed once and for all', async (t) => {
      const db = await opened(t);
      await db.close();
      await db.close();
      await assert.rejects(db.fetch('User'), { code: 'connection_failed', kind: 'unavailable' });
    });
  });
}

it('opens a database at once, or not where there is none', (t) => {
  const dir = directory(t);
  assert.throws(() => connectSync(path.join(dir, 'none'), { create: false }), client.OrmdbError);
  const db = connectSync(path.join(dir, 'data'));
  assert.equal(db.isEmbedded, true);
  return db.close();
});

it('tells of a server that is not there', async (t) => {
  const server = await serve(directory(t));
  await server.kill();
  await assert.rejects(connect(server.url), { code: 'connection_failed', kind: 'unavailable' });
  await assert.rejects(connect('ormdb://'), { code: 'invalid_value' });
});

it('is one package, however it is loaded', () => {
  const cwd = path.join(__dirname, '..');
  const code = `
    import * as esm from '@ormdb/client';
    import { createRequire } from 'node:module';
    const cjs = createRequire(import.meta.url)('@ormdb/client');
    const names = Object.keys(cjs).sort();
    if (JSON.stringify(names) !== JSON.stringify(Object.keys(esm).sort())) throw new Error(names + ' / ' + Object.keys(esm));
    for (const name of names) if (esm[name] !== cjs[name]) throw new Error(name);`;
  execFileSync(process.execPath, ['--input-type=module', '-e', code], { cwd });
});

it('works in workers, and survives their end with statements under way', async (t) => {
  const code = `
    const { parentPort, workerData } = require('node:worker_threads');
    const { connect } = require(workerData.client);
    connect(workerData.path).then(async (db) => {
      parentPort.postMessage(await db.fetch('User { name }'));
      for (let n = 0; n < 50; n++) db.fetch('User { name }').catch(() => {});
    });`;
  const target = path.join(directory(t), 'data');
  const db = await connect(target);
  t.after(() => db.close());
  await db.applySchema(SCHEMA);
  await db.create('User', { name: 'a' });
  for (let round = 0; round < 3; round++) {
    const workerData = { client: path.join(__dirname, '..'), path: target };
    const worker = new Worker(code, { eval: true, workerData });
    const [rows] = await once(worker, 'message');
    await worker.terminate();
    assert.deepEqual(rows, [{ name: 'a' }]);
  }
  assert.equal((await db.fetch('User')).length, 1);
});

it('lets a process end that waits for nothing', (t) => {
  const cwd = path.join(__dirname, '..');
  const code = `require('@ormdb/client').connect(${JSON.stringify(path.join(directory(t), 'data'))}).then((db) => db.schema()).then(console.log)`;
  execFileSync(process.execPath, ['-e', code], { cwd, timeout: 30_000 });
});
