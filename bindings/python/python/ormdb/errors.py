"""The exceptions of ormDB.

Every exception has a stable `code`, an `sqlstate`, a `kind` that says what to do, a `message`, and a dict `detail` of what a
program can read: `entity`, `field`, `constraint`, `key`, `suggestion`, `span`, `hint`, `limit`, `file`, `maybe_executed`.
"""

from __future__ import annotations

from typing import Any


class Error(Exception):
    """Any error of ormDB."""

    code: str = "internal"
    sqlstate: str = "XX000"
    kind: str = "bug"
    message: str = ""
    detail: dict[str, Any]
    #: Of a schema that is refused, everything that is wrong with it; of other errors, the error alone.
    errors: list[Error]

    @property
    def hint(self) -> str | None:
        """What to do about it."""
        return self.detail.get("hint")

    @property
    def suggestion(self) -> str | None:
        """The name that was probably meant."""
        return self.detail.get("suggestion")

    @property
    def maybe_executed(self) -> bool | None:
        """Of a lost connection: whether the request may have been executed all the same."""
        return self.detail.get("maybe_executed")


class RetryError(Error):
    """Run it again."""


class RequestError(Error):
    """The request itself is wrong."""


class DeniedError(Error):
    """The session may not do this."""


class OverBudgetError(Error):
    """A limit or budget was met: ask for less, or raise it."""


class UnavailableError(Error):
    """Try later, or look at the server."""


class CorruptError(Error):
    """Data are damaged: restore, or salvage."""


class BugError(Error):
    """A bug of ormDB: report it."""


class IntegrityError(RequestError):
    """The rows would not be what the schema says."""


class UniqueViolation(IntegrityError):
    """Another row has the same unique key."""


class ForeignKeyViolation(IntegrityError):
    """A row refers to a row that is not there, or is referred to by one."""


class NotNullViolation(IntegrityError):
    """A required field has no value."""


class CheckViolation(IntegrityError):
    """A row fails a check."""


class QuerySyntaxError(RequestError):
    """The text does not follow the grammar."""


class RecordNotFound(RequestError):
    """The row that must exist is not there."""


class TransactionClosed(RequestError):
    """The transaction has ended."""


class SerializationConflict(RetryError):
    """A concurrent transaction changed what this one read."""


class Deadlock(RetryError):
    """Transactions wait for each other's locks in a circle."""


class Cancelled(RetryError):
    """The request was cancelled or ran out of time."""


class ConnectionFailed(UnavailableError):
    """The connection could not be made, or was lost."""


class DatabaseLocked(UnavailableError):
    """Another process has the database open, or a forked child uses its parent's connection."""


class NotOneRow(Exception):
    """A result has not the one row that was asked for."""


_KINDS: dict[str, type[Error]] = {
    "retry": RetryError,
    "fix_the_request": RequestError,
    "denied": DeniedError,
    "over_budget": OverBudgetError,
    "unavailable": UnavailableError,
    "corrupt": CorruptError,
    "bug": BugError,
}

_CODES: dict[str, type[Error]] = {
    "unique_violation": UniqueViolation,
    "foreign_key_violation": ForeignKeyViolation,
    "not_null_violation": NotNullViolation,
    "check_violation": CheckViolation,
    "syntax_error": QuerySyntaxError,
    "record_not_found": RecordNotFound,
    "transaction_closed": TransactionClosed,
    "serialization_conflict": SerializationConflict,
    "deadlock": Deadlock,
    "cancelled": Cancelled,
    "connection_failed": ConnectionFailed,
    "database_locked": DatabaseLocked,
}


def make(code: str, kind: str, sqlstate: str, message: str, detail: dict[str, Any], text: str) -> Error:
    """The exception of an error; `text` is what people read."""
    error = _CODES.get(code, _KINDS.get(kind, Error))(text)
    error.code, error.kind, error.sqlstate, error.message, error.detail = code, kind, sqlstate, message, detail
    error.errors = [error]
    return error
