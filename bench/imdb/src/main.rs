//! Runs a movie site on ormDB, PostgreSQL and SQLite, from Rust, Python and Node: the same operations, which give the same answers.

mod answer;
mod arguments;
mod compare;
mod data;
mod driver;
mod floor;
mod operation;
mod options;
mod process_cpu;
mod proxy;
mod report;
mod rust;
mod server;
mod sides;
mod statements;
mod times;

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;

use compare::Checked;
use driver::{Driver, Load};
use floor::Floor;
use operation::Operation;
use options::Options;
use report::Measurement;
use sides::{Language, Place, Side, Site};

/// Of every Rust side alike: SQLite comes to it too, because the program exports `malloc`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// How many connections there are at most.
const CONNECTIONS: usize = 8;
/// So many operations of a measurement have numbers of their own, half of them for the warming up.
const NUMBERS: usize = 2_000_000;
/// Before each measurement, this part of its time is run without being counted.
const WARM: f64 = 0.25;

/// A driver, and whose it is.
struct Driven {
    side: Side,
    language: Language,
    driver: Box<dyn Driver>,
}

fn main() -> ExitCode {
    match run(&Options::parse().settled()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("imdb-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    println!("load of the machine before the run: {}", load_average());
    let mut site = Site::load(options)?;
    let mut checked = Checked::default();
    let (mut measurements, mut floors) = (Vec::new(), Vec::new());
    let reads: Vec<_> = options.wanted().into_iter().filter(|operation| !operation.writes()).collect();
    let writes: Vec<_> = options.wanted().into_iter().filter(|operation| operation.writes()).collect();
    // What is read is compared on every side before anything is written.
    if options.wants_place("embedded") {
        for language in Language::ALL {
            checked.all(&mut site.open(options, language)?, &reads, None)?;
        }
    }
    if options.wants_place("remote") {
        site.serve(options)?;
        for operations in [&reads, &writes] {
            for language in Language::ALL {
                for (mut driven, proxy) in site.connect_through_proxies(options, language)? {
                    checked.all(std::slice::from_mut(&mut driven), operations, Some(&proxy))?;
                    site.wrote(driven.side, operations, checked.count());
                }
            }
        }
        let mut drivers = Vec::new();
        for language in Language::ALL {
            drivers.extend(site.connect(options, language)?);
        }
        for round in 0..options.rounds {
            floors.push(Floor::measure(&options.dir, CONNECTIONS, options.seconds * WARM)?);
            for (operation, connections) in
                options.wanted().into_iter().flat_map(|operation| [(operation, 1), (operation, CONNECTIONS)])
            {
                let plan = Plan { place: Place::Remote, round, operation, connections };
                plan.measure(options, &mut site, &mut drivers, &mut measurements)?;
            }
        }
        drop(drivers);
        site.stop_ormdb();
    }
    if options.wants_place("embedded") {
        for round in 0..options.rounds {
            for language in Language::ALL {
                let mut drivers = site.open(options, language)?;
                if round == 0 {
                    checked.all(&mut drivers, &writes, None)?;
                    for driven in &drivers {
                        site.wrote(driven.side, &writes, checked.count());
                    }
                }
                for operation in options.wanted() {
                    let plan = Plan { place: Place::Embedded, round, operation, connections: 1 };
                    plan.measure(options, &mut site, &mut drivers, &mut measurements)?;
                }
            }
        }
    }
    site.is_as_written(options)?;
    report::write(options, &measurements)?;
    print!("{}", report::tables((&measurements, &floors), &checked));
    println!("load of the machine after the run: {}", load_average());
    Ok(())
}

/// What is measured of several drivers.
#[derive(Clone, Copy)]
struct Plan {
    place: Place,
    round: u32,
    operation: Operation,
    connections: usize,
}

impl Plan {
    /// Every driver, one behind the other; the one that begins changes from round to round.
    fn measure(
        self,
        options: &Options,
        site: &mut Site,
        drivers: &mut [Driven],
        measurements: &mut Vec<Measurement>,
    ) -> Result<()> {
        let count = drivers.len().max(1);
        let Plan { operation, connections, .. } = self;
        for number in 0..drivers.len() {
            let Some(driven) = drivers.get_mut((number + self.round as usize) % count) else { continue };
            // No operation of another measurement has the same number, and so the same title.
            let first = NUMBERS * (measurements.len() + 1);
            let warm = Load { operation, connections, seconds: options.seconds * WARM, first };
            let warmed = driven.driver.run(warm)?;
            let server = site.server(driven.side);
            let before = server.map(process_cpu::tree_micros);
            let load = Load { operation, connections, seconds: options.seconds, first: first + NUMBERS / 2 };
            let run = driven.driver.run(load)?;
            let server_cpu = server.map(|id| process_cpu::tree_micros(id) - before.unwrap_or(0.0));
            site.wrote(driven.side, &[operation], usize::try_from(warmed.operations + run.operations)?);
            let measured =
                Measurement::new(self.place, (driven.side, driven.language), load, run, server_cpu);
            measurements.push(measured);
        }
        Ok(())
    }
}

/// What the kernel says of the last minutes.
fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// Since when something has been done.
pub(crate) fn seconds_since(began: Instant) -> f64 {
    began.elapsed().as_secs_f64()
}
