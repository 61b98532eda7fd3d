"""Connections and transactions for asyncio.

    db = await ormdb.aio.connect("ormdb://127.0.0.1")
    async with db:
        users = await db.fetch("User { email }")
"""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from types import TracebackType
from typing import Any, TypeVar

from . import _native
from ._native import Call, Changed, Description, Explanation, Mailbox, Result, Row, Written
from ._retry import RETRIES_MAX, pause_s
from ._sync import Answer, Params, explanation_of, written_of
from .errors import Error

T = TypeVar("T")

# How long the end of an operation that was cancelled is awaited.
_END_WAIT_S = 2.0

_mailboxes: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Mailbox] = weakref.WeakKeyDictionary()


def _mailbox(loop: asyncio.AbstractEventLoop) -> Mailbox:
    mailbox = _mailboxes.get(loop)
    if mailbox is None:
        mailbox = _mailboxes[loop] = Mailbox()
        loop.add_reader(mailbox.fileno(), mailbox.drain)
    return mailbox


async def _run(start: Callable[..., Call], *args: Any) -> Any:
    """Begins an operation and awaits it; where the task is cancelled, so is the operation, whose end is awaited then."""
    loop = asyncio.get_running_loop()
    call = start(_mailbox(loop), loop.create_future(), *args)
    try:
        return await call.future
    except asyncio.CancelledError:
        if call.future.cancelled():
            end: asyncio.Future[None] = loop.create_future()
            if call.cancel(end):
                await asyncio.wait([end], timeout=_END_WAIT_S)
        raise


class _Connecting:
    """A connection that is being made: await it, or use it in an `async with`."""

    def __init__(self, start: Callable[[Mailbox, asyncio.Future[Any]], Call]) -> None:
        self._start = start
        self._connection: Connection | None = None

    async def _open(self) -> Connection:
        return Connection(await _run(self._start))

    def __await__(self) -> Generator[Any, None, Connection]:
        return self._open().__await__()

    async def __aenter__(self) -> Connection:
        self._connection = await self._open()
        return self._connection

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._connection is not None:
            await self._connection.close()


def connect(
    location: str | os.PathLike[str],
    *,
    create: bool = True,
    retention_age: float | None = None,
    retention_bytes: int | None = None,
    timeout: float = 10.0,
) -> _Connecting:
    """Opens a database, as `ormdb.connect` does: `await connect(…)`, or `async with connect(…) as db`."""
    path = os.fspath(location)

    def start(mailbox: Mailbox, future: asyncio.Future[Any]) -> Call:
        return _native.Connection.start_open(
            mailbox,
            future,
            path,
            create=create,
            retention_age=retention_age,
            retention_bytes=retention_bytes,
            timeout=timeout,
        )

    return _Connecting(start)


class Connection:
    """A connection. Tasks may share it: their statements run side by side."""

    def __init__(self, native: _native.Connection) -> None:
        self._native = native

    async def query(self, text: str, params: Params | None = None, /, **keywords: Any) -> Answer:
        """Runs one statement in a transaction of its own, and returns what it gives."""
        answer: Answer = await _run(self._native.start_query, text, params, keywords)
        return answer

    async def fetch(self, text: str, params: Params | None = None, /, **keywords: Any) -> Result:
        """Runs a statement that gives rows: a fetch, or a write with `return`. Another is refused, and not executed."""
        result: Result = await _run(self._native.start_fetch, text, params, keywords)
        return result

    async def execute(self, text: str, params: Params | None = None, /, **keywords: Any) -> Written:
        """Runs a write, and returns what it did."""
        return written_of(await _run(self._native.start_query, text, params, keywords))

    async def explain(self, text: str, params: Params | None = None, /, **keywords: Any) -> Explanation:
        """The plan of a statement."""
        return explanation_of(await _run(self._native.start_query, f"explain {text}", params, keywords))

    async def stream(self, text: str, params: Params | None = None, /, **keywords: Any) -> AsyncIterator[Row]:
        """The rows of a statement, read while they are used: `async for row in db.stream(…)`.

        One that gives no rows is refused, and not executed.
        """
        async for part in self.stream_parts(text, params, **keywords):
            for row in part:
                yield row

    async def stream_parts(self, text: str, params: Params | None = None, /, **keywords: Any) -> AsyncIterator[Result]:
        """The results that the whole is made of, read while they are used."""
        stream: _native.Stream = await _run(self._native.start_stream, text, params, keywords)
        try:
            while (part := await _run(stream.start_next_part)) is not None:
                yield part
        finally:
            stream.close()

    async def describe(self, text: str) -> Description:
        """What a statement takes and gives, in the schema as it is, without running it."""
        described: Description = await _run(self._native.start_describe, text)
        return described

    def subscribe(self, *entities: str) -> Changes:
        """Is told of commits that write rows of these entities, or of any where none is named.

        `async with db.subscribe("User") as changes`, and `async for changed in changes`. What is told is made for caches: whatever
        was read before of the entities of a notice may be stale.
        """
        return Changes(self._native, list(entities))

    def transaction(self, isolation: str = "serializable", *, read_only: bool = False) -> Transaction:
        """A transaction, as an `async with`: committed at the end of the block, rolled back by an exception."""
        return Transaction(self._native, isolation, read_only)

    async def transact(
        self,
        body: Callable[[Transaction], Awaitable[T]],
        *,
        isolation: str = "serializable",
        retries: int = RETRIES_MAX,
    ) -> T:
        """Runs `body` in a transaction and commits it; runs it again while it conflicts with others."""
        retried = 0
        while True:
            try:
                async with self.transaction(isolation) as transaction:
                    return await body(transaction)
            except Error as error:
                pause = pause_s(error, retried, retries)
                if pause is None:
                    raise
            await asyncio.sleep(pause)
            retried += 1

    async def schema(self) -> str:
        """The text of the schema; empty if none was applied."""
        text: str = await _run(self._native.start_schema)
        return text

    async def apply_schema(self, text: str) -> list[str]:
        """Applies a schema, and returns what changed, in words."""
        changes: list[str] = await _run(self._native.start_apply_schema, text)
        return changes

    async def close(self) -> None:
        """Takes no further statements, and rolls back open transactions."""
        await _run(self._native.start_close)

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._native.closed

    @property
    def embedded(self) -> bool:
        """Whether the database is in this process."""
        return self._native.embedded

    async def __aenter__(self) -> Connection:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()


class Changes:
    """What is told of commits: begin it, or use it in an `async with`, and iterate over it."""

    def __init__(self, connection: _native.Connection, entities: list[str]) -> None:
        self._connection = connection
        self._entities = entities
        self._begun: _native.Changes | None = None

    async def begin(self) -> Changes:
        """Begins it: what is committed from here on is told."""
        self._begun = await _run(self._connection.start_subscribe, self._entities)
        return self

    def _native(self) -> _native.Changes:
        if self._begun is None:
            raise RuntimeError("the subscription has not begun: use it in an `async with`, or await `begin`")
        return self._begun

    @property
    def since(self) -> str:
        """The version token from which on commits are told."""
        return self._native().since

    async def next(self, timeout: float | None = None) -> Changed | None:
        """The next notice; `None` where that takes longer than `timeout` seconds. What is not taken is joined to one notice."""
        changed: Changed | None = await _run(self._native().start_next, timeout)
        return changed

    async def __aiter__(self) -> AsyncIterator[Changed]:
        while (changed := await self.next()) is not None:
            yield changed

    async def close(self) -> None:
        """Ends it."""
        self._native().close()

    async def __aenter__(self) -> Changes:
        return await self.begin()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()


class Transaction:
    """A transaction of several statements, with read-your-writes."""

    def __init__(self, connection: _native.Connection, isolation: str, read_only: bool) -> None:
        self._connection = connection
        self._isolation = isolation
        self._read_only = read_only
        self._open: _native.Transaction | None = None
        self._savepoints = 0
        #: The version token of the commit.
        self.token: str | None = None

    async def begin(self) -> Transaction:
        """Begins it."""
        self._open = await _run(self._connection.start_begin, self._isolation, self._read_only)
        return self

    def _native(self) -> _native.Transaction:
        if self._open is None:
            raise RuntimeError("the transaction has not begun: use it in an `async with`, or await `begin`")
        return self._open

    async def query(self, text: str, params: Params | None = None, /, **keywords: Any) -> Answer:
        """Runs one statement; it sees what the transaction wrote."""
        answer: Answer = await _run(self._native().start_query, text, params, keywords)
        return answer

    async def fetch(self, text: str, params: Params | None = None, /, **keywords: Any) -> Result:
        """Runs a statement that gives rows. One that gives none is refused, and not executed."""
        result: Result = await _run(self._native().start_fetch, text, params, keywords)
        return result

    async def execute(self, text: str, params: Params | None = None, /, **keywords: Any) -> Written:
        """Runs a write, and returns what it did."""
        return written_of(await self.query(text, params, **keywords))

    def savepoint(self, name: str | None = None) -> Savepoint:
        """A savepoint, as an `async with`: an exception takes back what the block wrote, and goes on."""
        if name is None:
            self._savepoints += 1
            name = f"savepoint_{self._savepoints}"
        return Savepoint(self._native(), name)

    async def set_savepoint(self, name: str) -> None:
        """Sets a savepoint."""
        await _run(self._native().start_savepoint, name)

    async def rollback_to(self, name: str) -> None:
        """Takes back what was written since the savepoint, which stays."""
        await _run(self._native().start_rollback_to, name)

    async def release(self, name: str) -> None:
        """Forgets the savepoint and those after it; what was written stays."""
        await _run(self._native().start_release, name)

    async def commit(self) -> str | None:
        """Commits; durable when this returns. Returns the version token."""
        self.token = await _run(self._native().start_commit)
        return self.token

    async def rollback(self) -> None:
        """Rolls back. A transaction that has ended is left as it is."""
        await _run(self._native().start_rollback)

    async def __aenter__(self) -> Transaction:
        return await self.begin()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            await self.commit()
            return
        try:
            await self.rollback()
        except Error:
            # What ended the block says more; a transaction whose connection is lost is rolled back by the server.
            pass


class Savepoint:
    """A savepoint in an `async with`."""

    def __init__(self, transaction: _native.Transaction, name: str) -> None:
        self._transaction = transaction
        self.name = name

    async def __aenter__(self) -> Savepoint:
        await _run(self._transaction.start_savepoint, self.name)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None:
            await _run(self._transaction.start_rollback_to, self.name)
        await _run(self._transaction.start_release, self.name)
