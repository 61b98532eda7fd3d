"""Users and TLS: who is let in, and to which server."""

from __future__ import annotations

import asyncio
import os
import pathlib
import subprocess
from collections.abc import Iterator

import ormdb
import pytest
from conftest import ROOT, Server, binary

TLS = ROOT / "conformance" / "tls"


def add_user(path: pathlib.Path, name: str, password: str, *options: str) -> None:
    environment = {**os.environ, "ORMDB_NEW_PASSWORD": password}
    command = [binary(), "user", "add", str(path), name, *options]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)


@pytest.fixture
def guarded(tmp_path: pathlib.Path) -> Iterator[Server]:
    """A server with TLS, and users that read and write, and read only."""
    path = tmp_path / "served"
    with ormdb.connect(path) as db:
        db.apply_schema("entity A {\n  id int64 @id\n}\n")
    add_user(path, "ann", "s3cret:@/ %")
    add_user(path, "bob", "two", "--read-only")
    server = Server(path, "--tls-cert", str(TLS / "cert.pem"), "--tls-key", str(TLS / "key.pem"))
    yield server
    server.kill()


def url(server: Server, login: str, ca: str = "ca.pem") -> str:
    return f"{server.url.replace('://', f'://{login}')}?ca={TLS / ca}"


ANN = "ann:s3cret%3A%40%2F %25@"


def test_users_log_in_over_tls(guarded: Server) -> None:
    assert guarded.url.startswith("ormdb+tls://")
    with ormdb.connect(url(guarded, ANN)) as db:
        assert not db.embedded
        db.execute("create A { id: 1 }")
        assert [row.id for row in db.fetch("A { id }")] == [1]
        with db.subscribe("A") as changes:
            db.execute("create A { id: 2 }")
            changed = changes.next(30)
            assert changed is not None and changed.entities == ["A"]
        assert [row.id for row in db.stream("A order by id { id }")] == [1, 2]

    async def run() -> None:
        async with ormdb.aio.connect(url(guarded, ANN)) as db:
            assert len(await db.fetch("A { id }")) == 2

    asyncio.run(run())


def test_who_reads_only_writes_nothing(guarded: Server) -> None:
    with ormdb.connect(url(guarded, "bob:two@")) as db:
        assert len(db.fetch("A { id }")) == 0
        for write in ["create A { id: 1 }", "A for update"]:
            with pytest.raises(ormdb.DeniedError) as raised:
                db.query(write)
            assert raised.value.code == "permission_denied"
        with pytest.raises(ormdb.DeniedError):
            db.apply_schema("entity B {\n  id int64 @id\n}\n")


def test_nobody_else_is_let_in(guarded: Server) -> None:
    for login in ["", "ann:guessed@", "nobody:guessed@"]:
        with pytest.raises(ormdb.DeniedError) as raised:
            ormdb.connect(url(guarded, login))
        assert raised.value.code == "authentication_failed"
        # No password stands in an error.
        assert "guessed" not in str(raised.value)
    # Another authority than the server's, and no TLS at all.
    with pytest.raises(ormdb.UnavailableError):
        ormdb.connect(guarded.url.replace("://", f"://{ANN}"))
    with pytest.raises(ormdb.Error):
        ormdb.connect(guarded.url.replace("+tls", ""), timeout=5)
    with pytest.raises(ormdb.Error):
        ormdb.connect(url(guarded, ANN, "none.pem"))
