"""Being told of commits."""

from __future__ import annotations

import asyncio
import threading

import ormdb
import pytest
from conftest import SCHEMA, Server

#: Longer than anything here takes.
LONG_S = 30.0


def test_a_subscriber_is_told_what_was_written(db: ormdb.Connection) -> None:
    with db.subscribe() as every, db.subscribe("Album") as albums:
        assert every.next(timeout=0) is None
        token = db.execute("create Artist { name: $n }", n="a").token
        changed = every.next(LONG_S)
        assert changed is not None
        assert (changed.entities, changed.token, changed.schema, changed.everything) == (["Artist"], token, None, False)
        assert every.since != token
        db.execute("create Album { title: $t, artistId: 1 }", t="b")
        told = albums.next(LONG_S)
        assert told is not None and told.entities == ["Album"]
        db.apply_schema(SCHEMA + "\nentity Tag {\n  id int64 @id\n}\n")
        told = albums.next(LONG_S)
        assert told is not None and told.schema is not None and told.entities == []
    with pytest.raises(ormdb.Error):
        every.next()
    with pytest.raises(ormdb.RequestError) as raised:
        db.subscribe("Albm")
    assert raised.value.code == "unknown_entity"


def test_who_waits_is_told(db: ormdb.Connection) -> None:
    changes = db.subscribe("Artist")
    told: list[list[str]] = []

    def listen() -> None:
        for changed in changes:
            told.append(changed.entities)
            return

    listener = threading.Thread(target=listen)
    listener.start()
    db.execute("create Artist { name: $n }", n="a")
    listener.join(LONG_S)
    assert told == [["Artist"]]
    # What nobody takes is joined: many commits are few notices.
    last = ""
    for n in range(100):
        last = db.execute("update Artist[1] set { name: $n }", n=str(n)).token
    notices = 0
    while (changed := changes.next(LONG_S)) is not None:
        notices += 1
        if changed.token == last:
            break
    assert notices <= 100
    changes.close()


def test_a_subscription_ends_with_its_connection(location: str) -> None:
    db = ormdb.connect(location)
    db.apply_schema(SCHEMA)
    changes = db.subscribe()
    db.close()
    with pytest.raises(ormdb.ConnectionFailed):
        changes.next(LONG_S)


def test_a_subscription_ends_with_its_server(server: Server) -> None:
    with ormdb.connect(server.url) as db:
        db.apply_schema(SCHEMA)
        changes = db.subscribe("Artist")
        server.kill()
        with pytest.raises(ormdb.UnavailableError):
            changes.next(LONG_S)
        server.start()
        # Another one takes its place, over a connection that the pool makes by itself.
        with db.subscribe("Artist") as again:
            db.execute("create Artist { name: $n }", n="a")
            changed = again.next(LONG_S)
            assert changed is not None and changed.entities == ["Artist"]


def test_asyncio(location: str) -> None:
    async def run() -> None:
        async with ormdb.aio.connect(location) as db:
            await db.apply_schema(SCHEMA)
            described = await db.describe("Artist[$id] { name }")
            assert described.params == [("id", "int64")]
            async with db.subscribe("Artist") as changes:
                assert changes.since
                assert await changes.next(timeout=0) is None
                waiting = asyncio.create_task(changes.next())
                await db.execute("create Artist { name: $n }", n="a")
                changed = await asyncio.wait_for(waiting, LONG_S)
                assert changed is not None and changed.entities == ["Artist"]
                # Who is cancelled while it waits loses nothing.
                waiting = asyncio.create_task(changes.next())
                await asyncio.sleep(0)
                waiting.cancel()
                await db.execute("create Artist { name: $n }", n="b")
                async for told in changes:
                    assert told.entities == ["Artist"]
                    break

    asyncio.run(asyncio.wait_for(run(), LONG_S))
