// The compiler of TypeScript, over programs that stand within the package, so that they find it by its name.
'use strict';

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const PACKAGE = path.join(__dirname, '..', '..');

/** A directory within the package that goes when the test ends. */
function within(t) {
  const dir = fs.mkdtempSync(path.join(PACKAGE, '.test-'));
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** Runs the compiler in a directory; what it finds is a failure. */
function tsc(dir, args) {
  const compiler = require.resolve('typescript/bin/tsc');
  const options = ['--strict', '--noUncheckedIndexedAccess', '--exactOptionalPropertyTypes', '--module', 'nodenext', '--target', 'es2022', '--lib', 'es2022,esnext.disposable', '--types', 'node'];
  const ran = spawnSync(process.execPath, [compiler, ...options, ...args], { cwd: dir, encoding: 'utf8' });
  assert.equal(ran.status, 0, ran.stdout + ran.stderr);
}

module.exports = { PACKAGE, within, tsc };
