// What a result looks like: its nodes with their columns and edges, and the objects that rows become.
//
// A column `home.city` is the member `city` of the struct `home`; a column `billing?` beside columns `billing.…` says whether the
// struct is there. A struct stands where the first of its columns does, and names deeper than DEPTH_MAX stand as they are.
'use strict';

const DEPTH_MAX = 128;
const PRESENCE_SIGN = '?';

/** The kinds of columns, by their numbers in blocks. */
const KINDS = [
  '',
  'bool',
  'int16',
  'int32',
  'int64',
  'float32',
  'float64',
  'decimal',
  'string',
  'bytes',
  'uuid',
  'datetime',
  'local_datetime',
  'date',
  'time',
  'interval',
  'json',
  'enum',
];

/**
 * The shape of a text that the native module gives:
 * `{nodes: [{entity, columns: [{name, kind, list, labels: [[number, label]]}], edges: [{alias, child, many, before}]}]}`.
 * Each node gets `members`, in the order asked for: `{column}`, `{edge}` or `{struct: {name, presence, members}}`.
 */
function parseShape(text) {
  const { nodes } = JSON.parse(text);
  let slot = 1;
  for (const node of nodes) {
    node.columns.forEach((column, at) => {
      column.at = at;
      column.labels = new Map(column.labels ?? []);
    });
    for (const edge of node.edges) edge.slot = slot++;
    node.members = members(node);
  }
  return { nodes, edgeBlocks: slot };
}

function members(node) {
  const paths = new Set(node.columns.map((column) => structOf(column.name)).filter((path) => path !== undefined));
  const isStruct = (path) =>
    path.split('.').length < DEPTH_MAX && (paths.has(path) || [...paths].some((other) => other.startsWith(`${path}.`)));
  const root = { members: [] };
  const byPath = new Map();
  const structAt = (path) => {
    let struct = byPath.get(path);
    if (struct === undefined) {
      struct = { name: ownName(path), presence: undefined, members: [] };
      byPath.set(path, struct);
      around(path).members.push({ struct });
    }
    return struct;
  };
  const around = (name) => {
    const path = structOf(name);
    return path === undefined ? root : structAt(path);
  };
  const edges = [...node.edges];
  for (let at = 0; at <= node.columns.length; at++) {
    while (edges.length > 0 && (edges[0].before <= at || at === node.columns.length)) {
      const edge = edges.shift();
      root.members.push({ name: edge.alias, edge });
    }
    const column = node.columns[at];
    if (column === undefined) continue;
    const path = column.name.endsWith(PRESENCE_SIGN) ? column.name.slice(0, -1) : undefined;
    if (path !== undefined && isStruct(path)) {
      structAt(path).presence = column;
    } else {
      around(column.name).members.push({ name: ownName(column.name), column });
    }
  }
  return root.members;
}

/** The path of the struct that a column is a member of. */
function structOf(name) {
  const at = name.lastIndexOf('.');
  if (at < 0) return undefined;
  const path = name.slice(0, at);
  return path.split('.').length <= DEPTH_MAX ? path : undefined;
}

function ownName(name) {
  return name.slice(name.lastIndexOf('.') + 1);
}

module.exports = { KINDS, parseShape };
