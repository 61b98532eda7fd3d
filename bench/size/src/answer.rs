//! What is fetched: an order and a product with what belongs to them, as objects; and what they have to be.

use std::collections::HashMap;
use std::fmt::Debug;

use ormdb::{FromRow, Params};
use ormdb_proto::value::Decimal;

use crate::shop::Shop;

/// So many of a product's reviews are fetched.
const NEWEST: usize = 5;

/// What is known of a shop, to tell what a fetch has to give.
pub(crate) struct Known {
    shop: Shop,
    /// Of some products, the newest reviews, newest first.
    newest: HashMap<i64, Vec<i64>>,
}

impl Known {
    /// With what there is to know of these products.
    pub(crate) fn of(shop: Shop, products: &[i64]) -> Known {
        let mut newest: HashMap<i64, Vec<i64>> = products.iter().map(|id| (*id, Vec::new())).collect();
        for review in (1..=shop.reviews()).rev() {
            match newest.get_mut(&shop.product_of_review(review)) {
                Some(reviews) if reviews.len() < NEWEST => reviews.push(review),
                Some(_) | None => {}
            }
        }
        Known { shop, newest }
    }
}

/// An object that is fetched by a key.
pub(crate) trait Fetched: FromRow + PartialEq + Debug {
    /// What the fetch is called.
    const NAME: &'static str;
    /// The fetch.
    const TEXT: &'static str;
    /// Its parameter, for the object of a number.
    fn params(id: i64) -> Params;
    /// How many there are.
    fn count(shop: &Shop) -> i64;
    /// The object of a number as it was loaded.
    fn expected(known: &Known, id: i64) -> Self;
    /// How many rows it was made of; one that stands in several places counts as often.
    fn rows(&self) -> usize;
}

/// Three levels: the order, its user and lines, and the product of each.
#[derive(Debug, PartialEq, FromRow)]
pub(crate) struct Order {
    id: i64,
    status: String,
    total: Decimal,
    #[row(name = "placedAt")]
    placed_at: i64,
    user: User,
    lines: Vec<Line>,
}

#[derive(Debug, PartialEq, FromRow)]
struct User {
    id: i64,
    email: String,
    name: String,
    #[row(name = "isActive")]
    is_active: bool,
}

#[derive(Debug, PartialEq, FromRow)]
struct Line {
    id: i64,
    quantity: i32,
    #[row(name = "unitPrice")]
    unit_price: Decimal,
    product: OrderedProduct,
}

#[derive(Debug, PartialEq, FromRow)]
struct OrderedProduct {
    id: i64,
    sku: String,
    name: String,
    price: Decimal,
}

impl Fetched for Order {
    const NAME: &'static str = "order";
    const TEXT: &'static str = "Order[$id] { id, status, total, placedAt, user { id, email, name, isActive },
        lines order by id { id, quantity, unitPrice, product { id, sku, name, price } } }";

    fn params(id: i64) -> Params {
        Params::none().with("id", id)
    }

    fn count(shop: &Shop) -> i64 {
        shop.orders()
    }

    fn expected(known: &Known, id: i64) -> Order {
        let shop = &known.shop;
        let row = shop.order(id);
        let line = |id| {
            let row = shop.line(id);
            let product = shop.product(row.product_id);
            Line {
                id,
                quantity: row.quantity,
                unit_price: row.unit_price,
                product: OrderedProduct {
                    id: row.product_id,
                    sku: product.sku,
                    name: product.name,
                    price: product.price,
                },
            }
        };
        Order {
            id,
            status: row.status.to_owned(),
            total: row.total,
            placed_at: Shop::instant(id),
            user: user(shop, row.user_id),
            lines: Shop::lines_of(id).map(line).collect(),
        }
    }

    fn rows(&self) -> usize {
        2 + 2 * self.lines.len()
    }
}

fn user(shop: &Shop, id: i64) -> User {
    let row = shop.user(id);
    User { id, email: row.email, name: row.name, is_active: row.is_active }
}

/// The product of a unique name, its newest reviews, and their users.
#[derive(Debug, PartialEq, FromRow)]
pub(crate) struct Product {
    id: i64,
    sku: String,
    name: String,
    description: String,
    price: Decimal,
    #[row(name = "isListed")]
    is_listed: bool,
    reviews: Vec<Review>,
}

#[derive(Debug, PartialEq, FromRow)]
struct Review {
    id: i64,
    rating: i32,
    title: Option<String>,
    text: String,
    user: User,
}

impl Fetched for Product {
    const NAME: &'static str = "product";
    const TEXT: &'static str = "Product[sku: $sku] { id, sku, name, description, price, isListed,
        reviews order by createdAt desc limit 5 { id, rating, title, text, user { id, email, name, isActive } } }";

    fn params(id: i64) -> Params {
        Params::none().with("sku", Shop::sku(id))
    }

    fn count(shop: &Shop) -> i64 {
        shop.products()
    }

    fn expected(known: &Known, id: i64) -> Product {
        let shop = &known.shop;
        let row = shop.product(id);
        let review = |id: &i64| {
            let row = shop.review(*id);
            let user = user(shop, row.user_id);
            Review { id: *id, rating: row.rating, title: row.title, text: row.text, user }
        };
        Product {
            id,
            sku: row.sku,
            name: row.name,
            description: row.description,
            price: row.price,
            is_listed: row.is_listed,
            reviews: known.newest.get(&id).into_iter().flatten().map(review).collect(),
        }
    }

    fn rows(&self) -> usize {
        1 + 2 * self.reviews.len()
    }
}
