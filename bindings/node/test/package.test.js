// What `npm pack` makes installs anywhere, without a Rust toolchain.
'use strict';

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { it } = require('node:test');
const { PACKAGE } = require('./support/compile');
const { directory } = require('./support/place');

it('is a package that installs without a compiler', { timeout: 120_000 }, (t) => {
  const dir = directory(t);
  const npm = (args, cwd) => execFileSync('npm', [...args, '--no-audit', '--no-fund'], { cwd, encoding: 'utf8', env: { ...process.env, CARGO: 'none' } });
  npm(['pack', '--pack-destination', dir], PACKAGE);
  const [tarball] = fs.readdirSync(dir);
  assert.match(tarball, /^ormdb-client-\d+\.\d+\.\d+\.tgz$/);
  const app = path.join(dir, 'app');
  fs.mkdirSync(app);
  fs.writeFileSync(path.join(app, 'package.json'), '{ "private": true, "type": "module" }');
  npm(['install', '--offline', path.join('..', tarball)], app);
  const files = fs.readdirSync(path.join(app, 'node_modules', '@ormdb', 'client')).sort();
  assert.deepEqual(files, ['README.md', 'lib', 'native', 'package.json', 'scripts']);
  const code = `import { connect } from '@ormdb/client'; const db = await connect('data'); console.log(db.isEmbedded); await db.close();`;
  assert.equal(execFileSync(process.execPath, ['--input-type=module', '-e', code], { cwd: app, encoding: 'utf8' }), 'true\n');
});

it('is the same for import and require', async () => {
  const imported = await import('../lib/index.mjs');
  assert.deepEqual(Object.keys(imported).sort(), Object.keys(require('..')).sort());
});
