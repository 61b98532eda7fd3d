//! Loads a large database of twelve entities and a small one, and asks both for the same number of objects: what size costs.

mod answer;
mod fetch;
mod load;
mod options;
mod process;
mod report;
mod shop;
mod store;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tempfile::TempDir;

use fetch::{Keys, Side, Size};
use load::Loaded;
use options::Options;
use shop::Shop;

/// As of the `ormdb` binary and the bindings.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    match Options::parse().settled().and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("size-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let place = Place::of(options)?;
    let shops = [(Size::Small, options.small_rows), (Size::Large, options.rows)]
        .map(|(size, rows)| (size, Shop::new(options.seed, rows)));
    println!("seed {}, {} rows a transaction, not synced", options.seed, load::BATCH);
    print!("{}", report::given(options));
    let mut loads: Vec<Loaded> = Vec::new();
    for (size, shop) in shops {
        if let Some(loaded) = place.load(size, shop, options)? {
            print!("{}", report::load(&loaded));
            loads.push(loaded);
        }
    }
    process::forget_peak_memory()?;
    let [small, large] = shops;
    let sides = [small, large].map(|(size, shop)| Side::open(size, &place.of_size(size), shop, options));
    let [small, large] = sides;
    let sides = [small?, large?];
    let measurements = fetch::measure_all(&sides, options)?;
    println!(
        "\n{} hot orders and products, {} rounds of {} fetches\n",
        options.hot, options.rounds, options.fetches
    );
    print!("{}", report::fetches(&measurements, Keys::Hot));
    println!("\nany order or product, {} fetches, behind that\n", options.fetches);
    print!("{}", report::fetches(&measurements, Keys::Any));
    print!("\n{}", report::memory(process::peak_memory_bytes()?));
    print!("\n{}", report::bars(&loads, &measurements, options));
    Ok(())
}

/// Where the databases are.
enum Place {
    Kept(PathBuf),
    Temporary(TempDir),
}

impl Place {
    fn of(options: &Options) -> Result<Place> {
        std::fs::create_dir_all(&options.dir)?;
        if options.keep {
            return Ok(Place::Kept(options.dir.clone()));
        }
        Ok(Place::Temporary(tempfile::tempdir_in(&options.dir)?))
    }

    fn of_size(&self, size: Size) -> PathBuf {
        let directory = match self {
            Place::Kept(directory) => directory,
            Place::Temporary(directory) => directory.path(),
        };
        directory.join(size.name())
    }

    /// Loads a database, if it is not there from a run before.
    fn load(&self, size: Size, shop: Shop, options: &Options) -> Result<Option<Loaded>> {
        let path = self.of_size(size);
        let (told, telling) = (path.with_extension("loaded"), format!("{shop:?}\n"));
        if path.exists() {
            if std::fs::read_to_string(&told).is_ok_and(|text| text == telling) {
                println!("\n{} rows are in {} already", shop.rows(), path.display());
                return Ok(None);
            }
            let rows = shop.rows();
            return Err(format!("{} is not the whole load of {rows} rows: remove it", path.display()).into());
        }
        let loaded = load::load(&path, shop, options)?;
        std::fs::write(told, telling)?;
        Ok(Some(loaded))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quick_run_gives_the_right_objects() {
        let directory = tempfile::tempdir().unwrap();
        let arguments = ["size-bench", "--quick", "--keep", "--dir", directory.path().to_str().unwrap()];
        let options = Options::parse_from(arguments).settled().unwrap();
        run(&options).unwrap();
        // What was kept is used again.
        run(&options).unwrap();
        let other_rows = Options { rows: options.rows * 2, ..options };
        assert!(run(&other_rows).unwrap_err().to_string().contains("not the whole load"));
    }

    #[test]
    fn options_that_cannot_be_met_are_told() {
        let error = |arguments: &[&str]| {
            let parsed = Options::try_parse_from([&["size-bench"], arguments].concat());
            parsed.map_err(Into::into).and_then(Options::settled).unwrap_err().to_string()
        };
        assert!(error(&["--row", "5"]).contains("unexpected argument '--row'"));
        assert!(error(&["--rounds", "0"]).contains("'0' for '--rounds <ROUNDS>'"));
        assert!(error(&["--hot", "1001", "--small-rows", "25000"]).contains("1000 products"));
    }
}
