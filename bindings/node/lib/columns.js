// Reads whole columns into arrays of JavaScript values: null where there is none, undefined where it is withheld.
//
// Invariant: what lies in a buffer (offsets, UTF-8, labels) is checked as it is read, and what is damaged is a typed error.
'use strict';

const { isAscii, isUtf8 } = require('node:buffer');
const { Decimal } = require('./decimal');
const { malformed, error } = require('./errors');
const { KINDS } = require('./shape');
const { text } = require('./text');
const { Interval, dateOf, dateText, timeText, localText } = require('./temporal');

const HEX = Buffer.from('0123456789abcdef', 'latin1');
/** 10^38, which the digits of a decimal are less than. */
const DECIMAL_END = 10n ** 38n;

/** Whether the row has a value. */
function isValid(column, row) {
  return column.validity < 0 || ((column.views.u8[column.validity + (row >> 3)] >> (row & 7)) & 1) === 1;
}

/** What stands for a row that has no value. */
function absent(column, row) {
  const withheld = column.withheld >= 0 && ((column.views.u8[column.withheld + (row >> 3)] >> (row & 7)) & 1) === 1;
  return withheld ? undefined : null;
}

/** A reader that makes each value of its own. */
function each(start) {
  return (column, options, labels) => {
    const value = start(column, options, labels);
    const out = new Array(column.rows);
    for (let row = 0; row < out.length; row++) out[row] = isValid(column, row) ? value(row) : absent(column, row);
    return out;
  };
}

/** The number of 64 bits whose lower half is word `at`; one that a number cannot hold exactly is an error. */
function int64(i32, at) {
  const low = i32[at];
  const high = i32[at + 1];
  if (high === low >> 31) return low;
  if (high >= 2097152 || high < -2097152) throw unsafe(high, low);
  return high * 4294967296 + (low >>> 0);
}

function unsafe(high, low) {
  const value = (BigInt(high) << 32n) | BigInt(low >>> 0);
  const hint = "ask for bigints: connect(…, { int64: 'bigint' }), or the same option of one call";
  return error('numeric_overflow', `the int64 ${value} is no number that JavaScript holds exactly`, { hint });
}

/** The decimal whose lower half is the 64-bit word `at`. */
function decimal(i64, at, { views: { u8 }, scales, scale }, row) {
  const low = i64[at];
  const high = i64[at + 1];
  const coefficient = high === low >> 63n ? low : (high << 64n) | BigInt.asUintN(64, low);
  const digits = scales < 0 ? scale : u8[scales + row];
  if (digits > 38 || coefficient >= DECIMAL_END || coefficient <= -DECIMAL_END) throw malformed('a decimal has too many digits');
  return new Decimal(coefficient, digits);
}

/** The label of a number. */
function label(labels, number) {
  const found = labels.get(number);
  if (found === undefined) throw malformed(`no label of an enum has the number ${number}`);
  return found;
}

/** The bounds of the variable part of a row: its start; the end is the next one's start. */
function boundsOf(column, limit) {
  const { u32 } = column.views;
  const base = column.values >> 2;
  return (row) => {
    const [start, end] = [u32[base + row], u32[base + row + 1]];
    if (start > end || end > limit) throw malformed('a value ends outside its column');
    return [start, end];
  };
}

const READERS = {
  bool: each(({ views: { u8 }, values }) => (row) => ((u8[values + (row >> 3)] >> (row & 7)) & 1) === 1),
  int16: each(({ views: { i16 }, values }) => (row) => i16[(values >> 1) + row]),
  int32: each(({ views: { i32 }, values }) => (row) => i32[(values >> 2) + row]),
  int64: each(({ views, values }, options) => {
    const { i32 } = views;
    if (options.int64 === 'bigint') {
      const { i64 } = views;
      return (row) => i64[(values >> 3) + row];
    }
    return (row) => int64(i32, (values >> 2) + row * 2);
  }),
  float32: each(({ views: { f32 }, values }) => (row) => f32[(values >> 2) + row]),
  float64: each(({ views: { f64 }, values }) => (row) => f64[(values >> 3) + row]),
  decimal: each((column) => {
    const { i64 } = column.views;
    return (row) => decimal(i64, (column.values >> 3) + row * 2, column, row);
  }),
  string: text,
  bytes: each((column) => {
    const bounds = boundsOf(column, column.bytesLength);
    return (row) => {
      const [start, end] = bounds(row);
      // A copy: a view would keep the whole result alive.
      return column.views.u8.slice(column.bytes + start, column.bytes + end);
    };
  }),
  uuid: (column) => {
    const { u8 } = column.views;
    const all = Buffer.allocUnsafe(column.rows * 36);
    let to = 0;
    for (let from = column.values; from < column.values + column.rows * 16; from++) {
      const place = (from - column.values) & 15;
      if (place === 4 || place === 6 || place === 8 || place === 10) all[to++] = 45;
      all[to++] = HEX[u8[from] >> 4];
      all[to++] = HEX[u8[from] & 15];
    }
    const text = all.latin1Slice();
    return each(() => (row) => text.substring(row * 36, row * 36 + 36))(column);
  },
  datetime: each(({ views: { i32, u32 }, values }) => (row) => {
    const at = (values >> 2) + row * 2;
    return dateOf(i32[at + 1], u32[at]);
  }),
  local_datetime: each(({ views: { i32, u32 }, values }) => (row) => {
    const at = (values >> 2) + row * 2;
    return localText(i32[at + 1], u32[at]);
  }),
  date: each(({ views: { i32 }, values }) => (row) => dateText(i32[(values >> 2) + row])),
  time: each(({ views: { i32, u32 }, values }) => (row) => {
    const at = (values >> 2) + row * 2;
    return timeText(i32[at + 1] * 4294967296 + u32[at]);
  }),
  interval: each(({ views: { i32, i64 }, values }) => (row) => {
    const at = (values >> 2) + row * 4;
    return new Interval(i32[at], i32[at + 1], i64[(at >> 1) + 1]);
  }),
  json: each((column, options) => {
    const bounds = boundsOf(column, column.bytesLength);
    return (row) => {
      const [start, end] = bounds(row);
      const bytes = column.views.buffer.subarray(column.bytes + start, column.bytes + end);
      if (!isUtf8(bytes)) throw malformed('a text is not UTF-8');
      const document = isAscii(bytes) ? bytes.latin1Slice() : bytes.utf8Slice();
      if (options.json === 'text') return document;
      try {
        return JSON.parse(document);
      } catch (cause) {
        throw error('protocol_violation', 'a JSON cell is no JSON', {}, { cause });
      }
    };
  }),
  enum: each(({ views: { u32 }, values }, _options, labels) => (row) => label(labels, u32[(values >> 2) + row])),
};

/** The reader of the lists of a kind. */
function lists(kind) {
  const read = READERS[KINDS[kind]];
  return (column, options, labels) => {
    const elements = read(column.elements, options, labels);
    return each((of) => {
      const bounds = boundsOf(of, elements.length);
      return (row) => elements.slice(...bounds(row));
    })(column);
  };
}

/** The function that reads a column of the shape: `(column, options, labels) => values`. */
function readerOf({ kind, list }) {
  const reader = list ? lists(kind) : READERS[KINDS[kind]];
  if (reader === undefined) throw malformed(`no column is of type ${kind}`);
  return reader;
}

module.exports = { readerOf, absent, int64, decimal, label };
