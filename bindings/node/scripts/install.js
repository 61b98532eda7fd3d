// Puts the native module in its place: from a checkout it is built with cargo; a package has it already.
//
// `ORMDB_NODE_LIBRARY` names a library that is built already.
'use strict';

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const here = path.join(__dirname, '..');
const root = path.join(here, '..', '..');
const placed = path.join(here, 'native', 'ormdb.node');
const isCheckout = fs.existsSync(path.join(here, 'Cargo.toml'));

function fail(message) {
  console.error(`@ormdb/client: ${message}`);
  process.exit(1);
}

function nameOfLibrary() {
  if (process.platform === 'win32') return 'ormdb_node.dll';
  return process.platform === 'darwin' ? 'libormdb_node.dylib' : 'libormdb_node.so';
}

/** Builds the module, and gives its path as cargo tells it. */
function build() {
  const cargo = process.env.CARGO ?? 'cargo';
  const args = ['build', '--package', 'ormdb-node', '--release', '--message-format', 'json-render-diagnostics'];
  const done = spawnSync(cargo, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8', maxBuffer: 1 << 28 });
  if (done.error) fail(`cannot start ${cargo} (${done.error.message}); building from the checkout takes a Rust toolchain`);
  if (done.status !== 0) fail('cargo could not build the native module');
  const files = done.stdout
    .split('\n')
    .filter((line) => line.includes('"compiler-artifact"'))
    .flatMap((line) => JSON.parse(line).filenames);
  return files.find((file) => path.basename(file) === nameOfLibrary()) ?? fail('cargo built no native module');
}

if (isCheckout) {
  const built = process.env.ORMDB_NODE_LIBRARY ?? build();
  fs.mkdirSync(path.dirname(placed), { recursive: true });
  // A module that a process has loaded is replaced, not written over.
  fs.copyFileSync(built, `${placed}.new`);
  fs.renameSync(`${placed}.new`, placed);
} else if (!fs.existsSync(placed)) {
  fail(`the package has no native module for ${process.platform} on ${process.arch}`);
}
