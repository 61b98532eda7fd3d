// Writes a hydrator as the text of a function, one for each shape: a loop for each node that makes its objects as literals, so
// that all rows of a node have one hidden class. Numbers and truth values are read where they stand; other kinds column by column
// before the loop. Children stand behind their parents in a shape, so nodes are made from the last to the first.
'use strict';

const { readerOf, absent, int64, decimal, label } = require('../columns');
const { KINDS } = require('../shape');
const { dateOf, dateText, timeText, localText } = require('../temporal');
const { openEdges, many, only } = require('./edges');

/**
 * Kinds that are read in the loop: the view that they need, by how much it divides the place of the values, and the expression of
 * row `i` at a base `b`. A call from here has but one kind of target, which one from a loop over any kind has not.
 */
const INLINE = {
  bool: ['u8', 0, (b) => `((u8[${b} + (i >> 3)] >> (i & 7)) & 1) === 1`],
  int16: ['i16', 1, (b) => `i16[${b} + i]`],
  int32: ['i32', 2, (b) => `i32[${b} + i]`],
  int64: ['i32', 2, (b) => `int64(i32, ${b} + i * 2)`],
  float32: ['f32', 2, (b) => `f32[${b} + i]`],
  float64: ['f64', 3, (b) => `f64[${b} + i]`],
  decimal: ['i64', 3, (b, k) => `decimal(i64, ${b} + i * 2, ${k}, i)`],
  datetime: ['i32', 2, (b) => `dateOf(i32[${b} + i * 2 + 1], u32[${b} + i * 2])`],
  local_datetime: ['i32', 2, (b) => `localText(i32[${b} + i * 2 + 1], u32[${b} + i * 2])`],
  date: ['i32', 2, (b) => `dateText(i32[${b} + i])`],
  time: ['i32', 2, (b) => `timeText(i32[${b} + i * 2 + 1] * 4294967296 + u32[${b} + i * 2])`],
  enum: ['u32', 2, (b, k, l) => `label(${l}, u32[${b} + i])`],
};

/** What the text calls. */
const CALLED = { absent, int64, decimal, label, dateOf, dateText, timeText, localText, openEdges, many, only };

/** Whether this process may make functions of text. */
function mayGenerate() {
  try {
    return new Function('return true')();
  } catch {
    return false;
  }
}

/**
 * The hydrator of a shape: `(chunk) => objects of the roots`.
 * @param {(Function | undefined)[]} classes by node: what its objects are made by; plain objects where there is none
 */
function generate(shape, options, classes) {
  const views = new Set(['u8', 'u32']);
  const readers = [];
  const labels = [];
  const body = [];
  for (let at = shape.nodes.length - 1; at >= 0; at--) {
    body.push(...nodeLines(shape.nodes[at], at, { views, readers, labels, options, hasClass: classes[at] !== undefined }));
  }
  const text = [
    '"use strict";',
    'return function hydrate({ views, entities, edges }) {',
    ...[...views].map((view) => `  const ${view} = views.${view};`),
    ...body,
    '  return many(u32, openEdges(edges[0]), 0, r0);',
    '};',
  ].join('\n');
  const make = new Function('readers', 'labels', 'classes', 'options', ...Object.keys(CALLED), text);
  return make(readers, labels, classes, options, ...Object.values(CALLED));
}

function nodeLines(node, at, making) {
  const setup = [`  const k${at} = entities[${at}].columns, n${at} = entities[${at}].rows, r${at} = new Array(n${at});`];
  const expression = (member) => {
    if (member.struct !== undefined) return structText(member.struct, expression);
    if (member.edge !== undefined) return edgeText(member.edge, setup);
    return columnText(member.column, at, setup, making);
  };
  const parts = node.members.map((member) => [nameOf(member), expression(member)]);
  const made = making.hasClass
    ? [
        `    const o = new classes[${at}]();`,
        ...parts.map(([name, value]) => `    o[${JSON.stringify(name)}] = ${value};`),
        `    r${at}[i] = o;`,
      ]
    : [`    r${at}[i] = ${literal(parts)};`];
  return [...setup, `  for (let i = 0; i < n${at}; i++) {`, ...made, '  }'];
}

function nameOf(member) {
  return member.struct === undefined ? member.name : member.struct.name;
}

function literal(parts) {
  // A name between brackets is a property even if it is `__proto__`.
  const property = (name) => (name === '__proto__' ? '["__proto__"]' : JSON.stringify(name));
  return `{ ${parts.map(([name, value]) => `${property(name)}: ${value}`).join(', ')} }`;
}

function structText(struct, expression) {
  const text = literal(struct.members.map((member) => [nameOf(member), expression(member)]));
  if (struct.presence === undefined) return text;
  const flag = expression({ column: struct.presence });
  // Null where the struct is not there, undefined where that is withheld.
  return `((p) => p === true ? ${text} : p)(${flag})`;
}

function edgeText({ slot, child, many: isMany }, setup) {
  setup.push(`  const e${slot} = openEdges(edges[${slot}]);`);
  return `${isMany ? 'many' : 'only'}(u32, e${slot}, i, r${child})`;
}

function columnText(column, node, setup, { views, readers, labels, options }) {
  const kind = KINDS[column.kind];
  const name = `${node}_${column.at}`;
  const inline = column.list || (kind === 'int64' && options.int64 === 'bigint') ? undefined : INLINE[kind];
  const at = labels.push(column.labels) - 1;
  if (inline === undefined) {
    readers[at] = readerOf(column);
    setup.push(`  const c${name} = readers[${at}](k${node}[${column.at}], options, labels[${at}]);`);
    return `c${name}[i]`;
  }
  const [view, shift, read] = inline;
  views.add(view);
  setup.push(`  const k${name} = k${node}[${column.at}], b${name} = k${name}.values >> ${shift}, v${name} = k${name}.validity, l${name} = labels[${at}];`);
  const bit = `((u8[v${name} + (i >> 3)] >> (i & 7)) & 1) === 1`;
  return `(v${name} < 0 || ${bit} ? ${read(`b${name}`, `k${name}`, `l${name}`)} : absent(k${name}, i))`;
}

module.exports = { generate, mayGenerate };
