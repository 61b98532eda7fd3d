//! A schema with everything in it, and the module that it becomes.

use ormdb::catalog::resolve;
use ormdb::text;
use ormdb_proto::schema::Schema;

use super::types;
use crate::args::Int64;

fn generated(source: &str, int64: Int64) -> String {
    let ast = text::parse_schema(source).unwrap();
    types(&resolve(&ast, &Schema::empty()).unwrap(), int64).unwrap()
}

const SHOP: &str = r"
// How a thing looks.
enum Colour { red, green }

struct Geo { lat float64
  lon float64? }
struct Address { city string
  geo Geo? }

// Who makes things.
entity Maker {
  id       int64    @id @default(autoincrement())
  name     string   @unique
  home     Address
  billing  Address?
  goods    Good[]
  partOf   int64?
  whole    Maker?   @relation(partOf -> Maker.id)
  parts    Maker[]
  total    int64    = count(goods)
}

namespace stock {
  entity Shelf {
    row   int16
    place int16
    seen  datetime  @default(now())
    @@id(row, place)
  }
}

entity Good {
  price    decimal(10,2)
  colour   Colour?
  tags     string[]?
  extra    json?
  raw      bytes
  kept     interval?
  made     date
  makerId  int64
  maker    Maker     @relation(makerId -> Maker.id)
}
";

#[test]
fn every_type_is_written() {
    let written = generated(SHOP, Int64::Number);
    let expected = include_str!("expected.txt");
    if std::env::var_os("REWRITE").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/commands/generate/ts/expected.txt");
        std::fs::write(path, &written).unwrap();
        return;
    }
    assert_eq!(written, expected);
}

#[test]
fn int64_may_be_bigint() {
    let written = generated("entity A { id int64 @id }", Int64::Bigint);
    assert!(written.contains("export interface A {\n  id: bigint;\n}"), "{written}");
    assert!(written.contains("export interface ACreate {\n  id: number | bigint;\n}"), "{written}");
}

#[test]
fn names_that_would_meet_are_refused() {
    let ast = text::parse_schema("entity A { id int64 @id }\nentity ACreate { id int64 @id }").unwrap();
    let schema = resolve(&ast, &Schema::empty()).unwrap();
    assert!(types(&schema, Int64::Number).is_err());
    let written = generated("entity Date {\n id int64 @id\n at datetime\n}", Int64::Number);
    assert!(written.contains("export interface Date_ {\n  id: number;\n  at: Date;\n}"), "{written}");
}
