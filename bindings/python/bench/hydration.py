"""How long rows take to become Python objects: medians over interleaved rounds, of an embedded database.

    python bench/hydration.py [rows] [rounds]
"""

from __future__ import annotations

import collections
import dataclasses
import statistics
import sys
import tempfile
import time
from collections.abc import Callable

import ormdb

SCHEMA = """
enum Role { reader, author, admin }

entity User {
  id     int64   @id
  email  string
  name   string
  role   Role
  score  float64
  posts  Post[]
}

entity Post {
  id      int64   @id
  title   string
  userId  int64
  user    User    @relation(userId -> User.id)
}
"""


@dataclasses.dataclass
class User:
    id: int
    email: str
    name: str
    role: str
    score: float


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 21
    with tempfile.TemporaryDirectory() as directory, ormdb.connect(directory + "/db") as db:
        db.apply_schema(SCHEMA)
        roles = ["reader", "author", "admin"]
        for first in range(0, rows, 500):
            users = ", ".join(
                f'{{ id: {at}, email: "user{at}@example.org", name: "Name {at}", role: {roles[at % 3]}, score: {at / 7}, '
                f'posts: create [{{ id: {2 * at}, title: "first of {at}" }}, {{ id: {2 * at + 1}, title: "second of {at}" }}] }}'
                for at in range(first, min(first + 500, rows))
            )
            db.execute(f"create User [{users}]")
        flat = "User order by id { id, email, name, role, score }"
        graph = "User order by id { id, email, posts { id, title } }"
        result, nested = db.fetch(flat), db.fetch(graph)
        forms: dict[str, Callable[[], object]] = {
            "the fetch itself": lambda: db.fetch(flat),
            "tuples": result.tuples,
            "dicts": result.dicts,
            "rows, nothing read": result.rows,
            "rows, 5 attributes read": lambda: [(r.id, r.email, r.name, r.role, r.score) for r in result],
            "dataclasses": lambda: result.into(User),
            "columns to a builder": lambda: result.build(lambda node, columns, rows: columns[0]),
            "graph, tuples": nested.tuples,
            "graph, dicts": nested.dicts,
        }
        times: dict[str, list[float]] = collections.defaultdict(list)
        for _ in range(rounds):
            for name, form in forms.items():
                started = time.perf_counter()
                made = form()
                times[name].append(time.perf_counter() - started)
                del made
        print(f"{rows} rows of 5 columns (the graph: 2, and 2 related rows of 2 each), medians of {rounds} rounds")
        for name, seconds in times.items():
            print(f"{name:28} {statistics.median(seconds) * 1000:7.2f} ms  least {min(seconds) * 1000:7.2f} ms")


main()
