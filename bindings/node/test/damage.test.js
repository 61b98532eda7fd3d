// Bytes that are damaged on their way are typed errors: checksums are verified before JavaScript reads a result.
'use strict';

const assert = require('node:assert/strict');
const { once } = require('node:events');
const net = require('node:net');
const path = require('node:path');
const { it } = require('node:test');
const { connect, connectSync, OrmdbError } = require('..');
const { native } = require('../lib/native');
const { directory, serve } = require('./support/place');

const FRAME_HEADER = 32;
const CHUNK = 130;

/** Stands between a client and the server at a port, and changes the payloads of chunks by `damage`. */
async function between(t, port, damage) {
  const sockets = new Set();
  const proxy = net.createServer((client) => {
    const server = net.connect(port, '127.0.0.1');
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => [client, server].forEach((other) => other.destroy()));
    }
    client.pipe(server);
    let bytes = Buffer.alloc(0);
    server.on('data', (data) => {
      bytes = Buffer.concat([bytes, data]);
      while (bytes.length >= FRAME_HEADER) {
        const end = FRAME_HEADER + bytes.readUInt32LE(16);
        if (bytes.length < end) return;
        if (bytes[5] === CHUNK) damage(bytes.subarray(FRAME_HEADER, end));
        client.write(bytes.subarray(0, end));
        bytes = bytes.subarray(end);
      }
    });
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    proxy.close();
  });
  return `ormdb://127.0.0.1:${proxy.address().port}`;
}

it('refuses a chunk of which any byte was changed', async (t) => {
  const server = await serve(directory(t));
  t.after(() => server.kill());
  let at;
  let length = 0;
  const url = await between(t, server.port, (payload) => {
    length = payload.length;
    if (at !== undefined) payload[at] ^= 0x40;
  });
  const asked = async () => {
    const db = await connect(url);
    try {
      return await db.fetch('Note { *, parts { * } }');
    } finally {
      await db.close();
    }
  };
  const db = await connect(url);
  await db.applySchema(`
    entity Note { id int64 @id
      text string?
      parts Part[] }
    entity Part { id int64 @id
      noteId int64
      note Note @relation(noteId -> Note.id)
      tags string[] }`);
  await db.query('create Note [{ id: 1, text: "é" }, { id: 2, parts: create { id: 1, tags: ["a", "b"] } }]');
  await db.close();

  const rows = await asked();
  assert.deepEqual(rows, [
    { id: 1, text: 'é', parts: [] },
    { id: 2, text: null, parts: [{ id: 1, noteId: 2, tags: ['a', 'b'] }] },
  ]);
  assert.ok(length > 500);
  const step = Math.ceil(length / 40);
  for (at = 0; at < length; at += step) {
    await assert.rejects(asked(), (error) => {
      assert.ok(error instanceof OrmdbError, `byte ${at}: ${error.stack}`);
      assert.ok(['protocol_violation', 'connection_failed'].includes(error.code), `byte ${at}: ${error.code}`);
      return true;
    });
  }
});

it('refuses parameters that the package did not write', (t) => {
  const dir = directory(t);
  const db = connectSync(path.join(dir, 'data'));
  t.after(() => db.close());
  const connection = native.Connection.openSync(path.join(dir, 'data'), { create: true, connectTimeoutMs: 1000 });
  let seed = 7;
  const random = (below) => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) % below;
  let refused = 0;
  for (let round = 0; round < 3000; round++) {
    const bytes = Uint8Array.from({ length: random(40) }, () => random(random(3) === 0 ? 256 : 20));
    try {
      connection.querySync('Nothing', bytes);
    } catch (error) {
      const { code } = JSON.parse(error.message);
      if (code !== 'unknown_entity') refused += 1;
    }
  }
  assert.ok(refused > 1000, `${refused}`);
});
