//! Point graph fetches: the same number of hot objects in the small database and in the large one, in turn; and any object at all.

use std::path::Path;
use std::time::Instant;

use fastrand::Rng;
use ormdb::{Database, Outcome, Prepared, Session};

use crate::Result;
use crate::answer::{Fetched, Known, Order, Product};
use crate::options::Options;
use crate::process::cpu_seconds;
use crate::shop::Shop;
use crate::store;

/// How often all hot objects are fetched before any fetch is measured.
const WARM_UPS: usize = 3;

/// One of the databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    Small,
    Large,
}

impl Size {
    pub(crate) const ALL: [Size; 2] = [Size::Small, Size::Large];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Size::Small => "small",
            Size::Large => "large",
        }
    }
}

/// What is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    /// Objects that were fetched often before.
    Hot,
    /// Any object.
    Any,
}

/// What some fetches of one kind from one database took, each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measurement {
    pub(crate) name: &'static str,
    pub(crate) size: Size,
    pub(crate) keys: Keys,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) mean_us: f64,
    pub(crate) cpu_us: f64,
    pub(crate) rows: f64,
    /// Blocks that were looked for, and the share of them that was in the cache.
    pub(crate) blocks: f64,
    pub(crate) hits: f64,
    /// Bytes in the cache behind them.
    pub(crate) cached_bytes: f64,
}

/// A database that is open.
pub(crate) struct Side {
    size: Size,
    shop: Shop,
    database: Database,
    session: Session,
}

/// The fetch of one kind from one database.
struct Fetch<'a> {
    side: &'a Side,
    prepared: Prepared,
    hot: Vec<i64>,
}

impl Side {
    pub(crate) fn open(size: Size, path: &Path, shop: Shop, options: &Options) -> Result<Side> {
        let database = store::open(path, options)?;
        let session = database.session();
        Ok(Side { size, shop, database, session })
    }
}

/// Everything that is measured: what is hot first, for any object drives that out of the cache.
pub(crate) fn measure_all(sides: &[Side; 2], options: &Options) -> Result<Vec<Measurement>> {
    let mut rng = Rng::with_seed(options.seed);
    let orders = Fetch::of_both::<Order>(sides, options, &mut rng)?;
    let products = Fetch::of_both::<Product>(sides, options, &mut rng)?;
    let mut measurements = Vec::new();
    for round in 0..options.rounds {
        measurements.extend(measure_hot::<Order>(&orders, round, options, &mut rng)?);
        measurements.extend(measure_hot::<Product>(&products, round, options, &mut rng)?);
    }
    for (order, product) in orders.iter().zip(&products) {
        measurements.push(order.measure_any::<Order>(options, &mut rng)?);
        measurements.push(product.measure_any::<Product>(options, &mut rng)?);
    }
    Ok(measurements)
}

/// The same places of both hot sets, in the same order, from one database and then from the other.
fn measure_hot<T: Fetched>(
    fetches: &[Fetch<'_>; 2],
    round: u32,
    options: &Options,
    rng: &mut Rng,
) -> Result<[Measurement; 2]> {
    let places: Vec<i64> = (0..options.fetches).map(|_| rng.i64(0..options.hot)).collect();
    let of = |fetch: &Fetch<'_>| {
        let hot = |place: &i64| fetch.hot.get(usize::try_from(*place).ok()?).copied();
        fetch.measure::<T>(Keys::Hot, &places.iter().filter_map(hot).collect::<Vec<_>>())
    };
    let [small, large] = fetches;
    if round.is_multiple_of(2) {
        let of_small = of(small)?;
        Ok([of_small, of(large)?])
    } else {
        let of_large = of(large)?;
        Ok([of(small)?, of_large])
    }
}

impl<'a> Fetch<'a> {
    /// The fetch of the hot objects from both databases: they were compared, and all are in the cache.
    fn of_both<T: Fetched>(sides: &'a [Side; 2], options: &Options, rng: &mut Rng) -> Result<[Fetch<'a>; 2]> {
        let [small, large] = sides;
        let mut of = |side: &'a Side| {
            let hot = Shop::spread(T::count(&side.shop), options.hot, rng);
            let fetch = Fetch { side, prepared: side.session.prepare(T::TEXT)?, hot };
            fetch.check::<T>()?;
            for _ in 0..WARM_UPS {
                for id in &fetch.hot {
                    fetch.run::<T>(*id)?;
                }
            }
            Ok(fetch)
        };
        let of_small: Result<_> = of(small);
        Ok([of_small?, of(large)?])
    }
}

impl Fetch<'_> {
    /// Every hot object is what was loaded.
    fn check<T: Fetched>(&self) -> Result<()> {
        let known = Known::of(self.side.shop, &self.hot);
        for id in &self.hot {
            let (expected, found) = (T::expected(&known, *id), self.run::<T>(*id)?);
            if expected != found {
                return Err(format!("{} {id} is {found:?} instead of {expected:?}", T::NAME).into());
            }
        }
        Ok(())
    }

    fn run<T: Fetched>(&self, id: i64) -> Result<T> {
        let Outcome::Fetched(result) = self.side.session.run_prepared(&self.prepared, &T::params(id))? else {
            return Err(format!("{} is no fetch", T::TEXT).into());
        };
        let mut found: Vec<T> = result.typed_rows()?;
        match (found.pop(), found.len()) {
            (Some(object), 0) => Ok(object),
            _ => Err(format!("{} {id} is not there once", T::NAME).into()),
        }
    }

    fn measure_any<T: Fetched>(&self, options: &Options, rng: &mut Rng) -> Result<Measurement> {
        let count = T::count(&self.side.shop);
        let ids: Vec<i64> = (0..options.fetches).map(|_| rng.i64(1..=count)).collect();
        self.measure::<T>(Keys::Any, &ids)
    }

    /// Fetches objects one after another.
    fn measure<T: Fetched>(&self, keys: Keys, ids: &[i64]) -> Result<Measurement> {
        let mut micros = Vec::with_capacity(ids.len());
        let mut rows = 0;
        let stats = self.side.database.engine_stats();
        let cpu_began = cpu_seconds();
        for id in ids {
            let began = Instant::now();
            let object = std::hint::black_box(self.run::<T>(*id)?);
            micros.push(began.elapsed().as_secs_f64() * 1e6);
            rows += object.rows();
        }
        let cpu_us = (cpu_seconds() - cpu_began) * 1e6;
        let now = self.side.database.engine_stats();
        let hits = (now.cache_hits - stats.cache_hits) as f64;
        let blocks = hits + (now.cache_misses - stats.cache_misses) as f64;
        let count = ids.len() as f64;
        let mean_us = micros.iter().sum::<f64>() / count;
        micros.sort_by(f64::total_cmp);
        let at = |per_cent: usize| micros.get((ids.len() - 1) * per_cent / 100).copied().unwrap_or(f64::NAN);
        Ok(Measurement {
            name: T::NAME,
            size: self.side.size,
            keys,
            p50_us: at(50),
            p99_us: at(99),
            mean_us,
            cpu_us: cpu_us / count,
            rows: rows as f64 / count,
            blocks: blocks / count,
            hits: hits / blocks,
            cached_bytes: now.cache_bytes as f64,
        })
    }
}
