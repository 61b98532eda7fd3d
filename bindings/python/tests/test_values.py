"""Values there and back."""

from __future__ import annotations

import datetime as dt
import enum
import math
import uuid
from decimal import Decimal
from typing import Any

import ormdb
import pytest

SCHEMA = """
enum Colour { red, green }

entity Everything {
  id        int64            @id
  bool      bool?
  small     int16?
  medium    int32?
  large     int64?
  single    float32?
  double    float64?
  decimal   decimal(20,4)?
  text      string?
  bytes     bytes?
  uuid      uuid?
  instant   datetime?
  local     local_datetime?
  day       date?
  time      time?
  span      interval?
  json      json?
  colour    Colour?
  texts     string[]?
  numbers   int32[]?
}
"""

UTC = dt.timezone.utc

VALUES: list[tuple[str, Any]] = [
    ("bool", True),
    ("bool", False),
    ("small", -32768),
    ("medium", 2**31 - 1),
    ("large", -(2**63)),
    ("large", 2**63 - 1),
    ("single", 1.5),
    ("double", 0.1),
    ("double", math.inf),
    ("decimal", Decimal("-12345678901234.5600")),
    ("text", ""),
    ("text", "Björk \U0001f3b5 \x00"),
    ("bytes", b""),
    ("bytes", bytes(range(256))),
    ("uuid", uuid.UUID("018f4e6a-0000-7000-8000-00000000ffff")),
    ("instant", dt.datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
    ("instant", dt.datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
    ("local", dt.datetime(1, 1, 1)),
    ("day", dt.date(1, 1, 1)),
    ("day", dt.date(2024, 2, 29)),
    ("time", dt.time(23, 59, 59, 999_999)),
    ("span", ormdb.Interval(14, -3, 1_500_000)),
    ("json", {"a": [1, None, "x", 1.5, True], "b": {}}),
    ("colour", "green"),
    ("texts", ["a", "", "ß"]),
    ("texts", []),
    ("numbers", [1, None, -3]),
]


@pytest.fixture
def everything(location: str) -> Any:
    with ormdb.connect(location) as connection:
        connection.apply_schema(SCHEMA)
        yield connection


def test_every_type_comes_back(everything: ormdb.Connection) -> None:
    for at, (field, value) in enumerate(VALUES):
        text = f"create Everything {{ id: $id, {field}: $value }} return {{ {field} }}"
        returned = everything.fetch(text, id=at, value=value)
        assert returned.dicts() == [{field: value}], field
        assert returned[0][field] == value, field
        assert type(returned[0][field]) is type(value), field
        found = everything.fetch(f"Everything where {field} = $value and id = $id {{ id }}", id=at, value=value)
        if field not in ("json", "texts", "numbers"):
            assert len(found) == 1, field


def test_other_ways_to_give_a_value(everything: ormdb.Connection) -> None:
    class Colour(enum.Enum):
        RED = "red"

    class Text(str):
        pass

    zone = dt.timezone(dt.timedelta(hours=2))
    given: list[tuple[str, Any, Any]] = [
        ("colour", Colour.RED, "red"),
        ("text", Text("a"), "a"),
        ("bytes", bytearray(b"ab"), b"ab"),
        ("bytes", memoryview(b"ab"), b"ab"),
        ("instant", dt.datetime(2024, 1, 1, 2, tzinfo=zone), dt.datetime(2024, 1, 1, tzinfo=UTC)),
        ("span", dt.timedelta(days=-1, seconds=5), ormdb.Interval(0, -1, 5_000_000)),
        ("json", ormdb.Json([1, 2]), [1, 2]),
        ("json", ormdb.Json("text"), "text"),
        ("numbers", (1, 2), [1, 2]),
        ("small", ormdb.Typed("int16", 7), 7),
        ("decimal", 10**15, Decimal("1000000000000000.0000")),
        ("text", None, None),
    ]
    for at, (field, value, expected) in enumerate(given):
        text = f"create Everything {{ id: $id, {field}: $value }} return {{ {field} }}"
        assert everything.fetch(text, {"id": at, "value": value}).dicts() == [{field: expected}], field


def test_what_is_no_value(db: ormdb.Connection) -> None:
    for value in [object(), {1, 2}, dt.time(1, tzinfo=UTC), 10**40]:
        with pytest.raises((TypeError, ValueError, OverflowError), match="parameter `p`"):
            db.query("Artist where name = $p { id }", p=value)
    with pytest.raises(TypeError, match="given twice"):
        db.query("Artist { id }", {"p": 1}, p=2)
    nested: list[Any] = []
    for _ in range(100):
        nested = [nested]
    with pytest.raises(ValueError, match="nest"):
        db.query("Artist where name = $p { id }", p=nested)


def test_intervals() -> None:
    span = ormdb.Interval.parse("P1Y2M3DT4H5M6.5S")
    assert (span.months, span.days, span.microseconds) == (14, 3, 14_706_500_000)
    assert str(span) == "P1Y2M3DT4H5M6.5S"
    assert ormdb.Interval(days=2, microseconds=-1).timedelta() == dt.timedelta(days=2, microseconds=-1)
    assert len({ormdb.Interval(1), ormdb.Interval(1)}) == 1
    with pytest.raises(ValueError):
        span.timedelta()
    with pytest.raises(ValueError):
        ormdb.Interval.parse("soon")
