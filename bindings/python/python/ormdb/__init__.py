"""ormDB: a relational database that speaks your ORM, embedded in the process or behind a server.

    import ormdb

    with ormdb.connect("blog.ormdb") as db:          # or ormdb.connect("ormdb://127.0.0.1")
        db.apply_schema(open("schema.ormdb").read())
        db.execute("create User { email: $email }", email="a@b.c")
        for user in db.fetch("User { email, posts { title } }"):
            print(user.email, len(user.posts))
"""

from __future__ import annotations

from . import aio, errors
from ._native import Changed, Description, Done, Explanation, Interval, Node, Result, Row, Typed, Withheld, Written
from ._native import withheld as _withheld
from ._sync import Changes, Connection, Stream, Transaction, connect
from .aio import connect as connect_async
from .errors import (
    BugError,
    Cancelled,
    CheckViolation,
    ConnectionFailed,
    CorruptError,
    DatabaseLocked,
    Deadlock,
    DeniedError,
    Error,
    ForeignKeyViolation,
    IntegrityError,
    NotNullViolation,
    NotOneRow,
    OverBudgetError,
    QuerySyntaxError,
    RecordNotFound,
    RequestError,
    RetryError,
    SerializationConflict,
    TransactionClosed,
    UnavailableError,
    UniqueViolation,
)

#: What stands for a value that the session may not see. It is not `None`.
WITHHELD: Withheld = _withheld()


def Json(document: object) -> Typed:
    """A JSON document as a parameter, where it is no dict: a list, a text, a number, `None`."""
    return Typed("json", document)


__all__ = [
    "WITHHELD",
    "BugError",
    "Cancelled",
    "Changed",
    "Changes",
    "CheckViolation",
    "Connection",
    "ConnectionFailed",
    "CorruptError",
    "DatabaseLocked",
    "Deadlock",
    "DeniedError",
    "Description",
    "Done",
    "Error",
    "Explanation",
    "ForeignKeyViolation",
    "IntegrityError",
    "Interval",
    "Json",
    "Node",
    "NotNullViolation",
    "NotOneRow",
    "OverBudgetError",
    "QuerySyntaxError",
    "RecordNotFound",
    "RequestError",
    "Result",
    "RetryError",
    "Row",
    "SerializationConflict",
    "Stream",
    "Transaction",
    "TransactionClosed",
    "Typed",
    "UnavailableError",
    "UniqueViolation",
    "Withheld",
    "Written",
    "aio",
    "connect",
    "connect_async",
    "errors",
]
