//! The data: a shop of twelve entities that grows slice by slice, made from a seed, and never as a whole in memory.
//!
//! Invariants: (1) every row is made from the seed and its number alone; (2) rows refer only to rows of their own slice that stand before
//! them in [`ENTITIES`], and to slices before; (3) a slice has the same number of rows of each entity whatever the shop's size, so that
//! what belongs to an order or a product is alike in small shops and large ones.

pub(crate) mod draw;
mod records;

use fastrand::Rng;
use ormdb_proto::ir::RecordInput;
use ormdb_proto::value::Decimal;

use draw::{money, of_row, skewed, words};

pub(crate) const SCHEMA: &str = include_str!("shop/schema.ormdb");

/// Countries, categories and tags are there from the beginning, and do not grow.
const COUNTRIES: i64 = 40;
const CATEGORIES: i64 = 200;
const TAGS: i64 = 500;

/// Rows of a slice.
const USERS: i64 = 2000;
const PRODUCTS: i64 = 1000;
const IMAGES: i64 = PRODUCTS / 2 * 3;
const ORDERS: i64 = 3000;
const PAYMENTS: i64 = 2750;
const REVIEWS: i64 = 1750;

/// Of five orders in a row, the first has one line, the next two, and so on; of five products, the first has no tag.
const GROUP: i64 = 5;
const LINES_OF_GROUP: i64 = GROUP * (GROUP + 1) / 2;
const TAGS_OF_GROUP: i64 = GROUP * (GROUP - 1) / 2;

/// The first instant of the data, in microseconds since 1970, and how far apart rows of an entity are.
const BEGINNING: i64 = 1_600_000_000_000_000;
const SECOND: i64 = 1_000_000;

/// Makes the row of a number.
type Record = fn(&Shop, i64) -> RecordInput;

/// An entity: what is there from the beginning, and what a slice adds to it.
pub(crate) struct Entity {
    pub(crate) name: &'static str,
    at_first: i64,
    in_slice: i64,
    pub(crate) record: Record,
}

/// What every row refers to stands before it.
pub(crate) const ENTITIES: [Entity; 12] = [
    Entity { name: "Country", at_first: COUNTRIES, in_slice: 0, record: Shop::country_record },
    Entity { name: "Category", at_first: CATEGORIES, in_slice: 0, record: Shop::category_record },
    Entity { name: "Tag", at_first: TAGS, in_slice: 0, record: Shop::tag_record },
    Entity { name: "User", at_first: 0, in_slice: USERS, record: Shop::user_record },
    Entity { name: "Address", at_first: 0, in_slice: USERS, record: Shop::address_record },
    Entity { name: "Product", at_first: 0, in_slice: PRODUCTS, record: Shop::product_record },
    Entity { name: "ProductImage", at_first: 0, in_slice: IMAGES, record: Shop::image_record },
    Entity {
        name: "ProductTag",
        at_first: 0,
        in_slice: PRODUCTS / GROUP * TAGS_OF_GROUP,
        record: Shop::product_tag_record,
    },
    Entity { name: "Order", at_first: 0, in_slice: ORDERS, record: Shop::order_record },
    Entity {
        name: "OrderLine",
        at_first: 0,
        in_slice: ORDERS / GROUP * LINES_OF_GROUP,
        record: Shop::line_record,
    },
    Entity { name: "Payment", at_first: 0, in_slice: PAYMENTS, record: Shop::payment_record },
    Entity { name: "Review", at_first: 0, in_slice: REVIEWS, record: Shop::review_record },
];

impl Entity {
    /// The numbers of the rows that a slice adds; they begin at 1.
    pub(crate) fn numbers(&self, slice: i64) -> std::ops::RangeInclusive<i64> {
        let before = if slice == 0 { 0 } else { self.rows(slice) };
        before + 1..=self.rows(slice + 1)
    }

    /// Its rows in a shop of so many slices.
    pub(crate) const fn rows(&self, slices: i64) -> i64 {
        self.at_first + self.in_slice * slices
    }
}

pub(crate) struct UserRow {
    pub(crate) email: String,
    pub(crate) name: String,
    pub(crate) is_active: bool,
}

pub(crate) struct ProductRow {
    pub(crate) sku: String,
    pub(crate) category_id: i64,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) price: Decimal,
    pub(crate) is_listed: bool,
}

pub(crate) struct OrderRow {
    pub(crate) user_id: i64,
    pub(crate) status: &'static str,
    pub(crate) total: Decimal,
}

pub(crate) struct LineRow {
    pub(crate) order_id: i64,
    pub(crate) product_id: i64,
    pub(crate) quantity: i32,
    pub(crate) unit_price: Decimal,
}

pub(crate) struct ReviewRow {
    pub(crate) product_id: i64,
    pub(crate) user_id: i64,
    pub(crate) rating: i32,
    pub(crate) title: Option<String>,
    pub(crate) text: String,
}

/// A shop of some size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shop {
    seed: u64,
    slices: i64,
}

impl Shop {
    /// Rows of a slice, of all entities together.
    pub(crate) const SLICE_ROWS: i64 = {
        let (mut rows, mut at) = (0, 0);
        while at < ENTITIES.len() {
            rows += ENTITIES[at].in_slice;
            at += 1;
        }
        rows
    };

    /// At least `rows` rows.
    pub(crate) fn new(seed: u64, rows: i64) -> Shop {
        let at_first: i64 = ENTITIES.iter().map(|entity| entity.at_first).sum();
        let slices = (rows - at_first + Shop::SLICE_ROWS - 1) / Shop::SLICE_ROWS;
        Shop { seed, slices: slices.max(1) }
    }

    pub(crate) const fn slices(&self) -> i64 {
        self.slices
    }

    /// Rows of all entities.
    pub(crate) fn rows(&self) -> i64 {
        ENTITIES.iter().map(|entity| entity.rows(self.slices)).sum()
    }

    pub(crate) const fn products(&self) -> i64 {
        PRODUCTS * self.slices
    }

    pub(crate) const fn orders(&self) -> i64 {
        ORDERS * self.slices
    }

    pub(crate) const fn reviews(&self) -> i64 {
        REVIEWS * self.slices
    }

    pub(crate) fn user(&self, id: i64) -> UserRow {
        let rng = &mut of_row(self.seed, 1, id);
        let email = format!("user{}@example.org", id.wrapping_mul(7_919));
        UserRow { email, name: words(2, 3, rng), is_active: rng.u8(..10) > 0 }
    }

    pub(crate) fn product(&self, id: i64) -> ProductRow {
        let rng = &mut of_row(self.seed, 2, id);
        ProductRow {
            sku: Shop::sku(id),
            category_id: skewed(CATEGORIES, rng),
            name: words(2, 5, rng),
            description: words(15, 45, rng),
            price: money(50_000, rng),
            is_listed: rng.u8(..20) > 0,
        }
    }

    /// The unique name of a product; neighbours have names that stand apart.
    pub(crate) fn sku(id: i64) -> String {
        format!("{:06X}-{id}", (id * 7_654_321) & 0xFF_FFFF)
    }

    pub(crate) fn order(&self, id: i64) -> OrderRow {
        let rng = &mut of_row(self.seed, 3, id);
        let is_paid = (id - 1) % ORDERS < PAYMENTS;
        let user_id = skewed(reached(id, ORDERS, USERS), rng);
        let status = if is_paid { rng.choice(["paid", "shipped", "delivered", "returned"]) } else { None };
        OrderRow { user_id, status: status.unwrap_or("placed"), total: money(200_000, rng) }
    }

    /// The numbers of an order's lines.
    pub(crate) fn lines_of(order: i64) -> std::ops::RangeInclusive<i64> {
        let (group, place) = ((order - 1) / GROUP, (order - 1) % GROUP);
        let before = group * LINES_OF_GROUP + place * (place + 1) / 2;
        before + 1..=before + place + 1
    }

    pub(crate) fn line(&self, id: i64) -> LineRow {
        let rng = &mut of_row(self.seed, 4, id);
        let (group, rest) = ((id - 1) / LINES_OF_GROUP, (id - 1) % LINES_OF_GROUP);
        let order_id = group * GROUP + stair(rest).0 + 1;
        LineRow {
            order_id,
            product_id: skewed(reached(order_id, ORDERS, PRODUCTS), rng),
            quantity: rng.i32(1..=4),
            unit_price: money(50_000, rng),
        }
    }

    pub(crate) fn review(&self, id: i64) -> ReviewRow {
        let (product_id, mut rng) = self.reviewed(id);
        let rng = &mut rng;
        ReviewRow {
            product_id,
            user_id: skewed(reached(id, REVIEWS, USERS), rng),
            rating: rng.i32(1..=5),
            title: rng.bool().then(|| words(2, 5, rng)),
            text: words(8, 35, rng),
        }
    }

    /// The product of a review.
    pub(crate) fn product_of_review(&self, id: i64) -> i64 {
        self.reviewed(id).0
    }

    fn reviewed(&self, id: i64) -> (i64, Rng) {
        let mut rng = of_row(self.seed, 5, id);
        (skewed(reached(id, REVIEWS, PRODUCTS), &mut rng), rng)
    }

    /// So many numbers of orders or products, of which there are `count`: spread evenly over them, and over the places in their groups, so
    /// that what belongs to them is as much in every shop.
    pub(crate) fn spread(count: i64, many: i64, rng: &mut Rng) -> Vec<i64> {
        let of_part = |part| {
            let at = rng.i64(part * count / many..(part + 1) * count / many);
            at - at % GROUP + part % GROUP + 1
        };
        (0..many).map(of_part).collect()
    }

    /// The instant of the row with a number, later for each.
    pub(crate) const fn instant(id: i64) -> i64 {
        BEGINNING + id * SECOND
    }
}

/// How many rows of an entity with `of` of them in a slice are there when a row, of `in_slice` in a slice, comes.
const fn reached(id: i64, in_slice: i64, of: i64) -> i64 {
    ((id - 1) / in_slice + 1) * of
}

/// Stairs whose first step has one place, the next two, and so on: the step of a place, counted from 0, and which place of it.
fn stair(place: i64) -> (i64, i64) {
    let (mut step, mut rest) = (0, place);
    while rest > step {
        step += 1;
        rest -= step;
    }
    (step, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_orders_agree() {
        let shop = Shop::new(1, 1);
        assert_eq!(Shop::SLICE_ROWS, 25_000);
        assert_eq!(shop.rows(), 25_740);
        let mut next = 1;
        for order in 1..=shop.orders() {
            for line in Shop::lines_of(order) {
                assert_eq!(line, next);
                assert_eq!(shop.line(line).order_id, order);
                next += 1;
            }
        }
        assert_eq!(next - 1, ENTITIES[9].rows(1));
        assert_eq!(ENTITIES[3].numbers(0), 1..=2000);
        assert_eq!(ENTITIES[3].numbers(1), 2001..=4000);
        assert!(ENTITIES[0].numbers(1).is_empty());
    }
}
