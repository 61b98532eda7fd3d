// Hydrates where functions cannot be made of text: the same objects as the generated hydrators make, from columns that are read
// before, member by member.
'use strict';

const { readerOf } = require('../columns');
const { openEdges, many, only } = require('./edges');

/** The hydrator of a shape: `(chunk) => objects of the roots`. */
function walk(shape, options, classes) {
  const readers = shape.nodes.map((node) => node.columns.map(readerOf));
  return ({ views: { u32 }, entities, edges }) => {
    const rows = new Array(shape.nodes.length);
    for (let at = shape.nodes.length - 1; at >= 0; at--) {
      const node = shape.nodes[at];
      const block = entities[at];
      const values = block.columns.map((column, n) => readers[at][n](column, options, node.columns[n].labels));
      const open = node.edges.map((edge) => openEdges(edges[edge.slot]));
      const valueOf = ({ column, edge, struct }, row) => {
        if (column !== undefined) return values[column.at][row];
        if (edge !== undefined) {
          return (edge.many ? many : only)(u32, open[node.edges.indexOf(edge)], row, rows[edge.child]);
        }
        const present = struct.presence === undefined ? true : values[struct.presence.at][row];
        return present === true ? fill({}, struct.members, row) : present;
      };
      const fill = (object, members, row) => {
        for (const member of members) put(object, member.struct?.name ?? member.name, valueOf(member, row));
        return object;
      };
      const Class = classes[at] ?? Object;
      rows[at] = new Array(block.rows);
      for (let row = 0; row < block.rows; row++) rows[at][row] = fill(new Class(), node.members, row);
    }
    return many(u32, openEdges(edges[0]), 0, rows[0]);
  };
}

function put(object, name, value) {
  if (name === '__proto__') {
    Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
  } else {
    object[name] = value;
  }
}

module.exports = { walk };
