//! Whether all drivers give the same answers, and how many round trips each needs for one.

use std::collections::HashMap;

use serde_json::Value;

use crate::operation::Operation;
use crate::proxy::Proxy;
use crate::sides::{Language, Side};
use crate::{Driven, Result};

/// How many answers of an operation are compared.
const COMPARED: usize = 20;
/// Averages are the same if they differ by less.
const TOLERANCE: f64 = 1e-9;

/// What was compared.
#[derive(Default)]
pub(crate) struct Checked {
    /// The answers that were given first; all others are the same.
    answers: HashMap<&'static str, Vec<Value>>,
    /// Round trips of an answer.
    trips: HashMap<(&'static str, Side, Language), f64>,
}

impl Checked {
    /// How many times an operation is run for it on one driver.
    pub(crate) const fn count(&self) -> usize {
        2 * COMPARED
    }

    /// Round trips of an answer, where they were counted.
    pub(crate) fn trips(&self, operation: Operation, side: Side, language: Language) -> Option<f64> {
        self.trips.get(&(operation.name(), side, language)).copied()
    }

    /// Compares the answers of drivers with those that were given first.
    pub(crate) fn all(
        &mut self,
        drivers: &mut [Driven],
        operations: &[Operation],
        proxy: Option<&Proxy>,
    ) -> Result<()> {
        for driven in drivers {
            for operation in operations {
                // Once for what is prepared on the way.
                driven.driver.answers(*operation, COMPARED)?;
                let before = proxy.map_or(0, Proxy::trips);
                let mut answers = driven.driver.answers(*operation, COMPARED)?;
                if let Some(proxy) = proxy {
                    let trips = (proxy.trips() - before) as f64 / COMPARED as f64;
                    self.trips.insert((operation.name(), driven.side, driven.language), trips);
                }
                if operation.inserts() {
                    for answer in &mut answers {
                        let id = answer.as_object_mut().and_then(|answer| answer.remove("id"));
                        id.and_then(|id| id.as_i64()).ok_or("a new row has no id")?;
                    }
                }
                let first = self.answers.entry(operation.name()).or_insert_with(|| answers.clone());
                if first.len() != answers.len() {
                    return Err(format!("{}: {} answers", operation.name(), answers.len()).into());
                }
                for (at, (first, answer)) in first.iter().zip(&answers).enumerate() {
                    if !is_same(first, answer) {
                        let who = format!("{} {:?} {:?}", operation.name(), driven.side, driven.language);
                        return Err(format!("{who}, {at}: {answer} instead of {first}").into());
                    }
                }
            }
        }
        Ok(())
    }
}

fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => match (one.as_f64(), other.as_f64()) {
            (Some(one), Some(other)) => (one - other).abs() < TOLERANCE,
            (None, _) | (_, None) => false,
        },
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, one)| other.get(name).is_some_and(|other| is_same(one, other)))
        }
        (one, other) => one == other,
    }
}
