// The errors of ormDB as exceptions: one class for each kind of thing to do about them, and below it classes for the codes
// that programs most often tell apart. `code` is the stable name; the class follows from it.
'use strict';

/** An error of the database, of the connection, or of the use of this package. */
class OrmdbError extends Error {
  constructor(message, { code, sqlstate, kind, detail = {} }, options) {
    super(message, options);
    this.code = code;
    this.sqlstate = sqlstate;
    this.kind = kind;
    this.detail = detail;
  }

  get name() {
    return this.constructor.name;
  }

  /** The message, the place in the text with a caret, the suggestion and the hint. */
  render(text) {
    const { span, suggestion, hint } = this.detail;
    let out = `error[${this.code}]: ${this.message}`;
    const line = span && text !== undefined ? text.split('\n')[span.line - 1] : undefined;
    if (line !== undefined) {
      const before = [...line].slice(0, span.column - 1).map((c) => (c === '\t' ? '\t' : ' ')).join('');
      out += `\n  at line ${span.line}, column ${span.column}\n  | ${line}\n  | ${before}^`;
    }
    if (suggestion) out += `\n  did you mean \`${suggestion}\`?`;
    if (hint) out += `\n  hint: ${hint}`;
    return out;
  }
}

/** Run it again: it met others, or was cancelled. */
class RetryError extends OrmdbError {}
/** The request itself is wrong. */
class RequestError extends OrmdbError {}
/** The session may not do this. */
class DeniedError extends OrmdbError {}
/** A limit or budget was met. */
class OverBudgetError extends OrmdbError {}
/** Try later, or look at the server. */
class UnavailableError extends OrmdbError {}
/** Data are damaged. */
class CorruptError extends OrmdbError {}
/** A bug of ormDB. */
class BugError extends OrmdbError {}

class SerializationConflictError extends RetryError {}
class DeadlockError extends RetryError {}
class LockNotAvailableError extends RetryError {}
class CancelledError extends RetryError {}
class AuthenticationFailedError extends DeniedError {}
class ConstraintError extends RequestError {}
class UniqueViolationError extends ConstraintError {}
class ForeignKeyViolationError extends ConstraintError {}
class NotNullViolationError extends ConstraintError {}
class CheckViolationError extends ConstraintError {}
class NotFoundError extends RequestError {}
class ProtocolError extends RequestError {}
class ConnectionFailedError extends UnavailableError {}

const BY_KIND = {
  retry: RetryError,
  fix_the_request: RequestError,
  denied: DeniedError,
  over_budget: OverBudgetError,
  unavailable: UnavailableError,
  corrupt: CorruptError,
  bug: BugError,
};

const BY_CODE = {
  serialization_conflict: SerializationConflictError,
  deadlock: DeadlockError,
  lock_not_available: LockNotAvailableError,
  cancelled: CancelledError,
  authentication_failed: AuthenticationFailedError,
  unique_violation: UniqueViolationError,
  foreign_key_violation: ForeignKeyViolationError,
  not_null_violation: NotNullViolationError,
  check_violation: CheckViolationError,
  record_not_found: NotFoundError,
  protocol_violation: ProtocolError,
  connection_failed: ConnectionFailedError,
};

// The codes that arise on this side of the native module, with their SQLSTATE and kind.
const OWN = {
  invalid_value: ['22023', 'fix_the_request'],
  invalid_query: ['42601', 'fix_the_request'],
  numeric_overflow: ['22003', 'fix_the_request'],
  limit_exceeded: ['54000', 'over_budget'],
  protocol_violation: ['08P01', 'fix_the_request'],
  transaction_closed: ['25000', 'fix_the_request'],
  unsupported_feature: ['0A000', 'fix_the_request'],
  cancelled: ['57014', 'retry'],
};

function classOf(code, kind) {
  return BY_CODE[code] ?? BY_KIND[kind] ?? OrmdbError;
}

/** An error that arises in JavaScript. */
function error(code, message, detail = {}, options) {
  const [sqlstate, kind] = OWN[code];
  return new (classOf(code, kind))(message, { code, sqlstate, kind, detail }, options);
}

/** A result that is damaged. */
function malformed(message) {
  return error('protocol_violation', message);
}

/**
 * The exception of what the native module threw or rejected with: its message is the error as JSON. Anything else is passed on
 * as it is.
 */
function fromNative(thrown) {
  const text = thrown instanceof Error ? thrown.message : undefined;
  if (text === undefined || !text.startsWith('{"code":')) return thrown;
  const { message, code, sqlstate, kind, detail } = JSON.parse(text);
  const { maybe_executed: maybeExecuted, ...rest } = detail;
  if (maybeExecuted !== undefined) rest.maybeExecuted = maybeExecuted;
  return new (classOf(code, kind))(message, { code, sqlstate, kind, detail: rest });
}

module.exports = {
  classes: {
    OrmdbError,
    RetryError,
    RequestError,
    DeniedError,
    OverBudgetError,
    UnavailableError,
    CorruptError,
    BugError,
    SerializationConflictError,
    DeadlockError,
    LockNotAvailableError,
    CancelledError,
    AuthenticationFailedError,
    ConstraintError,
    UniqueViolationError,
    ForeignKeyViolationError,
    NotNullViolationError,
    CheckViolationError,
    NotFoundError,
    ProtocolError,
    ConnectionFailedError,
  },
  error,
  malformed,
  fromNative,
};
