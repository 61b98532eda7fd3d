"""Ctrl-C during a statement, and servers that are killed."""

from __future__ import annotations

import os
import pathlib
import signal
import threading
import time
from collections.abc import Iterator

import ormdb
import pytest

from conftest import Server

#: How often the server is killed: a hundred times where it is asked for (`ORMDB_KILLS`).
KILLS = int(os.environ.get("ORMDB_KILLS", "5"))


@pytest.fixture(autouse=True)
def interrupts_are_raised() -> Iterator[None]:
    """As in a program that has a terminal: one that was started in the background has SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt_when(begun: threading.Event) -> threading.Thread:
    """Sends this process a SIGINT, some time after the event."""

    def send() -> None:
        begun.wait()
        # Long enough that the statement waits for its lock; were it not, the interrupt would still end it.
        threading.Event().wait(0.2)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=send)
    thread.start()
    return thread


def test_ctrl_c_ends_a_statement(db: ormdb.Connection) -> None:
    db.execute("create Artist { name: $n }", n="a")
    with db.transaction("read_committed") as holder:
        holder.execute("update Artist[1] set { name: $n }", n="b")
        begun = threading.Event()
        thread = interrupt_when(begun)
        started = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            begun.set()
            # It waits for the lock that the transaction holds; unless it is stopped, for ten seconds.
            db.execute("update Artist[1] set { name: $other }", other="c")
        assert time.monotonic() - started < 8
        thread.join()
    assert db.fetch("Artist { name }").one().name == "b"


def test_a_server_that_is_killed_loses_nothing_that_was_acknowledged(tmp_path: pathlib.Path) -> None:
    server = Server(tmp_path / "served")
    try:
        acknowledged: list[int] = []
        uncertain: list[int] = []
        number = 0
        db = ormdb.connect(server.url)
        db.apply_schema("entity A {\n  id int64 @id\n}\n")
        for kill in range(KILLS):
            killer = threading.Timer(0.05 + 0.02 * (kill % 10), server.kill)
            killer.start()
            while True:
                number += 1
                try:
                    db.execute("create A { id: $id }", id=number)
                    acknowledged.append(number)
                except ormdb.UnavailableError as error:
                    if error.maybe_executed is not False:
                        uncertain.append(number)
                    break
            killer.join()
            if kill == 0:
                with pytest.raises(ormdb.UnavailableError):
                    ormdb.connect(server.url, timeout=1)
            server.start()
            # The same connection finds its server again by itself.
            found = {row.id for row in db.fetch("A { id }")}
            assert found >= set(acknowledged)
            assert found <= set(acknowledged) | set(uncertain)
        db.close()
        assert len(acknowledged) >= KILLS
    finally:
        server.kill()
