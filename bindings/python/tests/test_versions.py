"""Versions that were overwritten, for as long as they are kept."""

from __future__ import annotations

import asyncio
import pathlib
import time
from collections.abc import Callable

import ormdb
import pytest
from conftest import SCHEMA, Server

Raises = Callable[[Callable[[], object], str], ormdb.Error]

# By when a version has to be given up that nobody keeps.
GIVEN_UP_BY = 60


def overwritten(db: ormdb.Connection) -> str:
    """Overwrites the only row, and returns the token of a result with the row as it was."""
    db.apply_schema(SCHEMA)
    db.execute('create Artist { name: "first" }')
    token = db.fetch("Artist { name }").token
    assert token is not None
    overwrite(db)
    return token


def overwrite(db: ormdb.Connection) -> None:
    db.execute('update Artist[1] set { name: "second" }')


def name_as_of(db: ormdb.Connection, token: str) -> str:
    name: str = db.fetch("Artist[1] as of $t { name }", t=token).one().name
    return name


def given_up(db: ormdb.Connection, token: str) -> float:
    """Reads a version, while more is written, until it is given up, which it has to be; how many seconds that took."""
    began = time.monotonic()
    while time.monotonic() < began + GIVEN_UP_BY:
        try:
            assert name_as_of(db, token) == "first"
        except ormdb.Error as error:
            assert error.code == "token_too_old"
            return time.monotonic() - began
        overwrite(db)
    raise AssertionError("nobody gives the version up")


def stays(db: ormdb.Connection, token: str, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        overwrite(db)
        assert name_as_of(db, token) == "first"


def test_versions_are_kept_for_as_long_as_is_said(tmp_path: pathlib.Path) -> None:
    with ormdb.connect(tmp_path / "nothing") as db:
        took = given_up(db, overwritten(db))
    with ormdb.connect(tmp_path / "no bytes", retention_age=3600, retention_bytes=0) as db:
        given_up(db, overwritten(db))
    with ormdb.connect(tmp_path / "an hour", retention_age=3600, retention_bytes=10**9) as db:
        token = overwritten(db)
        stays(db, token, 2 * took)
    # The database keeps its retention: an opening need not say it again, and may.
    for options in ({}, {"retention_age": 3600.0, "retention_bytes": 10**9}):
        with ormdb.connect(tmp_path / "an hour", **options) as db:
            stays(db, token, took)

    async def run() -> None:
        async with ormdb.aio.connect(tmp_path / "an hour") as db:
            result = await db.fetch("Artist[1] as of $t { name }", t=token)
            assert result.one().name == "first"

    asyncio.run(run())


def test_a_server_keeps_versions_for_as_long_as_it_is_told(tmp_path: pathlib.Path) -> None:
    server = Server(tmp_path / "served", "--retention-age", "3600")
    try:
        with ormdb.connect(server.url) as db:
            token = overwritten(db)
            assert name_as_of(db, token) == "first"
    finally:
        server.kill()


def test_what_is_no_retention_is_refused(tmp_path: pathlib.Path, raises_code: Raises) -> None:
    path = tmp_path / "db"
    raises_code(lambda: ormdb.connect(path, retention_bytes=1000), "invalid_value")
    with pytest.raises(ValueError, match="retention_age"):
        ormdb.connect(path, retention_age=-1.0)
    for age in (float("inf"), float("nan"), 1e300):
        with pytest.raises(ValueError, match="retention_age"):
            ormdb.connect(path, retention_age=age)
    raises_code(lambda: ormdb.connect(path, retention_age=1e18), "invalid_value")
    with pytest.raises(OverflowError):
        ormdb.connect(path, retention_age=1, retention_bytes=-1)
    assert not path.exists()
    with ormdb.connect(path, retention_age=60):
        error = raises_code(lambda: ormdb.connect(path, retention_age=61), "invalid_value")
        assert "another retention" in error.message
        with ormdb.connect(path) as same:
            assert same.embedded
