//! Values that are made anew for each row: identifiers and times.
//!
//! Invariants: (1) randomness comes through the `Entropy` seam and time from the transaction, so that tests own both;
//! (2) the UUIDs of version 7 and the ULIDs of one process ascend strictly, also within a millisecond and when the
//! clock goes back.

use std::sync::Arc;

use ordinum::entropy::Entropy;
use ormdb_proto::schema::{FieldType, Generator, ScalarType};
use ormdb_proto::value::temporal::MICROS_PER_DAY;
use ormdb_proto::{Error, ErrorCode, Result, Value};
use parking_lot::Mutex;

use crate::engine::EngineResult;

const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const BASE_36: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
const URL_SAFE: &[u8; 64] = b"useandom-26T198340PX75pxJACKVERYMINDBUSHWOLF_GQZbfghjklqvwyzrict";
const NANOID_CHARS: usize = 21;
const CUID_CHARS: usize = 25;
const ULID_CHARS: u32 = 26;
/// How many bits of a version 7 UUID count within a millisecond.
const V7_COUNTER_BITS: u32 = 74;

/// Makes identifiers.
#[derive(Debug)]
pub(crate) struct Generators {
    entropy: Arc<dyn Entropy>,
    last_v7: Mutex<Tick>,
    last_ulid: Mutex<Tick>,
}

/// The last time and count of an ascending identifier.
#[derive(Clone, Copy, Debug, Default)]
struct Tick {
    millis: u64,
    count: u128,
}

impl Tick {
    /// The next tick at `millis`, beginning at `random` within a new millisecond.
    fn advance(&mut self, millis: u64, random: u128, bits: u32) -> Tick {
        let full = (1u128 << bits) - 1;
        if millis > self.millis {
            // Half of the room is left to count up in.
            *self = Tick { millis, count: random & (full >> 1) };
        } else if self.count < full {
            self.count += 1;
        } else {
            *self = Tick { millis: self.millis + 1, count: random & (full >> 1) };
        }
        *self
    }
}

impl Generators {
    /// Generators over a random source.
    pub(crate) fn new(entropy: Arc<dyn Entropy>) -> Generators {
        Generators { entropy, last_v7: Mutex::default(), last_ulid: Mutex::default() }
    }

    /// A new value for a field of type `ty`, in a transaction that began at `now` (microseconds since 1970).
    ///
    /// # Errors
    /// `Io` if the random source fails; `Internal` of an autoincrement, which sequences make.
    pub(crate) fn generate(&self, generator: Generator, ty: FieldType, now: i64) -> Result<Value> {
        let millis = u64::try_from(now / 1000).unwrap_or(0);
        match generator {
            Generator::Autoincrement => {
                Err(Error::new(ErrorCode::Internal, "an autoincrement comes from its sequence"))
            }
            Generator::UuidV4 => {
                let bytes = self.random::<16>()?;
                Ok(uuid_value(uuid::Builder::from_random_bytes(bytes).into_uuid(), ty))
            }
            Generator::UuidV7 => self.uuid_v7(millis).map(|id| uuid_value(id, ty)),
            Generator::Ulid => self.ulid(millis).map(Value::String),
            Generator::Cuid => self.cuid(millis).map(Value::String),
            Generator::Nanoid => {
                let random = self.random::<NANOID_CHARS>()?;
                Ok(Value::String(random.iter().map(|b| digit(URL_SAFE, u128::from(b & 63))).collect()))
            }
            Generator::Now => Ok(now_value(ty, now)),
        }
    }

    fn random<const N: usize>(&self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.entropy.fill(&mut bytes).engine()?;
        Ok(bytes)
    }

    fn uuid_v7(&self, millis: u64) -> Result<uuid::Uuid> {
        let random = u128::from_le_bytes(self.random()?);
        let tick = self.last_v7.lock().advance(millis, random, V7_COUNTER_BITS);
        // | 48 bits of milliseconds | version 7 | 12 bits | variant 0b10 | 62 bits |
        let low = tick.count & ((1 << 62) - 1);
        let high = tick.count >> 62;
        let bits = u128::from(tick.millis) << 80 | 7 << 76 | high << 64 | 0b10 << 62 | low;
        Ok(uuid::Uuid::from_u128(bits))
    }

    fn ulid(&self, millis: u64) -> Result<String> {
        let random = u128::from_le_bytes(self.random()?);
        let tick = self.last_ulid.lock().advance(millis, random, 80);
        let bits = u128::from(tick.millis) << 80 | tick.count;
        Ok((0..ULID_CHARS).rev().map(|at| digit(CROCKFORD, bits >> (at * 5) & 31)).collect())
    }

    fn cuid(&self, millis: u64) -> Result<String> {
        let mut text = String::with_capacity(CUID_CHARS);
        text.push('c');
        text.push_str(&base_36(u128::from(millis), 8));
        let random = u128::from_le_bytes(self.random()?);
        text.push_str(&base_36(random, CUID_CHARS - 9));
        Ok(text)
    }
}

/// The time at which a transaction began, as a value of a time type.
pub(crate) fn now_value(ty: FieldType, now: i64) -> Value {
    match ty.scalar() {
        ScalarType::LocalDateTime => Value::LocalDateTime(now),
        ScalarType::Date => Value::Date(i32::try_from(now.div_euclid(MICROS_PER_DAY)).unwrap_or(i32::MAX)),
        ScalarType::Time => Value::Time(now.rem_euclid(MICROS_PER_DAY)),
        _ => Value::DateTime(now),
    }
}

fn uuid_value(id: uuid::Uuid, ty: FieldType) -> Value {
    match ty.scalar() {
        ScalarType::String { .. } => Value::String(id.to_string()),
        _ => Value::Uuid(id.into_bytes()),
    }
}

fn digit(alphabet: &[u8], at: u128) -> char {
    usize::try_from(at).ok().and_then(|at| alphabet.get(at)).map_or('0', |b| char::from(*b))
}

/// The last `width` digits of `n` in base 36.
fn base_36(mut n: u128, width: usize) -> String {
    let mut digits = vec!['0'; width];
    for place in digits.iter_mut().rev() {
        *place = digit(BASE_36, n % 36);
        n /= 36;
    }
    digits.into_iter().collect()
}

#[cfg(test)]
mod tests;
