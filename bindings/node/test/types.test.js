// The types of the package, and those that `ormdb generate ts` writes, under the compiler of TypeScript.
'use strict';

const { execFileSync, spawnSync } = require('node:child_process');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { it } = require('node:test');
const { ROOT, binary } = require('./support/place');
const { within, tsc } = require('./support/compile');

it('types what is there, and refuses what is not', (t) => {
  const dir = within(t);
  for (const name of ['usage.mts', 'usage.cts']) fs.copyFileSync(path.join(__dirname, 'types', name), path.join(dir, name));
  const schema = path.join(ROOT, 'examples', 'blog', 'schema.ormdb');
  execFileSync(binary(), ['generate', 'ts', schema, '--out', path.join(dir, 'blog.ts')]);
  tsc(dir, ['--noEmit', 'usage.mts', 'usage.cts', 'blog.ts']);
});

it('generates types that compile, of a schema with everything in it', (t) => {
  const dir = within(t);
  const expected = path.join(ROOT, 'crates', 'ormdb-server', 'src', 'commands', 'generate', 'ts', 'expected.txt');
  fs.copyFileSync(expected, path.join(dir, 'everything.ts'));
  tsc(dir, ['--noEmit', 'everything.ts']);
});

it('tells of a schema that is wrong', (t) => {
  const dir = within(t);
  fs.writeFileSync(path.join(dir, 'bad.ormdb'), 'entity A { id int65 @id }');
  const ran = spawnSync(binary(), ['generate', 'ts', 'bad.ormdb'], { cwd: dir, encoding: 'utf8' });
  assert.equal(ran.status, 1);
  assert.match(ran.stderr, /did you mean `int64`\?/);
});
