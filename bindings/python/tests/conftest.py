"""Databases to test with: embedded, and behind the built server on a free port of loopback."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
from collections.abc import Callable, Iterator

import ormdb
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]

SCHEMA = """
enum Kind { solo, band }

entity Artist {
  id      int64          @id @default(autoincrement())
  name    string         @unique
  kind    Kind           @default(solo)
  born    date?
  albums  Album[]
}

entity Album {
  id        int64           @id @default(autoincrement())
  title     string
  price     decimal(10,2)?  @check(price >= 0)
  artistId  int64
  artist    Artist          @relation(artistId -> Artist.id, onDelete: cascade)
}
"""


def binary() -> str:
    """The built `ormdb`."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return os.environ.get("ORMDB_BINARY", str(target / "debug" / "ormdb"))


class Server:
    """`ormdb serve` over a directory; it can be killed, and started again on its port."""

    def __init__(self, path: pathlib.Path, *options: str) -> None:
        self.path = path
        self.options = options
        self.listen = "127.0.0.1:0"
        self.start()

    def start(self) -> None:
        command = [binary(), "serve", str(self.path), "--listen", self.listen, *self.options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.url = line.removeprefix("listening on ").split(" and ")[0].strip()
        assert self.url.startswith("ormdb"), f"the server said {line!r}"
        self.listen = self.url.split("://")[1]

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def server(tmp_path: pathlib.Path) -> Iterator[Server]:
    server = Server(tmp_path / "served")
    yield server
    server.kill()


@pytest.fixture(params=["embedded", "remote"])
def location(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> str:
    """Where an empty database is."""
    if request.param == "embedded":
        return str(tmp_path / "db")
    served: Server = request.getfixturevalue("server")
    return served.url


@pytest.fixture
def db(location: str) -> Iterator[ormdb.Connection]:
    """A connection to a database of artists and albums."""
    with ormdb.connect(location) as connection:
        connection.apply_schema(SCHEMA)
        yield connection


@pytest.fixture
def discography(db: ormdb.Connection) -> ormdb.Connection:
    """The same with two artists and three albums."""
    db.execute('create Artist { name: "Björk", albums: create [{ title: "Debut", price: 9.50 }, { title: "Post" }] }')
    db.execute('create Artist { name: "Kukl", kind: band, born: "1983-01-01", albums: create [{ title: "The Eye" }] }')
    return db


@pytest.fixture
def raises_code() -> Callable[[Callable[[], object], str], ormdb.Error]:
    """Runs something that has to fail with the code, and gives the error."""

    def run(what: Callable[[], object], code: str) -> ormdb.Error:
        with pytest.raises(ormdb.Error) as raised:
            what()
        assert raised.value.code == code
        return raised.value

    return run
