"""What rows become."""

from __future__ import annotations

import dataclasses
import enum
from decimal import Decimal
from typing import Any

import ormdb
import pydantic
import pytest

GRAPH = "Artist order by name { name, kind, albums order by id { title, price } }"


def test_rows_read_their_values_when_asked(discography: ormdb.Connection) -> None:
    artists = discography.fetch(GRAPH)
    assert len(artists) == 2
    bjork = artists[0]
    assert (bjork.name, bjork["kind"], bjork[0], bjork[-1][1].title) == ("Björk", "solo", "Björk", "Post")
    assert [album.price for album in bjork.albums] == [Decimal("9.50"), None]
    assert [row.name for row in artists] == ["Björk", "Kukl"]
    assert "name" in bjork
    assert "nme" not in bjork
    assert dict(artists[1].albums[0]) == {"title": "The Eye", "price": None}
    assert repr(artists[-1]) == "<Artist name='Kukl' kind='band' albums=[1 rows]>"
    with pytest.raises(AttributeError, match="`nme`; it has `name`, `kind`, `albums`"):
        bjork.nme
    with pytest.raises(KeyError):
        bjork["nme"]
    with pytest.raises(IndexError):
        bjork[3]
    with pytest.raises(IndexError):
        artists[2]


def test_rows_are_compared_by_their_values(discography: ormdb.Connection) -> None:
    once, twice = discography.fetch(GRAPH), discography.fetch(GRAPH)
    assert once[0] == twice[0]
    assert once[0] != once[1]
    assert once[0] != "Björk"


def test_dicts_and_tuples(discography: ormdb.Connection) -> None:
    artists = discography.fetch(GRAPH)
    assert artists.dicts() == [
        {"name": "Björk", "kind": "solo", "albums": [{"title": "Debut", "price": Decimal("9.50")}, {"title": "Post", "price": None}]},
        {"name": "Kukl", "kind": "band", "albums": [{"title": "The Eye", "price": None}]},
    ]
    assert artists.tuples()[1] == ("Kukl", "band", [("The Eye", None)])
    assert artists.json().startswith('[{"name":"Björk","kind":"solo","albums":[')


def test_a_row_that_several_lead_to_is_one_object(discography: ormdb.Connection) -> None:
    albums = discography.fetch("Album order by id { artist { name } }").dicts()
    assert albums[0]["artist"] is albums[1]["artist"]
    assert albums[2]["artist"] == {"name": "Kukl"}


def test_one(discography: ormdb.Connection) -> None:
    assert discography.fetch("Artist[1] { name }").one().name == "Björk"
    assert discography.fetch("Artist[77] { name }").one_or_none() is None
    with pytest.raises(ormdb.NotOneRow):
        discography.fetch("Artist { name }").one()
    assert not discography.fetch("Artist[77] { name }")


class Kind(enum.Enum):
    SOLO = "solo"
    BAND = "band"


@dataclasses.dataclass
class Album:
    title: str
    price: Decimal | None
    artist: Artist | None = None


@dataclasses.dataclass
class Artist:
    name: str
    kind: Kind
    albums: list[Album] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(kw_only=True)
class Reordered:
    kind: str
    name: str


def test_dataclasses(discography: ormdb.Connection) -> None:
    bjork, kukl = discography.fetch(GRAPH).into(Artist)
    assert bjork == Artist("Björk", Kind.SOLO, [Album("Debut", Decimal("9.50")), Album("Post", None)])
    assert kukl.kind is Kind.BAND
    album = discography.fetch("Album[1] { title, price, artist { name, kind } }").into(Album)[0]
    assert album.artist == Artist("Björk", Kind.SOLO)
    assert discography.fetch("Artist[1] { name, kind }").into(Reordered) == [Reordered(name="Björk", kind="solo")]


def test_dataclasses_must_fit(discography: ormdb.Connection) -> None:
    with pytest.raises(TypeError, match="no field `born`"):
        discography.fetch("Artist { name, kind, born }").into(Artist)
    with pytest.raises(TypeError, match="`Artist.kind` has no default"):
        discography.fetch("Artist { name }").into(Artist)


class AlbumModel(pydantic.BaseModel):
    title: str
    price: Decimal | None


class ArtistModel(pydantic.BaseModel):
    name: str
    kind: Kind
    albums: list[AlbumModel]


def test_pydantic_models(discography: ormdb.Connection) -> None:
    bjork = discography.fetch(GRAPH).into(ArtistModel)[0]
    assert bjork == ArtistModel(
        name="Björk",
        kind=Kind.SOLO,
        albums=[AlbumModel(title="Debut", price=Decimal("9.50")), AlbumModel(title="Post", price=None)],
    )


def test_a_builder_gets_whole_columns_children_first(discography: ormdb.Connection) -> None:
    calls: list[tuple[int, int]] = []
    artists = discography.fetch(GRAPH)
    entities = [node.entity for node in artists.shape]

    def make(node: int, columns: tuple[list[Any], ...], rows: int) -> list[Any]:
        calls.append((node, rows))
        return [(entities[node], *values) for values in zip(*columns)]

    built = artists.build(make)
    assert calls == [(1, 3), (0, 2)]
    assert built[1] == ("Artist", "Kukl", "band", [("Album", "The Eye", None)])
    with pytest.raises(ValueError, match="0 objects of 3 rows"):
        artists.build(lambda node, columns, rows: [])
    with pytest.raises(ZeroDivisionError):
        artists.build(lambda node, columns, rows: [1 // 0])


def test_the_shape_tells_types(discography: ormdb.Connection) -> None:
    artist, album = discography.fetch(GRAPH).shape
    assert (artist.entity, artist.members) == ("Artist", ["name", "kind", "albums"])
    assert artist.columns == [("name", "string", []), ("kind", "enum", ["solo", "band"])]
    assert artist.edges == [("albums", 1, True)]
    assert album.columns[1] == ("price", "decimal", [])


def test_streams(db: ormdb.Connection) -> None:
    db.execute("create Artist [" + ", ".join(f'{{ name: "{n}" }}' for n in range(500)) + "]")
    names = [row.name for row in db.stream("Artist order by id { name }")]
    assert names == [str(n) for n in range(500)]
    assert sum(len(part) for part in db.stream("Artist { name }").parts()) == 500
    with db.stream("Artist { name }") as stream:
        assert next(iter(stream)).name == "0"
    assert list(stream) == []
    returned = db.stream('update Artist[1] set { name: "first" } return { name }')
    assert [row.name for row in returned] == ["first"]
    # What gives no rows is refused, and not executed.
    for text in ["delete Artist", "explain Artist", "commit"]:
        with pytest.raises(ormdb.RequestError) as raised:
            db.stream(text)
        assert raised.value.code == "invalid_query"
        with pytest.raises(ormdb.RequestError) as raised:
            db.fetch(text)
        assert raised.value.code == "invalid_query"
        with db.transaction() as transaction, pytest.raises(ormdb.RequestError) as raised:
            transaction.fetch(text)
        assert raised.value.code == "invalid_query"
    assert len(db.fetch("Artist { id }")) == 500


def test_statements_are_described(db: ormdb.Connection) -> None:
    text = "Artist where kind = $kind and born > $since { name, kind, albums limit $n { price } }"
    described = db.describe(text)
    assert described.params == [("kind", "Kind"), ("since", "date"), ("n", "int64")]
    assert described.shape is not None
    artist, album = described.shape
    assert (artist.entity, artist.members) == ("Artist", ["name", "kind", "albums"])
    assert artist.columns[1] == ("kind", "enum", ["solo", "band"])
    assert album.columns == [("price", "decimal", [])]
    written = db.describe("create Album { title: $title, price: $price, artistId: $of }")
    assert written.params == [("title", "string"), ("price", "decimal(10,2)"), ("of", "int64")]
    assert written.shape is None
    with pytest.raises(ormdb.RequestError) as raised:
        db.describe("Artist { nme }")
    assert (raised.value.code, raised.value.suggestion) == ("unknown_field", "name")
