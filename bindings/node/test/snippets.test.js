// The programs in the documents run, each document's in order as one module, in a directory of its own.
'use strict';

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { it } = require('node:test');
const { ROOT } = require('./support/place');
const { within, tsc } = require('./support/compile');

const DOCUMENTS = ['README.md', 'bindings/node/README.md'];

for (const document of DOCUMENTS) {
  it(`runs the snippets of ${document}`, (t) => {
    const text = fs.readFileSync(path.join(ROOT, document), 'utf8');
    const snippets = [...text.matchAll(/^```(?:js|ts)\n(.*?)^```$/gms)].map(([, code]) => code);
    assert.notEqual(snippets.length, 0, 'there is no snippet');
    const dir = within(t);
    const schema = /^```ormdb-schema\n(.*?)^```$/ms.exec(text);
    if (schema !== null) fs.writeFileSync(path.join(dir, 'schema.ormdb'), schema[1]);
    fs.writeFileSync(path.join(dir, 'snippets.mts'), snippets.join('\n'));
    tsc(dir, ['snippets.mts']);
    const ran = spawnSync(process.execPath, ['snippets.mjs'], { cwd: dir, encoding: 'utf8', timeout: 60_000 });
    assert.equal(ran.status, 0, ran.stdout + ran.stderr);
  });
}
