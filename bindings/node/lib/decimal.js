// Exact decimal numbers, as `decimal(p,s)` has them: digits without their point, and how many stand behind it.
'use strict';

const { error } = require('./errors');

const DIGITS_MAX = 38;
const PATTERN = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,4}))?$/;

/** An exact decimal number. The scale is kept: `1.50` stays `1.50`, and equals `1.5`. */
class Decimal {
  /**
   * @param {bigint} coefficient the digits without the point
   * @param {number} scale how many of them stand behind it
   */
  constructor(coefficient, scale = 0) {
    this.coefficient = coefficient;
    this.scale = scale;
  }

  /** The number of a text, a bigint, or a number as it prints. */
  static from(value) {
    if (value instanceof Decimal) return value;
    if (typeof value === 'bigint') return checked(value, 0, value);
    const text = String(value).trim();
    const match = text.length <= 256 ? PATTERN.exec(text) : null;
    const [, sign, whole, fraction = '', exponent = '0'] = match ?? [];
    if (!match || whole.length + fraction.length === 0) {
      throw error('invalid_value', `\`${text.slice(0, 64)}\` is not a decimal number`);
    }
    const magnitude = BigInt(whole + fraction);
    const coefficient = sign === '-' ? -magnitude : magnitude;
    const scale = fraction.length - Number(exponent);
    if (scale < -DIGITS_MAX) throw tooLarge(text);
    return scale < 0 ? checked(coefficient * 10n ** BigInt(-scale), 0, text) : checked(coefficient, scale, text);
  }

  /** The exact number. */
  toString() {
    const negative = this.coefficient < 0n;
    const digits = (negative ? -this.coefficient : this.coefficient).toString().padStart(this.scale + 1, '0');
    const at = digits.length - this.scale;
    const text = this.scale === 0 ? digits : `${digits.slice(0, at)}.${digits.slice(at)}`;
    return negative ? `-${text}` : text;
  }

  /** The exact number as text: JSON numbers would lose digits in most readers. */
  toJSON() {
    return this.toString();
  }

  /** The nearest number. */
  toNumber() {
    return Number(this.toString());
  }

  /** -1, 0 or 1, as this number is less than, equal to, or greater than the other. */
  compare(other) {
    const that = Decimal.from(other);
    const left = this.coefficient * 10n ** BigInt(Math.max(0, that.scale - this.scale));
    const right = that.coefficient * 10n ** BigInt(Math.max(0, this.scale - that.scale));
    return left < right ? -1 : left > right ? 1 : 0;
  }

  /** Whether both are the same number, at whatever scale. */
  equals(other) {
    return this.compare(other) === 0;
  }

  [Symbol.for('nodejs.util.inspect.custom')]() {
    return `Decimal(${this})`;
  }
}

function checked(coefficient, scale, shown) {
  // Zeros at the end make no number too large.
  while (scale > DIGITS_MAX && coefficient % 10n === 0n) {
    coefficient /= 10n;
    scale -= 1;
  }
  const magnitude = coefficient < 0n ? -coefficient : coefficient;
  if (scale > DIGITS_MAX || magnitude >= 10n ** BigInt(DIGITS_MAX)) throw tooLarge(shown);
  return new Decimal(coefficient, scale);
}

function tooLarge(shown) {
  return error('numeric_overflow', `a decimal number has at most ${DIGITS_MAX} digits, and ${String(shown).slice(0, 64)} has more`);
}

module.exports = { Decimal };
