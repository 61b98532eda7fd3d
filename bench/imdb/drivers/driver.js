// Runs the site's operations from Node: `driver.js SIDE PLACE CONNECTIONS GIVEN`. It is told what to do by lines of JSON, and answers
// each with one.
'use strict';

const fs = require('node:fs');
const readline = require('node:readline');

const [side, place, connectionsText, givenFile] = process.argv.slice(2);
const connectionCount = Number(connectionsText);
const given = JSON.parse(fs.readFileSync(givenFile, 'utf8'));
const { arguments: args } = given;
const statements = given.statements[side];
const LISTS = { get_movie: 'movies', get_person: 'people', get_user: 'users', update_movie: 'movies' };

const pick = (of, at) => args[of][at % args[of].length];

/** The title that a movie gets: another one each time, so that no update finds what it would write. */
const newTitle = (at) => `${pick('new_movies', at).title} ${at}`;

/** The statement of ormDB for an operation, and its parameters. */
function ormdbCall(operation, at) {
  if (operation === 'insert_user') return [statements[operation], pick('new_users', at)];
  if (operation === 'insert_movie') {
    const { directors, cast, ...params } = pick('new_movies', at);
    directors.forEach((person, number) => (params[`d${number}`] = person));
    cast.forEach((person, number) => (params[`c${number}`] = person));
    return [statements[`insert_movie ${directors.length} ${cast.length}`], params];
  }
  const params = { id: pick(LISTS[operation], at) };
  if (operation === 'update_movie') params.title = newTitle(at);
  return [statements[operation], params];
}

class OrmdbRemote {
  async connect() {
    const { connect } = require('@ormdb/client');
    this.connections = await Promise.all(Array.from({ length: connectionCount }, () => connect(place)));
  }

  one(number, operation, at) {
    const [text, params] = ormdbCall(operation, at);
    return this.connections[number].fetchOne(text, params);
  }
}

class OrmdbEmbedded {
  async connect() {
    const { connect } = require('@ormdb/client');
    this.connection = await connect(place);
  }

  oneSync(operation, at) {
    const [text, params] = ormdbCall(operation, at);
    return this.connection.fetchOneSync(text, params);
  }

  async one(_, operation, at) {
    return this.oneSync(operation, at);
  }
}

class Postgres {
  async connect() {
    const { Client, types } = require('pg');
    // Ids are numbers, as they are on the other side.
    types.setTypeParser(types.builtins.INT8, Number);
    this.connections = Array.from({ length: connectionCount }, () => new Client({ connectionString: place }));
    await Promise.all(this.connections.map((client) => client.connect()));
  }

  values(operation, at) {
    if (operation === 'insert_user') {
      const { name, image } = pick('new_users', at);
      return [name, image];
    }
    if (operation === 'insert_movie') {
      const { image, title, year, description, directors, cast } = pick('new_movies', at);
      return [image, title, year, description, directors, cast];
    }
    const id = pick(LISTS[operation], at);
    return operation === 'update_movie' ? [id, newTitle(at)] : [id];
  }

  async one(number, operation, at) {
    // A text with a name is prepared once on each connection.
    const query = { name: operation, text: statements[operation], values: this.values(operation, at) };
    const row = (await this.connections[number].query(query)).rows[0];
    return row.json_build_object ?? row;
  }
}

function report(micros, seconds, cpu) {
  micros.sort((a, b) => a - b);
  const at = (perCent) => micros[Math.floor(((micros.length - 1) * perCent) / 100)];
  return { operations: micros.length, seconds, p50: at(50), p99: at(99), cpu: cpu.user + cpu.system };
}

const clock = () => Number(process.hrtime.bigint()) / 1e3;

/** Runs an operation for a while, one after another on each connection. */
async function run(driver, { operation, connections, seconds, first }) {
  const [cpu, began] = [process.cpuUsage(), clock()];
  const end = began + seconds * 1e6;
  const micros = [];
  async function oneByOne(number) {
    let now = clock();
    for (let at = first + number; now < end; at += connections) {
      if (driver.oneSync === undefined) await driver.one(number, operation, at);
      else driver.oneSync(operation, at);
      const then = clock();
      micros.push(then - now);
      now = then;
    }
  }
  await Promise.all(Array.from({ length: connections }, (_, number) => oneByOne(number)));
  return report(micros, (clock() - began) / 1e6, process.cpuUsage(cpu));
}

async function answers(driver, { operation, count }) {
  const all = [];
  for (let at = 0; at < count; at++) all.push(await driver.one(0, operation, at));
  return { answers: all };
}

const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

async function main() {
  const Driver = side === 'postgres' ? Postgres : place.includes('://') ? OrmdbRemote : OrmdbEmbedded;
  const driver = new Driver();
  try {
    await driver.connect();
    say({ ready: true });
    for await (const line of readline.createInterface({ input: process.stdin })) {
      const asked = JSON.parse(line);
      say(await (asked.do === 'answers' ? answers(driver, asked) : run(driver, asked)));
    }
  } catch (error) {
    say({ error: error.stack });
    process.exitCode = 1;
  }
  process.exit();
}

main();
