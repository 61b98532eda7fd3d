// Writes to a server that is killed and started again under it, and tells of each call on standard output; README.md has the lines.
//
// Usage: node writer.cjs URL NAME WRITERS
'use strict';

const { isDeepStrictEqual } = require('node:util');
const { connect, OrmdbError } = require('../../bindings/node');

const GRAPH = 'create Artist { name: $name, albums: create [{ title: "one" }, { title: "two" }] }';
const READ = 'Artist where name = $name { name, albums order by title { title } }';
const COUNT = 'upsert Counter[name: $name] create { n: 1 } update { n += 1 }';
const ALBUM = 'update Artist[name: $name] set { albums: create { title: $title } }';

let stopped = false;
const tell = (...words) => process.stdout.write(`${words.join(' ')}\n`);

function inTransaction(db, name) {
  return db.transaction(async (transaction) => {
    await transaction.query('create Artist { name: $name }', { name });
    for (const title of ['one', 'two']) await transaction.query(ALBUM, { name, title });
  });
}

function failed(name, error) {
  if (!(error instanceof OrmdbError)) throw error;
  const maybe = { true: 'yes', false: 'no', undefined: 'unknown' }[String(error.detail.maybeExecuted)];
  tell('failed', name, error.code, maybe);
}

async function work(db, writer) {
  for (let n = 1; !stopped; n++) {
    const name = `${writer}-${n}`;
    const counts = n % 4 === 3;
    try {
      tell('begin', counts ? writer : name);
      if (counts) {
        await db.query(COUNT, { name: writer });
        tell('counted', writer);
        continue;
      }
      if (n % 4 === 1) await inTransaction(db, name);
      else await db.query(GRAPH, { name });
      tell('ok', name);
    } catch (error) {
      failed(counts ? writer : name, error);
      continue;
    }
    try {
      const read = await db.fetch(READ, { name });
      const plain = read.map((row) => [row.name, row.albums.map(({ title }) => title)]);
      if (isDeepStrictEqual(plain, [[name, ['one', 'two']]])) tell('read', name);
      else tell('wrong', `${name} is ${JSON.stringify(plain)}`);
    } catch (error) {
      failed('read', error);
    }
  }
}

async function main() {
  const [url, client, writers] = process.argv.slice(2);
  const db = await connect(url);
  process.stdin.resume();
  process.stdin.on('end', () => (stopped = true));
  const guarded = (writer) =>
    work(db, `${client}/${writer}`).catch((error) => tell('wrong', `no typed error: ${String(error.stack).replaceAll('\n', ' ')}`));
  await Promise.all(Array.from({ length: Number(writers) }, (_, writer) => guarded(writer)));
  await db.close();
  tell('end');
}

main();
