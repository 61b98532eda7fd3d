// Instants, local times, days, times of day and intervals, as JavaScript sees them.
//
// Invariants: (1) no digit is lost: an instant of whole milliseconds is a plain Date, any other a DateTime, which knows its
// microseconds; (2) texts are those that the database prints, and reads.
'use strict';

const { error } = require('./errors');

const MICROS_PER_DAY = 86_400_000_000;
const MILLIS_PER_DAY = 86_400_000;

/** A Date that knows the microseconds behind its milliseconds. */
class DateTime extends Date {
  /**
   * @param {number} millis milliseconds since 1970-01-01T00:00:00Z
   * @param {number} microseconds those behind the millisecond, 0 to 999
   */
  constructor(millis, microseconds = 0) {
    super(millis);
    this.microseconds = microseconds;
  }

  /** The instant of a number of microseconds since 1970-01-01T00:00:00Z. */
  static fromMicros(micros) {
    const exact = BigInt(micros);
    const rest = ((exact % 1000n) + 1000n) % 1000n;
    return new DateTime(Number((exact - rest) / 1000n), Number(rest));
  }

  /** ISO 8601 with all six digits behind the second. */
  toISOString() {
    return super.toISOString().replace('Z', `${String(this.microseconds).padStart(3, '0')}Z`);
  }

  toJSON() {
    return this.toISOString();
  }

  [Symbol.for('nodejs.util.inspect.custom')]() {
    return this.toISOString();
  }
}

/** Microseconds since 1970-01-01T00:00:00Z of any Date, exactly. */
function microsOf(date) {
  const millis = date.getTime();
  if (Number.isNaN(millis)) throw error('invalid_value', 'an invalid Date is no instant');
  return BigInt(millis) * 1000n + BigInt(date.microseconds ?? 0);
}

/** The Date of microseconds, given as their upper and lower 32 bits. */
function dateOf(high, low) {
  const micros = high * 4294967296 + low;
  if (Number.isSafeInteger(micros)) {
    const millis = Math.floor(micros / 1000);
    const rest = micros - millis * 1000;
    return rest === 0 ? new Date(millis) : new DateTime(millis, rest);
  }
  const exact = DateTime.fromMicros((BigInt(high) << 32n) | BigInt(low));
  return exact.microseconds === 0 ? new Date(exact.getTime()) : exact;
}

const two = (n) => (n < 10 ? `0${n}` : `${n}`);

/** `2024-12-31` of days since 1970-01-01. */
function dateText(days) {
  const date = new Date(days * MILLIS_PER_DAY);
  const year = date.getUTCFullYear();
  if (!(year >= 1 && year <= 9999)) return String(days);
  return `${String(year).padStart(4, '0')}-${two(date.getUTCMonth() + 1)}-${two(date.getUTCDate())}`;
}

/** `23:59:59.5` of microseconds since midnight. */
function timeText(micros) {
  const seconds = Math.floor(micros / 1_000_000);
  const fraction = micros - seconds * 1_000_000;
  const text = `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return fraction === 0 ? text : `${text}.${String(fraction).padStart(6, '0').replace(/0+$/, '')}`;
}

/** `2024-12-31T23:59:59.5` of microseconds, given as their upper and lower 32 bits. */
function localText(high, low) {
  const micros = high * 4294967296 + low;
  if (Number.isSafeInteger(micros)) {
    const days = Math.floor(micros / MICROS_PER_DAY);
    return `${dateText(days)}T${timeText(micros - days * MICROS_PER_DAY)}`;
  }
  const exact = (BigInt(high) << 32n) | BigInt(low);
  const day = BigInt(MICROS_PER_DAY);
  const rest = ((exact % day) + day) % day;
  return `${dateText(Number((exact - rest) / day))}T${timeText(Number(rest))}`;
}

/** A span of months, days and microseconds, which do not convert into each other. */
class Interval {
  constructor(months = 0, days = 0, micros = 0n) {
    this.months = months;
    this.days = days;
    this.micros = BigInt(micros);
  }

  /** ISO 8601: `P1Y2M3DT4H5M6.5S`. */
  toString() {
    let out = 'P';
    const years = Math.trunc(this.months / 12);
    if (years !== 0) out += `${years}Y`;
    if (this.months % 12 !== 0) out += `${this.months % 12}M`;
    if (this.days !== 0) out += `${this.days}D`;
    if (this.micros === 0n) return out === 'P' ? 'PT0S' : out;
    const [hours, minutes, rest] = [this.micros / 3_600_000_000n, (this.micros / 60_000_000n) % 60n, this.micros % 60_000_000n];
    out += 'T';
    if (hours !== 0n) out += `${hours}H`;
    if (minutes !== 0n) out += `${minutes}M`;
    if (rest === 0n) return out;
    const magnitude = rest < 0n ? -rest : rest;
    const fraction = String(magnitude % 1_000_000n).padStart(6, '0').replace(/0+$/, '');
    return `${out}${rest < 0n ? '-' : ''}${magnitude / 1_000_000n}${fraction === '' ? '' : `.${fraction}`}S`;
  }

  toJSON() {
    return this.toString();
  }

  [Symbol.for('nodejs.util.inspect.custom')]() {
    return `Interval(${this})`;
  }
}

module.exports = { DateTime, Interval, microsOf, dateOf, dateText, timeText, localText };
