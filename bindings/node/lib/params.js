// Writes parameters as the native module reads them (src/params.rs has the layout).
//
// What a value becomes, where the statement does not bend it to the type of its place (docs/QUERY.md):
//
//   null                           null                 boolean                bool
//   whole number                   int64                other number           float64
//   bigint                         int64, or decimal beyond 64 bits
//   string                         string; also dates, times, UUIDs and labels of enums, which bend
//   Decimal, Interval, Date        decimal, interval, datetime with its microseconds
//   Buffer, Uint8Array, ArrayBuffer   bytes
//   array                          array                plain object           json, as JSON.stringify writes it
//   typed(type, value)             exactly that type
//
// Anything else is refused, `undefined` too: a value that was forgotten is no null.
'use strict';

const { Decimal } = require('./decimal');
const { classes, error } = require('./errors');
const { KINDS } = require('./shape');
const { Interval, microsOf } = require('./temporal');

const TAGS = new Map(KINDS.map((kind, tag) => [kind, tag]).filter(([kind]) => kind !== ''));
TAGS.set('array', 18);
/** Set in the tag of a value that stands as text. */
const AS_TEXT = 0x40;
const INT64_MIN = -(2n ** 63n);
const INT64_END = 2n ** 63n;
const DEPTH_MAX = 8;
const BYTES_FIRST = 1024;
/** A larger buffer than this is given back after use. */
const BYTES_KEPT_MAX = 1 << 20;

/** A value of a type that is said, not inferred. */
class Typed {
  constructor(type, value) {
    this.type = type;
    this.value = value;
  }
}

/** A parameter of exactly this type; its value is what that type has in results, or the text of it: of json, the document. */
function typed(type, value) {
  if (!TAGS.has(type)) throw error('invalid_value', `no type is named \`${String(type)}\``, { hint: [...TAGS.keys()].join(', ') });
  return new Typed(type, value);
}

class Writer {
  constructor() {
    this.bytes = Buffer.allocUnsafe(BYTES_FIRST);
    this.at = 0;
  }

  /** Room for so many bytes: where they begin. */
  room(length) {
    const at = this.at;
    const end = at + length;
    if (end > this.bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(end, this.bytes.length * 2));
      this.bytes.copy(larger, 0, 0, at);
      this.bytes = larger;
    }
    this.at = end;
    return at;
  }

  tag(tag) {
    // The room comes first: it may move the bytes.
    const at = this.room(1);
    this.bytes[at] = tag;
  }

  u32(value) {
    const at = this.room(4);
    this.bytes.writeUInt32LE(value, at);
  }

  i64(value) {
    const at = this.room(8);
    this.bytes.writeBigInt64LE(value, at);
  }

  text(text) {
    // Most texts are short, and a unit of UTF-16 is at most three bytes of UTF-8.
    const most = text.length * 3;
    const at = this.room(4 + most);
    const length = this.bytes.utf8Write(text, at + 4, most);
    this.bytes.writeUInt32LE(length, at);
    this.at = at + 4 + length;
  }

  raw(bytes) {
    this.u32(bytes.length);
    const at = this.room(bytes.length);
    this.bytes.set(bytes, at);
  }

  name(name) {
    const length = Buffer.byteLength(name);
    if (length > 0xffff) throw error('limit_exceeded', 'the name of a parameter is too long');
    const at = this.room(2 + length);
    this.bytes.writeUInt16LE(length, at);
    this.bytes.utf8Write(name, at + 2, length);
  }

  value(value, depth) {
    switch (typeof value) {
      case 'boolean':
        this.tag(1);
        this.tag(value ? 1 : 0);
        return;
      case 'number':
        this.number(value);
        return;
      case 'bigint':
        this.bigint(value);
        return;
      case 'string':
        this.tag(8);
        this.text(value);
        return;
      case 'object':
        if (value === null) this.tag(0);
        else this.object(value, depth);
        return;
      default:
        throw refused(value);
    }
  }

  number(value) {
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
      this.tag(4);
      const at = this.room(8);
      const high = Math.floor(value / 4294967296);
      this.bytes.writeUInt32LE(value - high * 4294967296, at);
      this.bytes.writeInt32LE(high, at + 4);
      return;
    }
    this.tag(6);
    const at = this.room(8);
    this.bytes.writeDoubleLE(value, at);
  }

  bigint(value) {
    if (value >= INT64_MIN && value < INT64_END) {
      this.tag(4);
      this.i64(value);
    } else {
      this.decimal(Decimal.from(value));
    }
  }

  decimal({ coefficient, scale }) {
    this.tag(7);
    this.i64(BigInt.asIntN(64, coefficient));
    this.i64(BigInt.asIntN(64, coefficient >> 64n));
    this.tag(scale);
  }

  object(value, depth) {
    if (value instanceof Decimal) return this.decimal(value);
    if (value instanceof Date) {
      this.tag(11);
      return this.i64(inRange(microsOf(value), 'a datetime'));
    }
    if (value instanceof Interval) {
      this.tag(15);
      const at = this.room(8);
      this.bytes.writeInt32LE(value.months, at);
      this.bytes.writeInt32LE(value.days, at + 4);
      return this.i64(inRange(value.micros, 'an interval'));
    }
    if (value instanceof Uint8Array || value instanceof ArrayBuffer) {
      this.tag(9);
      return this.raw(value instanceof ArrayBuffer ? new Uint8Array(value) : value);
    }
    if (value instanceof Typed) return this.typed(value, depth);
    if (Array.isArray(value)) return this.array(value, depth);
    if (!isPlain(value)) throw refused(value);
    this.tag(16);
    return this.text(jsonOf(value));
  }

  array(items, depth) {
    if (depth >= DEPTH_MAX) throw error('limit_exceeded', `arrays nest deeper than ${DEPTH_MAX}`);
    this.tag(18);
    this.u32(items.length);
    for (let at = 0; at < items.length; at++) this.value(items[at], depth + 1);
  }

  typed({ type, value }, depth) {
    if (value === null) return this.tag(0);
    const tag = TAGS.get(type);
    if (type === 'json' && typeof value !== 'string') {
      this.tag(tag);
      return this.text(jsonOf(value));
    }
    if (type === 'array' || type === 'bytes' || type === 'bool') {
      const fits = { array: Array.isArray(value), bytes: value instanceof Uint8Array, bool: typeof value === 'boolean' }[type];
      if (!fits) throw error('invalid_value', `a value of type \`${type}\` is no ${typeof value}`);
      return this.value(value, depth);
    }
    if (value instanceof Date && type === 'datetime') return this.object(value, depth);
    if (value instanceof Interval && type === 'interval') return this.object(value, depth);
    const isText = typeof value === 'string' || typeof value === 'bigint' || value instanceof Decimal;
    if (!isText && typeof value !== 'number') throw error('invalid_value', `a value of type \`${type}\` is no ${typeof value}`);
    this.tag(tag | AS_TEXT);
    return this.text(Object.is(value, -0) ? '-0' : String(value));
  }
}

function inRange(micros, what) {
  if (micros < INT64_MIN || micros >= INT64_END) throw error('numeric_overflow', `${what} is out of range`);
  return micros;
}

function isPlain(value) {
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null;
}

function jsonOf(value) {
  let text;
  try {
    text = JSON.stringify(value, (_key, inner) => (typeof inner === 'bigint' ? jsonNumber(inner) : inner));
  } catch (cause) {
    throw error('invalid_value', `a value cannot be written as JSON: ${cause.message}`, {}, { cause });
  }
  if (text === undefined) throw refused(value);
  return text;
}

function jsonNumber(value) {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw new RangeError(`${value} loses digits; give the document as text: typed('json', text)`);
  return number;
}

function refused(value) {
  const what = value === undefined ? 'undefined' : typeof value === 'object' ? `a ${value.constructor?.name ?? 'object'}` : `a ${typeof value}`;
  const hint = value === undefined ? 'null is the absent value' : undefined;
  return error('invalid_value', `${what} is no value of a parameter`, { ...(hint && { hint }) });
}

const writer = new Writer();

/** The bytes of an object of parameters, whose names may begin with `$`. They hold until the next call. */
function writeParams(params) {
  writer.at = 0;
  if (writer.bytes.length > BYTES_KEPT_MAX) writer.bytes = Buffer.allocUnsafe(BYTES_FIRST);
  if (params === undefined || params === null) return writer.bytes.subarray(0, 0);
  if (typeof params !== 'object' || Array.isArray(params)) throw error('invalid_value', 'parameters are an object of values by their names');
  for (const name of Object.keys(params)) {
    writer.name(name.charCodeAt(0) === 36 ? name.slice(1) : name);
    try {
      writer.value(params[name], 0);
    } catch (thrown) {
      if (thrown instanceof classes.OrmdbError) {
        thrown.message = `parameter \`${name}\`: ${thrown.message}`;
        thrown.detail = { field: name, ...thrown.detail };
      }
      throw thrown;
    }
  }
  return writer.bytes.subarray(0, writer.at);
}

module.exports = { typed, writeParams };
