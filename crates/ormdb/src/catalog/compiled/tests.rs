use ormdb_proto::ErrorCode;
use ormdb_proto::ir::{Expr, KeyPart};

use super::Catalog;
use crate::catalog::{KeyAccess, Navigation};

const SCHEMA: &str = "\
entity Shop {
  country string
  number int32
  code string @unique
  sales Sale[]
  goods Good[] @through(Sale, shop -> good)
  @@id(country, number)
}
entity Good {
  id int64 @id
  shops Shop[] @through(Sale, good -> shop)
}
entity Sale {
  goodId int64
  good Good @relation(goodId -> Good.id)
  number int32
  country string
  shop Shop @relation((number, country) -> Shop.(number, country))
  code string?
  sameShop Shop? @relation(\"same\", code -> Shop.code)
  @@index(country, number, goodId)
}
";

fn catalog() -> Catalog {
    Catalog::from_text(SCHEMA).unwrap()
}

/// The names of a hop's fields on both sides, in order, and what serves it.
fn hop(catalog: &Catalog, entity: &str, relation: &str) -> String {
    let info = catalog.entity(entity).unwrap();
    let id = info.relation_named(relation).unwrap().id;
    let show = |from: &str, hop: &crate::catalog::Hop| {
        let (from, to) = (catalog.entity(from).unwrap(), catalog.entity_by_id(hop.target).unwrap());
        let access = match hop.access {
            KeyAccess::PrimaryKey => "primary key".to_owned(),
            KeyAccess::Index(id) => to.index_by_id(id).unwrap().name.clone(),
            KeyAccess::Scan => "scan".to_owned(),
        };
        let one = if hop.to_one { "one" } else { "many" };
        let (local, remote) = (from.names_of(&hop.local), to.names_of(&hop.remote));
        format!("({local}) to {one} {}({remote}) by {access}", to.name)
    };
    match info.navigation(id).unwrap() {
        Navigation::Direct(hop) => show(entity, hop),
        Navigation::Through { edge, near, far } => {
            let edge = &catalog.entity_by_id(*edge).unwrap().name;
            format!("{}; {}", show(entity, near), show(edge, far))
        }
    }
}

#[test]
fn relations_are_navigated_in_the_order_of_the_key_that_serves_them() {
    let catalog = catalog();
    assert_eq!(
        hop(&catalog, "Sale", "shop"),
        "(country, number) to one Shop(country, number) by primary key"
    );
    assert_eq!(hop(&catalog, "Sale", "sameShop"), "(code) to one Shop(code) by Shop_code_key");
    assert_eq!(
        hop(&catalog, "Shop", "sales"),
        "(country, number) to many Sale(country, number) by Sale_country_number_goodId_idx"
    );
    assert_eq!(
        hop(&catalog, "Good", "shops"),
        "(id) to many Sale(goodId) by Sale_goodId_idx; (country, number) to one Shop(country, number) by primary key"
    );
}

#[test]
fn every_referrer_is_known() {
    let catalog = catalog();
    let referrers = catalog.entity("Shop").unwrap().referrers();
    let names: Vec<&str> = referrers.iter().map(|r| r.foreign_key.name.as_str()).collect();
    assert_eq!(names, ["Sale_shop_fkey", "Sale_sameShop_fkey"]);
}

fn key(fields: &[Option<&str>]) -> Vec<KeyPart> {
    let part = |field: &Option<&str>| KeyPart { field: field.map(str::to_owned), value: Expr::literal(1i64) };
    fields.iter().map(part).collect()
}

#[test]
fn a_key_is_found_by_its_fields_in_any_order() {
    let catalog = catalog();
    let shop = catalog.entity("Shop").unwrap();
    let found = shop.unique_key(&key(&[Some("number"), Some("country")])).unwrap();
    assert_eq!(found.access, KeyAccess::PrimaryKey);
    assert_eq!(found.parts, [1, 0]);
    let found = shop.unique_key(&key(&[Some("code")])).unwrap();
    assert_eq!(found.access, KeyAccess::Index(shop.indexes[0].id));
    assert_eq!(
        catalog.entity("Good").unwrap().unique_key(&key(&[None])).unwrap().access,
        KeyAccess::PrimaryKey
    );
    let code = |fields: &[Option<&str>]| shop.unique_key(&key(fields)).unwrap_err().code;
    assert_eq!(code(&[None]), ErrorCode::InvalidQuery);
    assert_eq!(code(&[Some("number")]), ErrorCode::InvalidQuery);
    assert_eq!(code(&[Some("code"), Some("code")]), ErrorCode::InvalidQuery);
    assert_eq!(code(&[Some("cod")]), ErrorCode::UnknownField);
}

#[test]
fn an_unknown_name_suggests_the_nearest() {
    let catalog = catalog();
    let error = catalog.entity("Shpo").unwrap_err();
    assert_eq!((error.code, error.detail.suggestion.as_deref()), (ErrorCode::UnknownEntity, Some("Shop")));
    let error = catalog.entity("Shop").unwrap().member("sale").map(|_| ()).unwrap_err();
    assert_eq!((error.code, error.detail.suggestion.as_deref()), (ErrorCode::UnknownField, Some("sales")));
}
