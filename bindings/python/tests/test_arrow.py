"""Results as Arrow arrays."""

from __future__ import annotations

import datetime as dt
import gc
from decimal import Decimal
from typing import Any

import ormdb
import polars
import pyarrow
import pytest

from test_values import SCHEMA, VALUES


def test_the_root_rows(discography: ormdb.Connection) -> None:
    result = discography.fetch("Album order by title { id, title, price, artist { name } }")
    table = pyarrow.table(result)
    del result
    gc.collect()
    assert table.column_names == ["id", "title", "price"]
    assert table.to_pydict() == {
        "id": [1, 2, 3],
        "title": ["Debut", "Post", "The Eye"],
        "price": [Decimal("9.50"), None, None],
    }
    table.validate(full=True)


def test_polars(discography: ormdb.Connection) -> None:
    frame = polars.DataFrame(discography.fetch("Artist order by id { name, kind, born }"))
    assert frame["name"].to_list() == ["Björk", "Kukl"]
    assert frame["kind"].to_list() == ["solo", "band"]
    assert frame["born"].to_list() == [None, dt.date(1983, 1, 1)]


def test_nodes_and_edges(discography: ormdb.Connection) -> None:
    result = discography.fetch("Artist order by name { name, albums order by id desc { title } }")
    albums = pyarrow.table(result.arrow(1))["title"].to_pylist()
    edges = pyarrow.table(result.arrow_edges(0, "albums"))["rows"].to_pylist()
    assert [[albums[row] for row in rows] for rows in edges] == [["Post", "Debut"], ["The Eye"]]
    (batch,) = result.arrow().batches()
    assert pyarrow.record_batch(batch).column("name").to_pylist() == ["Björk", "Kukl"]
    with pytest.raises(KeyError):
        result.arrow_edges(0, "tracks")
    with pytest.raises(IndexError):
        result.arrow(2)


def test_buffers_are_not_copied(db: ormdb.Connection) -> None:
    db.execute("create Artist [" + ", ".join(f'{{ name: "{n}" }}' for n in range(100)) + "]")
    result = db.fetch("Artist order by id { id, name }")
    once, twice = pyarrow.table(result), pyarrow.table(result)
    for column in ("id", "name"):
        addresses = [
            [buffer.address for buffer in table[column].chunk(0).buffers() if buffer is not None]
            for table in (once, twice)
        ]
        assert addresses[0] == addresses[1], column
        assert addresses[0], column


def test_every_type(location: str) -> None:
    with ormdb.connect(location) as db:
        db.apply_schema(SCHEMA)
        for at, (field, value) in enumerate(VALUES):
            db.execute(f"create Everything {{ id: $id, {field}: $value }}", id=at, value=value)
        table = pyarrow.table(db.fetch("Everything order by id { * }"))
        rows = db.fetch("Everything order by id { * }").dicts()
    table.validate(full=True)

    def plain(field: str, value: Any) -> Any:
        if value is None:
            return None
        if field == "span":
            return (value.months, value.days, value.microseconds * 1000)
        return value

    columns = table.to_pydict()
    for field in columns:
        if field == "json":
            assert [value is None for value in columns[field]] == [row[field] is None for row in rows]
            continue
        got = [tuple(value) if field == "span" and value is not None else value for value in columns[field]]
        assert got == [plain(field, row[field]) for row in rows], field


def test_decimals_of_several_scales(db: ormdb.Connection) -> None:
    db.apply_schema("entity D {\n  id int64 @id\n  a decimal(10,2)?\n  b decimal(10,4)?\n}\n")
    db.execute("create D [{ id: 1, a: 1.5, b: 2.25 }, { id: 2 }]")
    table = pyarrow.table(db.fetch("D order by id { a, b, c: a * b }"))
    assert table.to_pydict() == {
        "a": [Decimal("1.50"), None],
        "b": [Decimal("2.2500"), None],
        "c": [Decimal("3.375000"), None],
    }


def test_an_empty_result(db: ormdb.Connection) -> None:
    table = pyarrow.table(db.fetch("Artist { id, name, kind }"))
    assert (table.num_rows, table.column_names) == (0, ["id", "name", "kind"])
