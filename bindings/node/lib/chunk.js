// Opens the chunks of results: typed-array views over their bytes, and where each column has its buffers.
//
// Invariants: (1) opening costs O(columns) and reads no data; (2) every offset of the directory is checked against the bytes
// before it is used, and lies where its typed array can read it; (3) checksums were verified by the native module, where the
// bytes came from outside of the process.
'use strict';

const os = require('node:os');
const { malformed, error } = require('./errors');

const CHUNK_MAGIC = 0x4b48434f; // "OCHK"
const BLOCK_MAGIC = 0x4b4c424f; // "OBLK"
const HEADER = 16;
const BLOCK_HEADER = 32;
const ENTRY = 16;
const LIST = 32;
const ROW_NUMBER = 18;
const ENTITY_BLOCK = 1;
const EDGE_BLOCK = 2;
const HAS_VALIDITY = 1;
const HAS_WITHHELD = 2;
const HAS_SCALES = 4;

/** The bytes of a value of each type; 0 of bool, whose values are bits, and -1 of those that have offsets. */
const WIDTHS = [undefined, 0, 2, 4, 8, 4, 8, 16, -1, -1, 16, 8, 8, 4, 8, 16, -1, 4, 4];

if (os.endianness() !== 'LE') throw error('unsupported_feature', 'results are little-endian, and this machine is not');

/** The views over the bytes of a chunk; those of rare widths are made when they are asked for. */
class Views {
  constructor(bytes) {
    this.buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.u8 = bytes;
    this.u32 = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 2);
    this.i32 = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 2);
    this.wide = undefined;
  }

  get i16() {
    return new Int16Array(this.u8.buffer, this.u8.byteOffset, this.u8.byteLength >> 1);
  }

  get f32() {
    return new Float32Array(this.u8.buffer, this.u8.byteOffset, this.u8.byteLength >> 2);
  }

  get f64() {
    return new Float64Array(this.u8.buffer, this.u8.byteOffset, this.u8.byteLength >> 3);
  }

  get i64() {
    return (this.wide ??= new BigInt64Array(this.u8.buffer, this.u8.byteOffset, this.u8.byteLength >> 3));
  }
}

/** A column: its type, its rows, and where in the chunk its buffers begin; -1 of those that it has not. */
class Column {
  constructor(views, type, rows, scale) {
    this.views = views;
    this.type = type;
    this.rows = rows;
    this.scale = scale;
    this.validity = -1;
    this.withheld = -1;
    this.scales = -1;
    this.values = -1;
    this.bytes = -1;
    this.bytesLength = 0;
    this.elements = undefined;
  }
}

/**
 * Opens a chunk of a shape.
 * @returns {{views: Views, entities: {rows: number, columns: Column[]}[], edges: Column[]}} edges by slot, 0 the roots'
 */
function openChunk(given, shape) {
  let bytes = given instanceof Uint8Array ? given : new Uint8Array(given);
  if (bytes.byteOffset % 8 !== 0 || bytes.byteLength % 8 !== 0) bytes = aligned(bytes);
  const views = new Views(bytes);
  const { u32 } = views;
  const length = bytes.byteLength;
  if (length < HEADER || u32[0] !== CHUNK_MAGIC || u32[1] !== 1) throw malformed('a chunk does not begin as chunks of version 1 do');
  const expected = shape.nodes.length + shape.edgeBlocks;
  if (u32[2] !== expected || u32[3] !== given.byteLength) {
    throw malformed(`a chunk of ${u32[2]} blocks and ${u32[3]} bytes, not ${expected} and ${given.byteLength}`);
  }
  const chunk = { views, entities: [], edges: [] };
  let at = HEADER;
  for (let i = 0; i < expected; i++) {
    const isEntity = i < shape.nodes.length;
    const slot = isEntity ? i : i - shape.nodes.length;
    const block = openBlock(views, at, length, isEntity ? ENTITY_BLOCK : EDGE_BLOCK, slot);
    if (isEntity) {
      checkTypes(block, shape.nodes[i]);
      chunk.entities.push(block);
    } else {
      const [column] = block.columns;
      if (block.columns.length !== 1 || column.type !== LIST || column.elements.type !== ROW_NUMBER) {
        throw malformed('an edge block is one list of row numbers');
      }
      chunk.edges.push(column);
    }
    at = block.end;
  }
  if (at !== length) throw malformed('bytes follow the last block of a chunk');
  checkParents(chunk, shape);
  return chunk;
}

/** A copy that typed arrays of every width can read. */
function aligned(bytes) {
  const copy = new Uint8Array((bytes.byteLength + 7) & ~7);
  copy.set(bytes);
  return copy;
}

function openBlock(views, start, limit, kind, slot) {
  const { u8, u32 } = views;
  const word = start >> 2;
  if (start + BLOCK_HEADER > limit || u32[word] !== BLOCK_MAGIC) throw malformed('a block does not begin with its magic');
  if (u8[start + 4] !== 1 || u8[start + 5] !== 0 || u8[start + 7] !== 0) throw malformed('a block of an unknown version or flags');
  if (u8[start + 6] !== kind || u32[word + 5] !== slot) throw malformed('a block stands in the place of another');
  const [rows, entries, buffers, length] = [u32[word + 2], u32[word + 3], u32[word + 4], u32[word + 6]];
  const end = start + length;
  const directory = start + BLOCK_HEADER;
  const first = directory + (entries + buffers) * ENTRY;
  if (length % 8 !== 0 || end > limit || first > end) throw malformed('a block ends behind its chunk');
  const reader = { views, start, end, entry: directory, entries, buffer: directory + entries * ENTRY, buffers, next: 0, expected: first };
  const columns = [];
  for (let at = 0; at < entries; at++) {
    const column = openColumn(reader, at, rows);
    if (column.type === LIST) at += 1;
    columns.push(column);
  }
  if (reader.next !== buffers || reader.expected !== end) throw malformed('a block has buffers of no column');
  return { rows, columns, end };
}

/** The column of the entry of this number; a list takes the entry behind it too. `rows` is undefined of the elements of a list. */
function openColumn(reader, at, rows) {
  const { u8, u32 } = reader.views;
  if (at >= reader.entries) throw malformed('a list column has no elements');
  const entry = reader.entry + at * ENTRY;
  const [type, flags, scale, count] = [u8[entry], u8[entry + 1], u8[entry + 2], u32[(entry >> 2) + 1]];
  if (rows !== undefined && count !== rows) throw malformed(`a column of ${count} rows in a block of ${rows}`);
  const isList = type === LIST;
  const width = isList ? -1 : WIDTHS[type];
  if (width === undefined || (isList && rows === undefined)) throw malformed(`no column is of type ${type}`);
  const isDecimal = type === 7;
  const known = HAS_VALIDITY | HAS_WITHHELD | (isDecimal ? HAS_SCALES : 0);
  const withheld = (flags & HAS_WITHHELD) !== 0;
  if ((flags & ~known) !== 0 || (withheld && (flags & HAS_VALIDITY) === 0)) throw malformed('unknown flags of a column');
  if (u32[(entry >> 2) + 2] !== reader.next) throw malformed('the buffers of columns are not in order');
  if (scale > (isDecimal ? 38 : 0)) throw malformed(`the scale ${scale} of a column`);
  const column = new Column(reader.views, type, count, scale);
  const bitmap = Math.ceil(count / 8);
  if (flags & HAS_VALIDITY) column.validity = take(reader, bitmap);
  if (withheld) column.withheld = take(reader, bitmap);
  if (width < 0) {
    column.values = take(reader, (count + 1) * 4);
    if (isList) {
      column.elements = openColumn(reader, at + 1, undefined);
    } else {
      column.bytesLength = u32[((reader.buffer + reader.next * ENTRY) >> 2) + 1];
      column.bytes = take(reader, column.bytesLength);
    }
  } else {
    column.values = take(reader, width === 0 ? bitmap : count * width);
    if (flags & HAS_SCALES) column.scales = take(reader, count);
  }
  return column;
}

/** Where the next buffer begins, which must have this length and lie where the last one ended. */
function take(reader, length) {
  if (reader.next >= reader.buffers) throw malformed('a column has too few buffers');
  const entry = (reader.buffer + reader.next * ENTRY) >> 2;
  const { u32 } = reader.views;
  const start = reader.start + u32[entry];
  if (u32[entry + 1] !== length) throw malformed(`a buffer of ${u32[entry + 1]} bytes where ${length} belong`);
  const end = start + Math.ceil(length / 8) * 8;
  if (start !== reader.expected || end > reader.end) throw malformed('a buffer lies outside its block');
  reader.next += 1;
  reader.expected = end;
  return start;
}

function checkTypes(block, node) {
  const fits = (column, at) => {
    const { kind, list } = node.columns[at];
    return list ? column.type === LIST && column.elements.type === kind : column.type === kind;
  };
  if (block.columns.length !== node.columns.length || !block.columns.every(fits)) {
    throw malformed(`the columns of \`${node.entity}\` are not those of the shape`);
  }
}

function checkParents(chunk, shape) {
  if (chunk.edges[0].rows !== 1) throw malformed("the roots' edge block has not one parent");
  shape.nodes.forEach((node, at) => {
    for (const edge of node.edges) {
      if (chunk.edges[edge.slot].rows !== chunk.entities[at].rows) {
        throw malformed(`edge \`${edge.alias}\` has another number of parents than there are rows`);
      }
    }
  });
}

module.exports = { openChunk };
