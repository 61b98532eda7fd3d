// Users and TLS: who is let in, and to which server.
'use strict';

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const path = require('node:path');
const { it } = require('node:test');
const { connect } = require('..');
const { ROOT, binary, directory, serve } = require('./support/place');

const TLS = path.join(ROOT, 'conformance', 'tls');

function addUser(dir, name, password, ...options) {
  const args = ['user', 'add', path.join(dir, 'data'), name, ...options];
  execFileSync(binary(), args, { env: { ...process.env, ORMDB_NEW_PASSWORD: password }, stdio: ['ignore', 'ignore', 'inherit'] });
}

it('lets users in over TLS, and nobody else', { timeout: 60_000 }, async (t) => {
  const dir = directory(t);
  const made = await connect(path.join(dir, 'data'));
  await made.applySchema('entity A {\n  id int64 @id\n}\n');
  await made.close();
  addUser(dir, 'ann', 's3cret:@/ %');
  addUser(dir, 'bob', 'two', '--read-only');
  const server = await serve(dir, 0, ['--tls-cert', path.join(TLS, 'cert.pem'), '--tls-key', path.join(TLS, 'key.pem')]);
  t.after(() => server.kill());
  assert.match(server.url, /^ormdb\+tls:/);
  const url = (login, ca = 'ca.pem') => `${server.url.replace('://', `://${login}`)}?ca=${path.join(TLS, ca)}`;
  const ann = 'ann:s3cret%3A%40%2F %25@';

  const db = await connect(url(ann));
  t.after(() => db.close());
  assert.equal(db.isEmbedded, false);
  await db.query('create A { id: 1 }');
  const changes = await db.subscribe(['A']);
  await db.query('create A { id: 2 }');
  assert.deepEqual((await changes.next()).value.entities, ['A']);
  const streamed = [];
  for await (const { id } of db.stream('A order by id { id }')) streamed.push(id);
  assert.deepEqual(streamed, [1, 2]);

  const reader = await connect(url('bob:two@'));
  t.after(() => reader.close());
  assert.equal((await reader.fetch('A')).length, 2);
  await assert.rejects(reader.query('create A { id: 3 }'), { code: 'permission_denied', kind: 'denied' });
  await assert.rejects(reader.applySchema('entity B {\n  id int64 @id\n}\n'), { code: 'permission_denied' });

  for (const login of ['', 'ann:guessed@', 'nobody:guessed@']) {
    const refused = await connect(url(login)).catch((error) => error);
    assert.equal(refused.code, 'authentication_failed', String(refused));
    assert.doesNotMatch(refused.message, /guessed/);
  }
  // Another authority than the server's, no TLS at all, and a file that is not there.
  await assert.rejects(connect(server.url.replace('://', `://${ann}`)), { code: 'connection_failed' });
  await assert.rejects(connect(server.url.replace('+tls', ''), { connectTimeoutMs: 5000 }));
  await assert.rejects(connect(url(ann, 'none.pem')));
});
