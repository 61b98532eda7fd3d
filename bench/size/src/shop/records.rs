//! Rows as a create takes them.

use ormdb_proto::Value;
use ormdb_proto::ir::{Assignment, RecordInput};

use super::draw::{money, of_row, skewed, words};
use super::{
    CATEGORIES, COUNTRIES, GROUP, IMAGES, ORDERS, PAYMENTS, PRODUCTS, Shop, TAGS, TAGS_OF_GROUP, stair,
};

fn record<const N: usize>(values: [(&str, Value); N]) -> RecordInput {
    RecordInput {
        assignments: values.into_iter().map(|(name, value)| Assignment::constant(name, value)).collect(),
    }
}

/// Two letters, different for each country.
fn country_code(id: i64) -> String {
    let letter = |at: i64| u8::try_from(at % 26).map_or('A', |at| char::from(b'A' + at));
    [letter(id), letter(id / 26 + id * 5)].into_iter().collect()
}

impl Shop {
    pub(super) fn country_record(&self, id: i64) -> RecordInput {
        let name = words(1, 2, &mut of_row(self.seed, 11, id));
        record([("code", Value::String(country_code(id))), ("name", Value::String(name))])
    }

    /// Every category but the first ten has one of those above it.
    pub(super) fn category_record(&self, id: i64) -> RecordInput {
        let rng = &mut of_row(self.seed, 12, id);
        let parent =
            if id > CATEGORIES / 20 { Value::Int64(rng.i64(1..=CATEGORIES / 20)) } else { Value::Null };
        record([("id", Value::Int64(id)), ("parentId", parent), ("name", Value::String(words(1, 2, rng)))])
    }

    pub(super) fn tag_record(&self, id: i64) -> RecordInput {
        record([("id", Value::Int64(id)), ("name", Value::String(format!("tag{id}")))])
    }

    pub(super) fn user_record(&self, id: i64) -> RecordInput {
        let row = self.user(id);
        record([
            ("id", Value::Int64(id)),
            ("email", Value::String(row.email)),
            ("name", Value::String(row.name)),
            ("isActive", Value::Bool(row.is_active)),
            ("joinedAt", Value::DateTime(Shop::instant(id))),
        ])
    }

    /// The address of the user with the same number.
    pub(super) fn address_record(&self, id: i64) -> RecordInput {
        let rng = &mut of_row(self.seed, 13, id);
        let street = format!("{} {}", words(1, 2, rng), rng.u8(1..));
        record([
            ("id", Value::Int64(id)),
            ("userId", Value::Int64(id)),
            ("countryCode", Value::String(country_code(skewed(COUNTRIES, rng)))),
            ("city", Value::String(words(1, 1, rng))),
            ("street", Value::String(street)),
            ("postcode", Value::String(rng.u32(10_000..100_000).to_string())),
        ])
    }

    pub(super) fn product_record(&self, id: i64) -> RecordInput {
        let row = self.product(id);
        record([
            ("id", Value::Int64(id)),
            ("sku", Value::String(row.sku)),
            ("categoryId", Value::Int64(row.category_id)),
            ("name", Value::String(row.name)),
            ("description", Value::String(row.description)),
            ("price", Value::Decimal(row.price)),
            ("isListed", Value::Bool(row.is_listed)),
            ("createdAt", Value::DateTime(Shop::instant(id))),
        ])
    }

    /// Of two products in a row, one has two images.
    pub(super) fn image_record(&self, id: i64) -> RecordInput {
        let product = (id - 1) * PRODUCTS / IMAGES + 1;
        let position = i32::from(id % 3 == 2);
        record([
            ("id", Value::Int64(id)),
            ("productId", Value::Int64(product)),
            ("url", Value::String(format!("https://images.example.org/{product}/{position}.webp"))),
            ("position", Value::Int32(position)),
        ])
    }

    pub(super) fn product_tag_record(&self, number: i64) -> RecordInput {
        let (group, rest) = ((number - 1) / TAGS_OF_GROUP, (number - 1) % TAGS_OF_GROUP);
        let (step, place) = stair(rest);
        let product = group * GROUP + step + 2;
        // The tags of a product stand in a row, so that they are different.
        let first = skewed(TAGS, &mut of_row(self.seed, 14, product));
        record([
            ("productId", Value::Int64(product)),
            ("tagId", Value::Int64((first + place - 1) % TAGS + 1)),
        ])
    }

    pub(super) fn order_record(&self, id: i64) -> RecordInput {
        let row = self.order(id);
        record([
            ("id", Value::Int64(id)),
            ("userId", Value::Int64(row.user_id)),
            ("addressId", Value::Int64(row.user_id)),
            ("status", Value::Enum(row.status.to_owned())),
            ("total", Value::Decimal(row.total)),
            ("placedAt", Value::DateTime(Shop::instant(id))),
        ])
    }

    pub(super) fn line_record(&self, id: i64) -> RecordInput {
        let row = self.line(id);
        record([
            ("id", Value::Int64(id)),
            ("orderId", Value::Int64(row.order_id)),
            ("productId", Value::Int64(row.product_id)),
            ("quantity", Value::Int32(row.quantity)),
            ("unitPrice", Value::Decimal(row.unit_price)),
        ])
    }

    /// The last orders of a slice are not paid.
    pub(super) fn payment_record(&self, id: i64) -> RecordInput {
        let rng = &mut of_row(self.seed, 15, id);
        let order = (id - 1) / PAYMENTS * ORDERS + (id - 1) % PAYMENTS + 1;
        let method = rng.choice(["card", "card", "transfer", "voucher"]).unwrap_or_default();
        record([
            ("id", Value::Int64(id)),
            ("orderId", Value::Int64(order)),
            ("method", Value::Enum(method.to_owned())),
            ("amount", Value::Decimal(money(200_000, rng))),
            ("paidAt", Value::DateTime(Shop::instant(order))),
        ])
    }

    pub(super) fn review_record(&self, id: i64) -> RecordInput {
        let row = self.review(id);
        record([
            ("id", Value::Int64(id)),
            ("productId", Value::Int64(row.product_id)),
            ("userId", Value::Int64(row.user_id)),
            ("rating", Value::Int32(row.rating)),
            ("title", row.title.map_or(Value::Null, Value::String)),
            ("text", Value::String(row.text)),
            ("createdAt", Value::DateTime(Shop::instant(id))),
        ])
    }
}
