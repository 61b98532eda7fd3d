// Writes the statements of `create` and `update`: one text for each set of names, so that its plan is found again.
'use strict';

const { error } = require('./errors');

/** A name of a statement, with points between its parts. */
function named(name) {
  if (name.includes('`') || name.includes('\n') || name.includes('\r')) throw error('invalid_query', `\`${name}\` is no name`);
  return name.split('.').map((part) => `\`${part}\``).join('.');
}

/** Assignments or keys, with parameters that are kept in `params`. */
function assigned(values, params, what) {
  if (values === null || typeof values !== 'object' || Array.isArray(values)) throw error('invalid_value', `${what} are an object`);
  const parts = [];
  for (const name of Object.keys(values)) {
    if (values[name] === undefined) continue;
    const param = `p${Object.keys(params).length}`;
    params[param] = values[name];
    parts.push(`${named(name)}: $${param}`);
  }
  return parts.join(', ');
}

/** The statement that creates a row, and its parameters. A member that is undefined is left out. */
function createOf(entity, values) {
  const params = {};
  return [`create ${named(String(entity))} { ${assigned(values, params, 'the values of a row')} } return { * }`, params];
}

/** The statement that changes the row of a key, and its parameters. */
function updateOf(entity, key, changes) {
  const params = {};
  const place = assigned(key, params, 'the fields of a key');
  const text = `update ${named(String(entity))}[${place}] set { ${assigned(changes, params, 'changes')} } return { * }`;
  return [text, params];
}

module.exports = { createOf, updateOf };
