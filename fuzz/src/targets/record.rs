//! What the database stores beside rows: versions of the catalog, statistics, users.

use ormdb::fuzz_targets::record_seeds;
use ormdb_proto::schema::Schema;

const SCHEMA: &str = "entity A {\n  id int64 @id\n  name string? @unique\n  bs B[]\n}\n\n\
    entity B {\n  id int64 @id @default(autoincrement())\n  aId int64\n  a A @relation(aId -> A.id, onDelete: cascade)\n  \
    @@index(aId, id desc)\n}\n";

/// A record of each kind.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let parsed = ormdb::text::parse_schema(SCHEMA).expect("the schema parses");
    let schema = ormdb::catalog::resolve(&parsed, &Schema::empty()).expect("the schema resolves");
    record_seeds(schema, SCHEMA).expect("the schema can be written")
}
