"""Connections, transactions, errors, threads and processes."""

from __future__ import annotations

import asyncio
import os
import pathlib
import threading
from collections.abc import Callable

import ormdb
import pytest

Raises = Callable[[Callable[[], object], str], ormdb.Error]


def names(db: ormdb.Connection) -> list[str]:
    return [row.name for row in db.fetch("Artist order by name { name }")]


def test_writes_say_what_they_did(db: ormdb.Connection) -> None:
    written = db.execute('create Artist { name: "a", albums: create [{ title: "b" }] } return { id }')
    assert (written.created, written.updated, written.deleted) == (2, 0, 0)
    assert written.returned is not None
    assert written.returned.one().id == 1
    assert written.token == db.execute("delete Artist where false").token or written.token
    with pytest.raises(TypeError):
        db.execute("Artist { id }")
    with pytest.raises(ormdb.RequestError):
        db.fetch("delete Artist")
    assert len(db.fetch("Artist { id }")) == 1


def test_transactions_commit_and_roll_back(db: ormdb.Connection) -> None:
    with db.transaction() as transaction:
        transaction.execute("create Artist { name: $n }", n="kept")
        assert len(transaction.fetch("Artist { id }")) == 1
        with pytest.raises(ZeroDivisionError), transaction.savepoint():
            transaction.execute("create Artist { name: $n }", n="undone")
            1 / 0
        with transaction.savepoint():
            transaction.execute("create Artist { name: $n }", n="kept too")
    assert transaction.token is not None
    with pytest.raises(ZeroDivisionError), db.transaction("snapshot") as transaction:
        transaction.execute("create Artist { name: $n }", n="lost")
        1 / 0
    with pytest.raises(ormdb.TransactionClosed):
        transaction.fetch("Artist { id }")
    assert names(db) == ["kept", "kept too"]


def test_a_transaction_that_only_reads(db: ormdb.Connection, raises_code: Raises) -> None:
    with db.transaction(read_only=True) as transaction:
        raises_code(lambda: transaction.execute("create Artist { name: $n }", n="x"), "read_only")
    raises_code(lambda: db.transaction("sometimes").begin(), "unknown_name")


def test_conflicts_run_again(db: ormdb.Connection) -> None:
    db.execute("create Artist { name: $n }", n="0")
    threads_count, times = 4, 5

    def count() -> None:
        def add(transaction: ormdb.Transaction) -> None:
            value = int(transaction.fetch("Artist[1] { name }").one().name)
            transaction.execute("update Artist[1] set { name: $n }", n=str(value + 1))

        for _ in range(times):
            db.transact(add, retries=1000)

    threads = [threading.Thread(target=count) for _ in range(threads_count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names(db) == [str(threads_count * times)]


def test_a_conflict_is_an_error_that_says_run_it_again(db: ormdb.Connection) -> None:
    db.execute("create Artist { name: $n }", n="0")
    first, second = db.transaction("snapshot").begin(), db.transaction("snapshot").begin()
    second.fetch("Artist { id }")
    first.execute("update Artist[1] set { name: $n }", n="1")
    first.commit()
    with pytest.raises(ormdb.SerializationConflict) as raised:
        second.execute("update Artist[1] set { name: $n }", n="2")
    assert (raised.value.kind, raised.value.sqlstate) == ("retry", "40001")
    second.rollback()


def test_errors_have_their_details(db: ormdb.Connection) -> None:
    with pytest.raises(ormdb.RequestError) as raised:
        db.fetch("Artist { nme }")
    error = raised.value
    assert (error.code, error.kind, error.sqlstate) == ("unknown_field", "fix_the_request", "42703")
    assert error.suggestion == "name"
    assert "did you mean `name`?" in str(error)
    assert error.detail["span"][2:] == (1, 10)
    db.execute("create Artist { name: $n }", n="x")
    with pytest.raises(ormdb.UniqueViolation) as unique:
        db.execute("create Artist { name: $n }", n="x")
    assert unique.value.detail["constraint"] == "Artist_name_key"
    assert isinstance(unique.value, ormdb.IntegrityError)
    with pytest.raises(ormdb.Error) as schema:
        db.apply_schema("entity A { x nonsense }\nentity A { }")
    assert schema.value.errors[0] is schema.value


def test_schema(db: ormdb.Connection) -> None:
    text = db.schema()
    assert "entity Album" in text
    assert db.apply_schema(text) == []
    assert db.apply_schema(text + "\nentity Tag {\n  id int64 @id\n}\n") == ["add entity `Tag`"]
    assert "entity Tag" in db.schema()


def test_explain(db: ormdb.Connection) -> None:
    plan = db.explain("Artist { name }")
    assert "fetch Artist" in str(plan)
    assert plan.json.startswith("{")


def test_a_closed_connection(db: ormdb.Connection) -> None:
    transaction = db.transaction().begin()
    transaction.execute("create Artist { name: $n }", n="lost")
    db.close()
    assert db.closed
    with pytest.raises(ormdb.ConnectionFailed):
        db.fetch("Artist { id }")
    with pytest.raises(ormdb.Error):
        transaction.commit()


def test_a_directory_is_free_after_the_last_close(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "db"
    first, second = ormdb.connect(path), ormdb.connect(path)
    assert first.embedded
    first.apply_schema("entity A {\n  id int64 @id\n}\n")
    first.close()
    second.execute("create A { id: 1 }")
    second.close()
    with ormdb.connect(path, create=False) as again:
        assert len(again.fetch("A { id }")) == 1


def test_what_cannot_be_opened(tmp_path: pathlib.Path, raises_code: Raises) -> None:
    raises_code(lambda: ormdb.connect(tmp_path / "none", create=False), "invalid_value")
    raises_code(lambda: ormdb.connect("ormdb://127.0.0.1:1"), "connection_failed")
    raises_code(lambda: ormdb.connect("mysql://127.0.0.1"), "invalid_value")


def test_a_forked_child_gets_an_error(db: ormdb.Connection) -> None:
    db.execute("create Artist { name: $n }", n="x")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            db.fetch("Artist { id }")
            said = "nothing"
        except ormdb.DatabaseLocked as error:
            said = str(error)
        except BaseException as error:
            said = repr(error)
        os.write(writer, said.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    assert "forked child" in said
    assert "ormdb serve" in said
    assert names(db) == ["x"]


def test_asyncio(location: str) -> None:
    async def run() -> None:
        async with ormdb.aio.connect(location) as db:
            await db.apply_schema("entity A {\n  id int64 @id\n  name string @unique\n}\n")
            await asyncio.gather(*(db.execute("create A { id: $i, name: $n }", i=i, n=str(i)) for i in range(50)))
            found = await asyncio.gather(*(db.fetch("A[$i] { name }", i=i) for i in range(50)))
            assert [result.one().name for result in found] == [str(i) for i in range(50)]
            with pytest.raises(ormdb.UniqueViolation):
                await db.execute('create A { id: 99, name: "1" }')
            async with db.transaction() as transaction:
                await transaction.execute('create A { id: 50, name: "50" }')
                with pytest.raises(ZeroDivisionError):
                    async with transaction.savepoint():
                        await transaction.execute('create A { id: 51, name: "51" }')
                        1 / 0
            assert transaction.token is not None
            with pytest.raises(ZeroDivisionError):
                async with db.transaction() as transaction:
                    await transaction.execute('create A { id: 52, name: "52" }')
                    1 / 0
            assert [row.id async for row in db.stream("A order by id { id }")] == list(range(51))

            async def add(transaction: ormdb.aio.Transaction) -> int:
                name = (await transaction.fetch("A[0] { name }")).one().name
                await transaction.execute("update A[0] set { name: $n }", n=f"{name}+")
                return len(name)

            await asyncio.gather(*(db.transact(add, retries=1000) for _ in range(5)))
            assert (await db.fetch("A[0] { name }")).one().name == "0+++++"
            assert "fetch A" in str(await db.explain("A { id }"))
            assert "entity A" in await db.schema()
        assert db.closed

    asyncio.run(run())
    # An event loop of its own, and what was written is there.
    asyncio.run(asyncio.wait_for(_count(location, 51), 30))


async def _count(location: str, rows: int) -> None:
    db = await ormdb.connect_async(location)
    assert len(await db.fetch("A { id }")) == rows
    await db.close()


def test_a_task_that_is_cancelled_cancels_its_statement(location: str) -> None:
    async def run() -> None:
        async with ormdb.aio.connect(location) as db:
            await db.apply_schema("entity A {\n  id int64 @id\n  n int64\n}\n")
            await db.execute("create A { id: 1, n: 1 }")
            async with db.transaction() as transaction:
                await transaction.execute("update A[1] set { n: 2 }")
                waiting = asyncio.create_task(db.execute("update A[1] set { n: 3 }"))
                await asyncio.wait([waiting], timeout=0.1)
                waiting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await waiting
            assert (await db.fetch("A[1] { n }")).one().n == 2

    asyncio.run(run())
