// Builds chunks, byte by byte as docs/WIRE.md has them, without checksums: the native module verifies these.
'use strict';

const WIDTHS = { 2: 2, 3: 4, 4: 8, 5: 4, 6: 8, 7: 16, 10: 16, 11: 8, 12: 8, 13: 4, 14: 8, 15: 16, 17: 4, 18: 4 };

function bitmap(bits) {
  const out = Buffer.alloc(Math.ceil(bits.length / 8));
  bits.forEach((bit, at) => {
    if (bit) out[at >> 3] |= 1 << (at & 7);
  });
  return out;
}

function offsets(lengths) {
  const out = Buffer.alloc((lengths.length + 1) * 4);
  let sum = 0;
  lengths.forEach((length, at) => out.writeUInt32LE((sum += length), at * 4 + 4));
  return out;
}

function fixed(kind, value) {
  const out = Buffer.alloc(WIDTHS[kind]);
  if (value === null || value === undefined) return out;
  switch (kind) {
    case 2:
      out.writeInt16LE(value);
      break;
    case 3:
    case 13:
      out.writeInt32LE(value);
      break;
    case 17:
    case 18:
      out.writeUInt32LE(value);
      break;
    case 4:
    case 11:
    case 12:
    case 14:
      out.writeBigInt64LE(BigInt(value));
      break;
    case 5:
      out.writeFloatLE(value);
      break;
    case 6:
      out.writeDoubleLE(value);
      break;
    case 7:
      out.writeBigInt64LE(BigInt.asIntN(64, BigInt(value)));
      out.writeBigInt64LE(BigInt.asIntN(64, BigInt(value) >> 64n), 8);
      break;
    case 10:
      Buffer.from(value, 'hex').copy(out);
      break;
    case 15:
      out.writeInt32LE(value[0]);
      out.writeInt32LE(value[1], 4);
      out.writeBigInt64LE(BigInt(value[2]), 8);
      break;
  }
  return out;
}

/** The entries and buffers of a column: `{kind, list, values, scale, scales, withheld}`; null values make a validity bitmap. */
function column({ kind, list, values, scale = 0, scales, withheld }) {
  const nulls = values.some((value) => value === null || value === undefined) || withheld !== undefined;
  const buffers = [];
  let flags = 0;
  if (nulls) {
    flags |= 1;
    buffers.push(bitmap(values.map((value) => value !== null && value !== undefined)));
  }
  if (withheld) {
    flags |= 2;
    buffers.push(bitmap(withheld));
  }
  if (list) {
    const inner = column({ kind, values: values.flatMap((value) => value ?? []), scale });
    buffers.push(offsets(values.map((value) => value?.length ?? 0)));
    return { entries: [{ type: 32, flags, scale: 0, rows: values.length, own: buffers.length }, ...inner.entries], buffers: [...buffers, ...inner.buffers] };
  }
  if (kind === 1) buffers.push(bitmap(values));
  else if (kind === 8 || kind === 9 || kind === 16) {
    const parts = values.map((value) => Buffer.from(value ?? ''));
    buffers.push(offsets(parts.map((part) => part.length)), Buffer.concat(parts));
  } else buffers.push(Buffer.concat(values.map((value) => fixed(kind, value))));
  if (scales) {
    flags |= 4;
    buffers.push(Buffer.from(scales));
  }
  return { entries: [{ type: kind, flags, scale: scales ? 0 : scale, rows: values.length, own: buffers.length }], buffers };
}

function block(kind, slot, rows, columns) {
  const entries = columns.flatMap((c) => c.entries);
  const buffers = columns.flatMap((c) => c.buffers);
  const head = Buffer.alloc(32 + (entries.length + buffers.length) * 16);
  head.write('OBLK', 'latin1');
  head.writeUInt16LE(1, 4);
  head[6] = kind;
  head.writeUInt32LE(rows, 8);
  head.writeUInt32LE(entries.length, 12);
  head.writeUInt32LE(buffers.length, 16);
  head.writeUInt32LE(slot, 20);
  let first = 0;
  entries.forEach((entry, n) => {
    const at = 32 + n * 16;
    head[at] = entry.type;
    head[at + 1] = entry.flags;
    head[at + 2] = entry.scale;
    head.writeUInt32LE(entry.rows, at + 4);
    head.writeUInt32LE(first, at + 8);
    first += entry.own;
  });
  let at = head.length;
  const padded = buffers.map((buffer, n) => {
    const entry = 32 + (entries.length + n) * 16;
    head.writeUInt32LE(at, entry);
    head.writeUInt32LE(buffer.length, entry + 4);
    const whole = Buffer.alloc(Math.ceil(buffer.length / 8) * 8);
    buffer.copy(whole);
    at += whole.length;
    return whole;
  });
  head.writeUInt32LE(at, 24);
  return Buffer.concat([head, ...padded]);
}

/**
 * A chunk: `columns` has the columns of each node, `edges` the children of each parent, the roots' first, each `[[row …] …]`.
 * @returns {Uint8Array} bytes that begin where typed arrays of every width may
 */
function chunk(columns, edges) {
  const entities = columns.map((of, node) => block(1, node, of[0]?.values.length ?? 0, of.map(column)));
  const links = edges.map((of, slot) => block(2, slot, of.length, [column({ kind: 18, list: true, values: of })]));
  const head = Buffer.alloc(16);
  head.write('OCHK', 'latin1');
  head.writeUInt16LE(1, 4);
  head.writeUInt32LE(entities.length + links.length, 8);
  const whole = Buffer.concat([head, ...entities, ...links]);
  whole.writeUInt32LE(whole.length, 12);
  return new Uint8Array(whole);
}

module.exports = { chunk };
