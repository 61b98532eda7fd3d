"""Writes to a server that is killed and started again under it, and tells of each call on standard output; README.md has the lines.

Usage: writer.py URL NAME WRITERS
"""

import sys
import threading
from typing import Any

import ormdb

GRAPH = 'create Artist { name: $name, albums: create [{ title: "one" }, { title: "two" }] }'
READ = "Artist where name = $name { name, albums order by title { title } }"
COUNT = "upsert Counter[name: $name] create { n: 1 } update { n += 1 }"
ALBUM = "update Artist[name: $name] set { albums: create { title: $title } }"

stopped = threading.Event()
output = threading.Lock()


def tell(*words: object) -> None:
    with output:
        print(*words, flush=True)


def in_transaction(db: ormdb.Connection, name: str) -> None:
    def body(transaction: Any) -> None:
        transaction.execute("create Artist { name: $name }", name=name)
        for title in ("one", "two"):
            transaction.execute(ALBUM, name=name, title=title)

    db.transact(body)


def failed(name: str, error: ormdb.Error) -> None:
    maybe = {None: "unknown", True: "yes", False: "no"}[error.maybe_executed]
    tell("failed", name, error.code, maybe)


def work(db: ormdb.Connection, writer: str) -> None:
    n = 0
    while not stopped.is_set():
        n += 1
        name = f"{writer}-{n}"
        counts = n % 4 == 3
        try:
            tell("begin", writer if counts else name)
            if counts:
                db.execute(COUNT, name=writer)
                tell("counted", writer)
                continue
            if n % 4 == 1:
                in_transaction(db, name)
            else:
                db.execute(GRAPH, name=name)
            tell("ok", name)
        except ormdb.Error as error:
            failed(writer if counts else name, error)
            continue
        try:
            read = [(row.name, [album.title for album in row.albums]) for row in db.fetch(READ, name=name)]
        except ormdb.Error as error:
            failed("read", error)
        else:
            if read == [(name, ["one", "two"])]:
                tell("read", name)
            else:
                tell("wrong", f"{name} is {read}")


def guarded(db: ormdb.Connection, writer: str) -> None:
    try:
        work(db, writer)
    except BaseException as error:
        tell("wrong", f"no typed error: {error!r}")


def main() -> None:
    url, client, writers = sys.argv[1], sys.argv[2], int(sys.argv[3])
    with ormdb.connect(url) as db:
        threads = [threading.Thread(target=guarded, args=(db, f"{client}/{writer}")) for writer in range(writers)]
        for thread in threads:
            thread.start()
        sys.stdin.read()
        stopped.set()
        for thread in threads:
            thread.join()
    tell("end")


main()
