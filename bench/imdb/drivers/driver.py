"""Runs the site's operations from Python: `driver.py SIDE PLACE CONNECTIONS GIVEN`.

It is told what to do by lines of JSON, and answers each with one. Behind a server it is asyncio, with one task for each
connection; in the process, calls that wait.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
import time
from typing import Any

SIDE, PLACE, CONNECTIONS, GIVEN = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
with open(GIVEN, encoding="utf-8") as given_file:
    GIVEN_OBJECT = json.load(given_file)
ARGUMENTS, STATEMENTS = GIVEN_OBJECT["arguments"], GIVEN_OBJECT["statements"][SIDE]
LISTS = {"get_movie": "movies", "get_person": "people", "get_user": "users", "update_movie": "movies"}


def pick(of: str, at: int) -> Any:
    values = ARGUMENTS[of]
    return values[at % len(values)]


def new_title(at: int) -> str:
    """The title that a movie gets: another one each time, so that no update finds what it would write."""
    return f"{pick('new_movies', at)['title']} {at}"


def ormdb_call(operation: str, at: int) -> tuple[str, dict[str, Any]]:
    """The statement of an operation, and its parameters."""
    if operation == "insert_user":
        return STATEMENTS[operation], pick("new_users", at)
    if operation == "insert_movie":
        movie = pick("new_movies", at)
        directors, cast = movie["directors"], movie["cast"]
        params = {name: movie[name] for name in ("image", "title", "year", "description")}
        for number, person in enumerate(directors):
            params[f"d{number}"] = person
        for number, person in enumerate(cast):
            params[f"c{number}"] = person
        return STATEMENTS[f"insert_movie {len(directors)} {len(cast)}"], params
    params = {"id": pick(LISTS[operation], at)}
    if operation == "update_movie":
        params["title"] = new_title(at)
    return STATEMENTS[operation], params


class OrmdbRemote:
    async def connect(self) -> None:
        import ormdb

        self.connections = [await ormdb.aio.connect(PLACE) for _ in range(CONNECTIONS)]

    async def one(self, number: int, operation: str, at: int) -> Any:
        text, params = ormdb_call(operation, at)
        result = await self.connections[number].fetch(text, params)
        return result.dicts()[0]


class Asyncpg:
    async def connect(self) -> None:
        import asyncpg

        self.connections = [await asyncpg.connect(PLACE) for _ in range(CONNECTIONS)]
        self.prepared = [
            {name: await connection.prepare(text) for name, text in STATEMENTS.items()} for connection in self.connections
        ]

    async def one(self, number: int, operation: str, at: int) -> Any:
        statement = self.prepared[number][operation]
        if operation == "insert_user":
            user = pick("new_users", at)
            return await statement.fetchrow(user["name"], user["image"])
        if operation == "update_movie":
            return await statement.fetchrow(pick("movies", at), new_title(at))
        if operation == "insert_movie":
            movie = pick("new_movies", at)
            values = (movie["image"], movie["title"], movie["year"], movie["description"], movie["directors"], movie["cast"])
            return json.loads(await statement.fetchval(*values))
        return json.loads(await statement.fetchval(pick(LISTS[operation], at)))


class OrmdbEmbedded:
    def connect(self) -> None:
        import ormdb

        self.connection = ormdb.connect(PLACE)

    def one(self, operation: str, at: int) -> Any:
        text, params = ormdb_call(operation, at)
        return self.connection.fetch(text, params).dicts()[0]


MOVIE = ("id", "image", "title", "year", "description")


def brief(row: tuple[Any, ...]) -> dict[str, Any]:
    return {"id": row[0], "name": row[1], "image": row[2]}


def rated(row: tuple[Any, ...]) -> dict[str, Any]:
    return {"id": row[0], "image": row[1], "title": row[2], "year": row[3], "avgRating": row[4]}


class Sqlite:
    def connect(self) -> None:
        self.connection = sqlite3.connect(PLACE, isolation_level=None, cached_statements=256)
        for pragma in ("journal_mode = wal", "synchronous = full", "foreign_keys = true", "cache_size = -262144"):
            self.connection.execute(f"pragma {pragma}")

    def rows(self, name: str, *values: Any) -> sqlite3.Cursor:
        return self.connection.execute(STATEMENTS[name], values)

    def credits(self, movie: dict[str, Any]) -> None:
        for name in ("directors", "cast"):
            movie[name] = [{"person": brief(row)} for row in self.rows(f"movie_{name}", movie["id"])]

    def one(self, operation: str, at: int) -> Any:
        if operation == "get_movie":
            movie = dict(zip(MOVIE, self.rows("movie", pick("movies", at)).fetchone()))
            self.credits(movie)
            movie["reviews"] = [
                {"id": row[0], "body": row[1], "rating": row[2], "author": brief(row[3:])}
                for row in self.rows("movie_reviews", movie["id"])
            ]
            return movie
        if operation == "get_person":
            person = dict(zip(("id", "name", "image", "bio"), self.rows("person", pick("people", at)).fetchone()))
            person["actedIn"] = [{"movie": rated(row)} for row in self.rows("person_roles", person["id"])]
            person["directed"] = [{"movie": rated(row)} for row in self.rows("person_directions", person["id"])]
            return person
        if operation == "get_user":
            user = brief(self.rows("user", pick("users", at)).fetchone())
            user["reviews"] = [
                {"id": row[0], "body": row[1], "rating": row[2], "movie": rated(row[3:])}
                for row in self.rows("user_reviews", user["id"])
            ]
            return user
        if operation == "insert_user":
            user = pick("new_users", at)
            return brief(self.rows("insert_user", user["name"], user["image"]).fetchall()[0])
        if operation == "update_movie":
            return dict(zip(("id", "title"), self.rows("update_movie", new_title(at), pick("movies", at)).fetchall()[0]))
        return self.insert_movie(pick("new_movies", at))

    def insert_movie(self, given: dict[str, Any]) -> Any:
        self.connection.execute("begin immediate")
        values = (given["image"], given["title"], given["year"], given["description"])
        movie = dict(zip(MOVIE, self.rows("insert_movie", *values).fetchall()[0]))
        for table, people in (("direction", given["directors"]), ("role", given["cast"])):
            text = STATEMENTS["insert_credit"].replace("TABLE", table)
            self.connection.executemany(text, [(movie["id"], number, person) for number, person in enumerate(people)])
        self.credits(movie)
        self.connection.execute("commit")
        return movie


def report(micros: list[float], seconds: float, cpu: float) -> dict[str, Any]:
    micros.sort()
    last = len(micros) - 1
    return {
        "operations": len(micros),
        "seconds": seconds,
        "p50": micros[last * 50 // 100],
        "p99": micros[last * 99 // 100],
        "cpu": cpu * 1e6,
    }


async def run_remote(driver: Any, asked: dict[str, Any]) -> dict[str, Any]:
    operation, connections = asked["operation"], asked["connections"]
    clock = time.perf_counter

    async def one_by_one(number: int) -> list[float]:
        micros, at, now = [], asked["first"] + number, clock()
        while now < end:
            await driver.one(number, operation, at)
            then = clock()
            micros.append((then - now) * 1e6)
            now = then
            at += connections
        return micros

    cpu, began = time.process_time(), clock()
    end = began + asked["seconds"]
    lists = await asyncio.gather(*(one_by_one(number) for number in range(connections)))
    took, used = clock() - began, time.process_time() - cpu
    return report([micro for micros in lists for micro in micros], took, used)


def run_embedded(driver: Any, asked: dict[str, Any]) -> dict[str, Any]:
    operation, at, micros, clock = asked["operation"], asked["first"], [], time.perf_counter
    cpu, began = time.process_time(), clock()
    now, end = began, began + asked["seconds"]
    while now < end:
        driver.one(operation, at)
        then = clock()
        micros.append((then - now) * 1e6)
        now = then
        at += 1
    return report(micros, now - began, time.process_time() - cpu)


def say(message: dict[str, Any]) -> None:
    print(json.dumps(message, default=dict), flush=True)


async def serve_remote(driver: Any) -> None:
    await driver.connect()
    say({"ready": True})
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        asked = json.loads(line)
        if asked["do"] == "answers":
            say({"answers": [await driver.one(0, asked["operation"], at) for at in range(asked["count"])]})
        else:
            say(await run_remote(driver, asked))


def serve_embedded(driver: Any) -> None:
    driver.connect()
    say({"ready": True})
    while line := sys.stdin.readline():
        asked = json.loads(line)
        if asked["do"] == "answers":
            say({"answers": [driver.one(asked["operation"], at) for at in range(asked["count"])]})
        else:
            say(run_embedded(driver, asked))


def main() -> None:
    try:
        if "://" in PLACE:
            asyncio.run(serve_remote(OrmdbRemote() if SIDE == "ormdb" else Asyncpg()))
        else:
            serve_embedded(OrmdbEmbedded() if SIDE == "ormdb" else Sqlite())
    except Exception as error:
        say({"error": f"{type(error).__name__}: {error}"})
        raise


main()
