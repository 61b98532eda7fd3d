// Databases to test with: in directories that go when the test ends, in this process or behind a server of their own.
'use strict';

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { connect } = require('../..');

const ROOT = path.join(__dirname, '..', '..', '..', '..');

/** The `ormdb` binary: the one that `ORMDB_BINARY` names, or the newest that cargo built. */
function binary() {
  if (process.env.ORMDB_BINARY) return process.env.ORMDB_BINARY;
  const target = process.env.CARGO_TARGET_DIR ?? path.join(ROOT, 'target');
  const built = ['debug', 'release']
    .map((profile) => path.join(target, profile, process.platform === 'win32' ? 'ormdb.exe' : 'ormdb'))
    .filter((file) => fs.existsSync(file))
    .sort((a, b) => fs.statSync(b).mtimeMs - fs.statSync(a).mtimeMs);
  if (built.length === 0) throw new Error('there is no `ormdb` binary: `cargo build` makes it, or ORMDB_BINARY names it');
  return built[0];
}

/** A directory that goes when the test ends. */
function directory(t) {
  const made = fs.mkdtempSync(path.join(os.tmpdir(), 'ormdb-node-'));
  t.after(() => fs.rmSync(made, { recursive: true, force: true }));
  return made;
}

/** Starts a server of a directory, on any free port or a given one. */
async function serve(dir, port = 0, options = []) {
  const child = spawn(binary(), ['serve', path.join(dir, 'data'), '--listen', `127.0.0.1:${port}`, ...options], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const url = await new Promise((resolve, reject) => {
    let out = '';
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}`)));
    child.stdout.on('data', (data) => {
      out += data;
      const match = /listening on (\S+)/.exec(out);
      if (match) resolve(match[1]);
    });
  });
  return {
    url: url.includes('://') ? url : `ormdb://${url}`,
    port: Number(url.slice(url.lastIndexOf(':') + 1)),
    /** Ends it with a signal, and waits until it is gone. */
    async kill(signal = 'SIGKILL') {
      child.kill(signal);
      await ended;
    },
  };
}

/** Opens a new database: `embedded` or `remote`. */
async function open(t, where, options) {
  const dir = directory(t);
  if (where === 'embedded') {
    const db = await connect(path.join(dir, 'data'), options);
    t.after(() => db.close());
    return db;
  }
  const server = await serve(dir);
  t.after(() => server.kill());
  const db = await connect(server.url, options);
  t.after(() => db.close());
  return db;
}

module.exports = { ROOT, binary, directory, serve, open };
