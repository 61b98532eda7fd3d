// The rows of an outcome.
'use strict';

const { error } = require('./errors');

/** The rows; an error of a statement that gives none. */
function rowsOfAnswer({ rows }) {
  if (rows === undefined) throw error('invalid_query', 'the statement was executed, yet it gives no rows');
  return rows;
}

module.exports = { rowsOfAnswer };
