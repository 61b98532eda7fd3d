// Follows the edges of a chunk: per parent a range of numbers of child rows, in the order asked for.
//
// Invariant: a range lies within its block, and a number is that of a row, or the result is malformed.
'use strict';

const { malformed } = require('../errors');

/** Where an edge block has its offsets and its row numbers, and how many of these. */
function openEdges(column) {
  return { offsets: column.values >> 2, numbers: column.elements.values >> 2, length: column.elements.rows };
}

/** The children of a parent. */
function many(u32, { offsets, numbers, length }, parent, children) {
  const start = u32[offsets + parent];
  const end = u32[offsets + parent + 1];
  if (start > end || end > length) throw malformed('edges end outside their block');
  const out = new Array(end - start);
  for (let at = start; at < end; at++) {
    const number = u32[numbers + at];
    if (number >= children.length) throw malformed('an edge leads to a row that is not there');
    out[at - start] = children[number];
  }
  return out;
}

/** The only child of a parent; null where there is none. */
function only(u32, { offsets, numbers, length }, parent, children) {
  const start = u32[offsets + parent];
  const end = u32[offsets + parent + 1];
  if (start === end) return null;
  if (end !== start + 1 || end > length) throw malformed('a to-one edge leads to several rows');
  const number = u32[numbers + start];
  if (number >= children.length) throw malformed('an edge leads to a row that is not there');
  return children[number];
}

module.exports = { openEdges, many, only };
