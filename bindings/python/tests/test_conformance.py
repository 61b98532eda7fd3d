"""The conformance suite: the same requests and answers as in every other client, embedded and remote.

Python has one type for several of ormDB's: int16, int32 and int64 are `int`, float32 and float64 `float`, text and labels
`str`. So the types of columns are compared as the shape of a result tells them, and values as Python's.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import pathlib
import struct
import uuid
from decimal import Decimal
from typing import Any

import ormdb
import pytest

SUITE = pathlib.Path(__file__).resolve().parents[3] / "conformance"
CODES: dict[str, dict[str, str]] = json.loads((SUITE / "codes.json").read_text())
COMPARED_DETAILS = {"entity", "field", "constraint", "key", "suggestion", "span", "limit", "maybe_executed"}
UTC = dt.timezone.utc


def instant(text: str) -> dt.datetime:
    """Reads a moment; fractions may have any number of digits, which older versions of Python do not read."""
    base, point, fraction = text.removesuffix("Z").partition(".")
    moment = dt.datetime.fromisoformat(base)
    if point:
        moment = moment.replace(microsecond=int(fraction.ljust(6, "0")))
    return moment.replace(tzinfo=UTC) if text.endswith("Z") else moment


def float32(value: float) -> float:
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


def tagged(value: Any) -> tuple[str, Any] | None:
    """The type and content of `{"$type": content}`."""
    if isinstance(value, dict) and len(value) == 1:
        (name, content), = value.items()
        if name.startswith("$"):
            return name[1:], content
    return None


def of_tag(kind: str, content: Any) -> Any:
    """The Python value of a typed value."""
    if kind in ("int16", "int32"):
        return int(content)
    if kind == "int64":
        return int(content)
    if kind == "float32":
        return float32(float(content))
    if kind == "float64":
        return float(content)
    if kind == "decimal":
        return Decimal(content)
    if kind == "bytes":
        return bytes.fromhex(content)
    if kind == "uuid":
        return uuid.UUID(content)
    if kind in ("datetime", "local_datetime"):
        return instant(content)
    if kind == "date":
        return dt.date.fromisoformat(content)
    if kind == "time":
        return instant(f"1970-01-01T{content}").time()
    if kind == "interval":
        return ormdb.Interval(content[0], content[1], int(content[2]))
    if kind == "json":
        return json.loads(content)
    if kind == "enum":
        return content
    if kind == "array":
        return [plain(item) for item in content]
    if kind == "withheld":
        return ormdb.WITHHELD
    raise AssertionError(f"the suite has a value of type `${kind}`, which is not known")


def plain(value: Any) -> Any:
    """The Python value of a value."""
    tag = tagged(value)
    return value if tag is None else of_tag(*tag)


def same(expected: Any, got: Any) -> bool:
    """Whether two values are the same: of one type, decimals of one scale, floats of one sign."""
    if type(expected) is not type(got):
        return False
    if isinstance(expected, float):
        if math.isnan(expected):
            return math.isnan(got)
        return expected == got and math.copysign(1, expected) == math.copysign(1, got)
    if isinstance(expected, Decimal):
        return expected.as_tuple() == got.as_tuple() or (expected == got == 0 and expected.as_tuple().exponent == got.as_tuple().exponent)
    if isinstance(expected, list):
        return len(expected) == len(got) and all(map(same, expected, got))
    if isinstance(expected, dict):
        return expected.keys() == got.keys() and all(same(expected[name], got[name]) for name in expected)
    return bool(expected == got)


class Rows:
    """Compares rows with what is expected, and the types of columns with those of the values."""

    def __init__(self, result: ormdb.Result) -> None:
        self.shape = result.shape

    def type_of(self, node: int, path: str) -> str | None:
        return next((kind for name, kind, _ in self.shape[node].columns if name == path), None)

    def check_row(self, node: int, path: str, expected: Any, got: Any, at: str) -> None:
        assert list(expected) == list(got), f"{at}: members {list(got)}"
        edges = {name: child for name, child, _ in self.shape[node].edges}
        for name, value in expected.items():
            inner = f"{path}{name}"
            if not path and name in edges:
                self.check_edge(edges[name], value, got[name], f"{at}.{name}")
            else:
                self.check_value(node, inner, value, got[name], f"{at}.{name}")

    def check_edge(self, node: int, expected: Any, got: Any, at: str) -> None:
        if isinstance(expected, list):
            assert len(expected) == len(got), f"{at}: {len(got)} rows"
            for number, (one, other) in enumerate(zip(expected, got)):
                self.check_row(node, "", one, other, f"{at}[{number}]")
        elif expected is None:
            assert got is None, at
        else:
            self.check_row(node, "", expected, got, at)

    def check_value(self, node: int, path: str, expected: Any, got: Any, at: str) -> None:
        tag = tagged(expected)
        if tag is None and isinstance(expected, dict):
            self.check_row(node, f"{path}.", expected, got, at)
            return
        column = self.type_of(node, path)
        if tag is not None and tag[0] == "any":
            assert got is not None and column == tag[1], f"{at}: {got!r} of type {column}"
            return
        assert same(plain(expected), got), f"{at}: {got!r}, not {plain(expected)!r}"
        self.check_type(tag, expected, column, at)

    def check_type(self, tag: tuple[str, Any] | None, expected: Any, column: str | None, at: str) -> None:
        if expected is None or (tag is not None and tag[0] == "withheld"):
            return
        if tag is not None and tag[0] == "array":
            assert column is not None and column.endswith("[]"), f"{at}: of type {column}"
            return
        if tag is not None:
            kind = tag[0]
        else:
            kind = "bool" if isinstance(expected, bool) else "int64" if isinstance(expected, int) else "string"
        assert column == kind, f"{at}: of type {column}, not {kind}"


class Runner:
    """Runs the steps of a file against a database."""

    def __init__(self, db: ormdb.Connection) -> None:
        self.db = db
        self.transactions: dict[str, ormdb.Transaction] = {}
        self.saved: dict[str, Any] = {}

    def param(self, value: Any) -> Any:
        tag = tagged(value)
        if tag is None:
            return ormdb.Typed("int64", value) if isinstance(value, int) and not isinstance(value, bool) else value
        kind, content = tag
        if kind == "saved":
            return self.saved[content]
        if kind == "array":
            return [self.param(item) for item in content]
        if kind in ("int16", "int32", "float32", "float64", "decimal"):
            return ormdb.Typed(kind, of_tag(kind, content))
        if kind == "json":
            return ormdb.Json(json.loads(content))
        return of_tag(kind, content)

    def begin(self, step: dict[str, Any]) -> None:
        transaction = self.db.transaction(
            step.get("isolation", "serializable"), read_only=step.get("access") == "read_only"
        )
        self.transactions[step["begin"]] = transaction.begin()

    def act(self, step: dict[str, Any]) -> Any:
        if "run" in step:
            runs_in = self.transactions[step["in"]] if "in" in step else self.db
            params = {name: self.param(value) for name, value in step.get("params", {}).items()}
            return runs_in.query(step["run"], params)
        if "begin" in step:
            return self.begin(step)
        if "commit" in step:
            return self.transactions.pop(step["commit"]).commit()
        if "rollback" in step:
            return self.transactions.pop(step["rollback"]).rollback()
        if "savepoint" in step:
            return self.transactions[step["in"]].set_savepoint(step["savepoint"])
        if "rollback_to" in step:
            return self.transactions[step["in"]].rollback_to(step["rollback_to"])
        if "release" in step:
            return self.transactions[step["in"]].release(step["release"])
        if "apply" in step:
            return self.db.apply_schema("\n".join(step["apply"]) + "\n")
        if "show_schema" in step:
            return self.db.schema()
        raise AssertionError(f"a step of an unknown kind: {step}")

    def step(self, step: dict[str, Any], at: str) -> None:
        expect: dict[str, Any] = step.get("expect", {"done": True})
        try:
            answer = self.act(step)
        except ormdb.Error as error:
            if "error" in expect:
                check_error(expect["error"], error, at)
            elif "errors" in expect:
                assert len(expect["errors"]) == len(error.errors), f"{at}: {error.errors}"
                for one, other in zip(expect["errors"], error.errors):
                    check_error(one, other, at)
            else:
                raise AssertionError(f"{at}: {error}") from error
            return
        assert "error" not in expect and "errors" not in expect, f"{at}: it has to fail, and gave {answer!r}"
        self.check(expect, answer, at)
        for name, what in step.get("save", {}).items():
            self.saved[name] = self.kept(answer, what)

    def kept(self, answer: Any, what: Any) -> Any:
        if what == "token":
            return answer.token
        rows: Any = (answer if isinstance(answer, ormdb.Result) else answer.returned).dicts()
        for key in what:
            rows = rows[key]
        return rows

    def check(self, expect: dict[str, Any], answer: Any, at: str) -> None:
        (kind, expected), = expect.items()
        if kind == "rows":
            assert isinstance(answer, ormdb.Result), f"{at}: {answer!r}"
            Rows(answer).check_edge(0, expected, answer.dicts(), at)
        elif kind == "written":
            assert isinstance(answer, ormdb.Written), f"{at}: {answer!r}"
            counts = {name: getattr(answer, name) for name in ("created", "updated", "deleted")}
            assert counts == {name: expected.get(name, 0) for name in counts}, f"{at}: {counts}"
            assert ("rows" in expected) == (answer.returned is not None), at
            if answer.returned is not None:
                Rows(answer.returned).check_edge(0, expected["rows"], answer.returned.dicts(), at)
        elif kind == "plan":
            assert isinstance(answer, ormdb.Explanation), f"{at}: {answer!r}"
            assert all(part in answer.text for part in expected), f"{at}: {answer.text}"
            json.loads(answer.json)
        elif kind == "done":
            token = answer.token if isinstance(answer, ormdb.Done) else answer
            assert token is not None or expected is True, f"{at}: no token"
        elif kind == "applied":
            assert answer == expected, f"{at}: {answer}"
        elif kind == "schema":
            assert answer.splitlines() == expected, f"{at}: {answer}"
        else:
            raise AssertionError(f"{at}: nothing is known of `{kind}`")


def check_error(expected: dict[str, Any], error: ormdb.Error, at: str) -> None:
    said = f"{at}: {error!r} {error.detail}"
    assert error.code == expected["code"], said
    assert CODES[error.code] == {"sqlstate": error.sqlstate, "kind": error.kind}, said
    assert error.message, said
    details = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in error.detail.items()
        if name in COMPARED_DETAILS
    }
    wanted = {name: value for name, value in expected.items() if name != "code"}
    assert details.keys() == wanted.keys(), said
    for name, value in wanted.items():
        if value == "$any":
            continue
        if name == "limit":
            assert all(one in ("$any", other) for one, other in zip(value, details[name])), said
        else:
            assert details[name] == value, said


@pytest.mark.parametrize("path", sorted((SUITE / "suite").glob("*.json")), ids=lambda path: path.stem)
def test_the_suite(path: pathlib.Path, location: str) -> None:
    file = json.loads(path.read_text())
    assert file.keys() <= {"about", "schema", "steps"}
    with ormdb.connect(location) as db:
        db.apply_schema("\n".join(file["schema"]) + "\n")
        runner = Runner(db)
        for number, step in enumerate(file["steps"]):
            runner.step(step, f"{path.name}, step {number} ({json.dumps(step)[:200]})")
