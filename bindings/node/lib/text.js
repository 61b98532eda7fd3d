// Reads columns of text.
//
// A column of several rows is decoded once as a whole, and its rows are parts of that one string: a hundred times cheaper than
// to decode each. Such parts keep the whole alive, so long texts are decoded one by one. Where few distinct values recur, each is
// made once.
//
// Invariants: (1) UTF-8 is verified; (2) a row begins and ends where characters do.
'use strict';

const { isAscii, isUtf8 } = require('node:buffer');
const { malformed } = require('./errors');

/** Fewer rows than this are decoded one by one. */
const WHOLE_ROWS_MIN = 8;
/** Longer texts than this, on average, are decoded one by one. */
const WHOLE_BYTES_MEAN_MAX = 128;
/** How many rows are looked at to see whether values recur, and how many distinct values there may be among them. */
const SAMPLE_ROWS = 64;
const SAMPLE_DISTINCT_MAX = 16;
/** The distinct values that are kept; a power of two. */
const SHARED_SLOTS = 256;

function outside() {
  return malformed('a value ends outside its column');
}

/** The texts of a column. */
function text(column) {
  const { rows, bytes, bytesLength, views } = column;
  const out = new Array(rows);
  if (rows < WHOLE_ROWS_MIN || bytesLength > rows * WHOLE_BYTES_MEAN_MAX) {
    one(column, out);
    return out;
  }
  const all = views.u8.subarray(bytes, bytes + bytesLength);
  if (!isAscii(all)) {
    if (!isUtf8(all)) throw malformed('a text is not UTF-8');
    wide(column, out, views.buffer.utf8Slice(bytes, bytes + bytesLength));
  } else if (recurs(column)) {
    shared(column, out, views.buffer.latin1Slice(bytes, bytes + bytesLength));
  } else {
    narrow(column, out, views.buffer.latin1Slice(bytes, bytes + bytesLength));
  }
  return out;
}

function valid(u8, validity, row) {
  return validity < 0 || ((u8[validity + (row >> 3)] >> (row & 7)) & 1) === 1;
}

function missing(column, row) {
  const { withheld, views } = column;
  return withheld >= 0 && ((views.u8[withheld + (row >> 3)] >> (row & 7)) & 1) === 1 ? undefined : null;
}

/** Row by row. */
function one(column, out) {
  const { views, values, validity, bytes, bytesLength } = column;
  const { u8, u32, buffer } = views;
  const base = values >> 2;
  for (let row = 0; row < out.length; row++) {
    if (!valid(u8, validity, row)) {
      out[row] = missing(column, row);
      continue;
    }
    const start = u32[base + row];
    const end = u32[base + row + 1];
    if (start > end || end > bytesLength) throw outside();
    out[row] = decode(buffer, u8, bytes + start, bytes + end);
  }
}

function decode(buffer, u8, start, end) {
  // Short texts are looked at here: a call costs more than a few bytes.
  let ascii = end - start <= 32;
  for (let at = start; ascii && at < end; at++) ascii = u8[at] < 128;
  if (ascii) return buffer.latin1Slice(start, end);
  const part = u8.subarray(start, end);
  if (isAscii(part)) return buffer.latin1Slice(start, end);
  if (!isUtf8(part)) throw malformed('a text is not UTF-8');
  return buffer.utf8Slice(start, end);
}

/** Where every byte is a character. */
function narrow(column, out, all) {
  const { views, values, validity, bytesLength } = column;
  const { u8, u32 } = views;
  const base = values >> 2;
  for (let row = 0; row < out.length; row++) {
    if (!valid(u8, validity, row)) {
      out[row] = missing(column, row);
      continue;
    }
    const start = u32[base + row];
    const end = u32[base + row + 1];
    if (start > end || end > bytesLength) throw outside();
    out[row] = all.substring(start, end);
  }
}

/** Whether the first rows have few distinct values. */
function recurs(column) {
  const { views, values, bytes, bytesLength, rows } = column;
  if (rows < SAMPLE_ROWS * 2) return false;
  const base = values >> 2;
  const seen = new Set();
  for (let row = 0; row < SAMPLE_ROWS; row++) {
    const start = views.u32[base + row];
    const end = views.u32[base + row + 1];
    if (start > end || end > bytesLength) return false;
    seen.add(hash(views.u8, bytes + start, bytes + end));
    if (seen.size > SAMPLE_DISTINCT_MAX) return false;
  }
  return true;
}

function hash(u8, start, end) {
  let h = end - start;
  for (let at = start; at < end; at++) h = (Math.imul(h, 31) + u8[at]) | 0;
  return h;
}

/** As `narrow`; values that are met again are the same string. */
function shared(column, out, all) {
  const { views, values, validity, bytes, bytesLength } = column;
  const { u8, u32 } = views;
  const base = values >> 2;
  const starts = new Int32Array(SHARED_SLOTS).fill(-1);
  const ends = new Int32Array(SHARED_SLOTS);
  const strings = new Array(SHARED_SLOTS).fill('');
  for (let row = 0; row < out.length; row++) {
    if (!valid(u8, validity, row)) {
      out[row] = missing(column, row);
      continue;
    }
    const start = u32[base + row];
    const end = u32[base + row + 1];
    if (start > end || end > bytesLength) throw outside();
    const h = hash(u8, bytes + start, bytes + end);
    const slot = (h ^ (h >>> 8)) & (SHARED_SLOTS - 1);
    if (starts[slot] < 0 || !same(u8, bytes + starts[slot], bytes + ends[slot], bytes + start, bytes + end)) {
      starts[slot] = start;
      ends[slot] = end;
      strings[slot] = all.substring(start, end);
    }
    out[row] = strings[slot];
  }
}

function same(u8, leftStart, leftEnd, rightStart, rightEnd) {
  if (leftEnd - leftStart !== rightEnd - rightStart) return false;
  for (let left = leftStart, right = rightStart; left < leftEnd; left++, right++) {
    if (u8[left] !== u8[right]) return false;
  }
  return true;
}

/** Where characters have several bytes: walks the bytes once, and counts the units of UTF-16 before each row. */
function wide(column, out, all) {
  const { views, values, validity, bytes, bytesLength } = column;
  const { u8, u32, buffer } = views;
  const base = values >> 2;
  let at = 0;
  let units = 0;
  for (let row = 0; row < out.length; row++) {
    if (!valid(u8, validity, row)) {
      out[row] = missing(column, row);
      continue;
    }
    const start = u32[base + row];
    const end = u32[base + row + 1];
    if (start > end || end > bytesLength) throw outside();
    if ((start < bytesLength && isInside(u8[bytes + start])) || (end < bytesLength && isInside(u8[bytes + end]))) {
      throw malformed('a text is not UTF-8');
    }
    if (start < at) {
      // Behind a row without a value, offsets may be anything.
      out[row] = buffer.utf8Slice(bytes + start, bytes + end);
      continue;
    }
    for (; at < start; at++) units += unitsOf(u8[bytes + at]);
    const from = units;
    for (; at < end; at++) units += unitsOf(u8[bytes + at]);
    out[row] = all.substring(from, units);
  }
}

/** Whether a byte is not the first of a character. */
function isInside(byte) {
  return (byte & 0xc0) === 0x80;
}

/** The units of UTF-16 of the character that begins with this byte. */
function unitsOf(byte) {
  return isInside(byte) ? 0 : byte >= 0xf0 ? 2 : 1;
}

module.exports = { text };
