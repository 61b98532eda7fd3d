"""The code of README.md runs, from the top to the bottom."""

from __future__ import annotations

import pathlib
import re

import ormdb
import pytest

PACKAGE = pathlib.Path(__file__).resolve().parents[1]


def snippets(readme: pathlib.Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", readme.read_text(), re.MULTILINE | re.DOTALL)


def run(snippet: str, names: dict[str, object]) -> None:
    exec(compile(snippet, "README.md", "exec", dont_inherit=True), names)


def test_the_readme_of_the_package(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first, *others = snippets(PACKAGE / "README.md")
    names: dict[str, object] = {"__name__": "readme"}
    run(first, names)
    assert len(others) == 4
    # The first one closes its connection.
    names["db"] = ormdb.connect("blog.ormdb")
    for snippet in others:
        run(snippet, names)
    users = names["users"]
    assert isinstance(users, ormdb.Result)
    assert users.dicts() == [{"id": 1, "email": "a@b.c", "posts": [{"title": "Hello"}]}]


def test_the_readme_of_the_project(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    readme = PACKAGE.parents[1] / "README.md"
    found = snippets(readme)
    assert found
    schema = re.search(r"^```ormdb-schema\n(.*?)^```$", readme.read_text(), re.MULTILINE | re.DOTALL)
    assert schema is not None
    pathlib.Path("schema.ormdb").write_text(schema[1])
    for snippet in found:
        run(snippet, {"__name__": "readme"})
