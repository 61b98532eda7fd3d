"""Connections and transactions that wait."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, TypeVar

from . import _native
from ._native import Changed, Done, Explanation, Result, Row, Written
from ._retry import RETRIES_MAX, pause_s
from .errors import Error

T = TypeVar("T")
Params = dict[str, Any]
Answer = Result | Written | Explanation | Done


def connect(
    location: str | os.PathLike[str],
    *,
    create: bool = True,
    retention_age: float | None = None,
    retention_bytes: int | None = None,
    timeout: float = 10.0,
) -> Connection:
    """Opens a database: a directory, `ormdb://host:port`, `ormdb+unix:///path` or a Unix socket.

    `create` says whether a directory that is not there is made; `timeout` is how many seconds connecting to a server may take.
    `retention_age` is how many seconds a version of a directory's database can be read (`as of`) after it was overwritten, 0 for
    none; it is given up earlier when more than `retention_bytes` were written since. The database keeps that: where it is not given,
    versions are kept as was said before, and none in a new database. A server is told by `ormdb serve --retention-age`.
    A process has a database open once, however many connections it opens to its directory.
    """
    return Connection(
        os.fspath(location),
        create=create,
        retention_age=retention_age,
        retention_bytes=retention_bytes,
        timeout=timeout,
    )


def written_of(answer: Answer) -> Written:
    """What a write did."""
    if isinstance(answer, Written):
        return answer
    raise TypeError("the statement was executed, yet it wrote nothing: use `fetch`, or `query`")


def explanation_of(answer: Answer) -> Explanation:
    """The plan that an answer is."""
    if isinstance(answer, Explanation):
        return answer
    raise TypeError("the statement is no explanation")


class Connection(_native.Connection):
    """A connection. Threads may share it: their statements run side by side."""

    def fetch(self, text: str, params: Params | None = None, /, **keywords: Any) -> Result:
        """Runs a statement that gives rows: a fetch, or a write with `return`. Another is refused, and not executed."""
        return self.fetch_rows(text, params, **keywords)

    def execute(self, text: str, params: Params | None = None, /, **keywords: Any) -> Written:
        """Runs a write, and returns what it did."""
        return written_of(self.query(text, params, **keywords))

    def explain(self, text: str, params: Params | None = None, /, **keywords: Any) -> Explanation:
        """The plan of a statement."""
        return explanation_of(self.query(f"explain {text}", params, **keywords))

    def stream(self, text: str, params: Params | None = None, /, **keywords: Any) -> Stream:
        """Runs a statement whose rows are read while they are used, with no more than a few parts of them held.

        One that gives no rows is refused, and not executed.
        """
        return Stream(self.stream_parts(text, params, **keywords))

    def subscribe(self, *entities: str) -> Changes:
        """Is told of commits from now on that write rows of these entities, or of any where none is named: iterate over it.

        What is told is made for caches: whatever was read before of the entities of a notice may be stale.
        """
        return Changes(self.subscribe_to(list(entities)))

    def transaction(self, isolation: str = "serializable", *, read_only: bool = False) -> Transaction:
        """A transaction, as a context: it is committed at the end of the block, and rolled back by an exception."""
        return Transaction(self, isolation, read_only)

    def transact(
        self,
        body: Callable[[Transaction], T],
        *,
        isolation: str = "serializable",
        retries: int = RETRIES_MAX,
    ) -> T:
        """Runs `body` in a transaction and commits it; runs it again while it conflicts with others."""
        retried = 0
        while True:
            try:
                with self.transaction(isolation) as transaction:
                    return body(transaction)
            except Error as error:
                pause = pause_s(error, retried, retries)
                if pause is None:
                    raise
            time.sleep(pause)
            retried += 1

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class Transaction:
    """A transaction of several statements, with read-your-writes. A context; or `begin` it and end it yourself."""

    def __init__(self, connection: Connection, isolation: str, read_only: bool) -> None:
        self._connection = connection
        self._isolation = isolation
        self._read_only = read_only
        self._open: _native.Transaction | None = None
        #: The version token of the commit.
        self.token: str | None = None
        self._savepoints = 0

    def begin(self) -> Transaction:
        """Begins it."""
        self._open = self._connection.begin(self._isolation, self._read_only)
        return self

    def _native(self) -> _native.Transaction:
        if self._open is None:
            raise RuntimeError("the transaction has not begun: use it in a `with`, or call `begin`")
        return self._open

    def query(self, text: str, params: Params | None = None, /, **keywords: Any) -> Answer:
        """Runs one statement; it sees what the transaction wrote."""
        return self._native().query(text, params, **keywords)

    def fetch(self, text: str, params: Params | None = None, /, **keywords: Any) -> Result:
        """Runs a statement that gives rows. One that gives none is refused, and not executed."""
        return self._native().fetch_rows(text, params, **keywords)

    def execute(self, text: str, params: Params | None = None, /, **keywords: Any) -> Written:
        """Runs a write, and returns what it did."""
        return written_of(self._native().query(text, params, **keywords))

    def savepoint(self, name: str | None = None) -> Savepoint:
        """A savepoint, as a context: an exception in the block takes back what the block wrote, and goes on."""
        if name is None:
            self._savepoints += 1
            name = f"savepoint_{self._savepoints}"
        return Savepoint(self._native(), name)

    def set_savepoint(self, name: str) -> None:
        """Sets a savepoint."""
        self._native().savepoint(name)

    def rollback_to(self, name: str) -> None:
        """Takes back what was written since the savepoint, which stays."""
        self._native().rollback_to(name)

    def release(self, name: str) -> None:
        """Forgets the savepoint and those after it; what was written stays."""
        self._native().release(name)

    def commit(self) -> str | None:
        """Commits; durable when this returns. Returns the version token."""
        self.token = self._native().commit()
        return self.token

    def rollback(self) -> None:
        """Rolls back. A transaction that has ended is left as it is."""
        self._native().rollback()

    def __enter__(self) -> Transaction:
        return self.begin()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.commit()
            return
        try:
            self.rollback()
        except Error:
            # What ended the block says more; a transaction whose connection is lost is rolled back by the server.
            pass


class Savepoint:
    """A savepoint in a `with`."""

    def __init__(self, transaction: _native.Transaction, name: str) -> None:
        self._transaction = transaction
        self.name = name

    def __enter__(self) -> Savepoint:
        self._transaction.savepoint(self.name)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None:
            self._transaction.rollback_to(self.name)
        self._transaction.release(self.name)


class Stream:
    """Rows that are read while they are used. Iterate over it, or over its parts; a context closes it early."""

    def __init__(self, native: _native.Stream) -> None:
        self._native = native

    def parts(self) -> Iterator[Result]:
        """The results that the whole is made of, each of some thousand rows."""
        while (part := self._native.next_part()) is not None:
            yield part

    def __iter__(self) -> Iterator[Row]:
        for part in self.parts():
            yield from part

    def close(self) -> None:
        """Ends the statement; what was not taken is not read."""
        self._native.close()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class Changes:
    """What is told of commits. Iterate over it, or ask for the `next` notice; a context closes it."""

    def __init__(self, native: _native.Changes) -> None:
        self._native = native

    @property
    def since(self) -> str:
        """The version token from which on commits are told."""
        return self._native.since

    def next(self, timeout: float | None = None) -> Changed | None:
        """The next notice; `None` where that takes longer than `timeout` seconds. What is not taken is joined to one notice."""
        return self._native.next(timeout)

    def __iter__(self) -> Iterator[Changed]:
        while (changed := self._native.next()) is not None:
            yield changed

    def close(self) -> None:
        """Ends it."""
        self._native.close()

    def __enter__(self) -> Changes:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
