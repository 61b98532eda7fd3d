//! The databases of a run, and the drivers on them.
//!
//! Invariant: the directory of ormDB is open in one process at a time: it is served, or open in one driver.

use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Instant;

use fastrand::Rng;
use tempfile::TempDir;

use crate::arguments::Given;
use crate::data::Data;
use crate::driver::{Driver, Process};
use crate::operation::Operation;
use crate::options::Options;
use crate::proxy::Proxy;
use crate::rust::embedded::{self, Embedded};
use crate::rust::lite::{self, Lite};
use crate::rust::{postgres, remote};
use crate::server::Server;
use crate::{CONNECTIONS, Driven, Result, seconds_since};

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Side {
    Ormdb,
    Postgres,
    Sqlite,
}

/// Whose program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Language {
    Rust,
    Python,
    Node,
}

/// Where the database is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Behind a server, over loopback.
    Remote,
    /// In the process of the driver.
    Embedded,
}

impl Side {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Side::Ormdb => "ormdb",
            Side::Postgres => "postgres",
            Side::Sqlite => "sqlite",
        }
    }
}

impl Language {
    pub(crate) const ALL: [Language; 3] = [Language::Rust, Language::Python, Language::Node];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Language::Rust => "rust",
            Language::Python => "python",
            Language::Node => "node",
        }
    }
}

impl Place {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Place::Remote => "remote",
            Place::Embedded => "embedded",
        }
    }
}

/// The databases of a run.
pub(crate) struct Site {
    given: Rc<Given>,
    given_file: PathBuf,
    ormdb: PathBuf,
    sqlite: PathBuf,
    ormdb_server: Option<Server>,
    postgres: Option<Server>,
    /// Movies and users that each is to have.
    expected: HashMap<Side, [i64; 2]>,
    /// The databases; removed behind the servers.
    _directory: TempDir,
}

impl Site {
    /// Makes the data, and loads all databases that are wanted.
    pub(crate) fn load(options: &Options) -> Result<Site> {
        let mut rng = Rng::with_seed(options.seed);
        let data = Data::new(options.movies, &mut rng);
        let given = Rc::new(Given::new(&data, &mut rng));
        println!("{} rows, seed {}, {} round(s)", data.rows(), options.seed, options.rounds);
        std::fs::create_dir_all(&options.dir)?;
        let directory = tempfile::tempdir_in(std::path::absolute(&options.dir)?)?;
        // The user that PostgreSQL runs as goes through it.
        std::fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        let mut site = Site {
            given_file: directory.path().join("given.json"),
            ormdb: directory.path().join("ormdb"),
            sqlite: directory.path().join("sqlite"),
            given,
            ormdb_server: None,
            postgres: None,
            expected: HashMap::new(),
            _directory: directory,
        };
        site.given.write(&site.given_file)?;
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let counts = [count(data.movies.len()), count(data.users.len())];
        let mut loaded = |side: Side, began: Instant| {
            println!("{} loaded in {:.1} s", side.name(), seconds_since(began));
            site.expected.insert(side, counts);
        };
        if options.wants_side("ormdb") {
            let began = Instant::now();
            embedded::load(&site.ormdb, &data, options.cache_mib)?;
            loaded(Side::Ormdb, began);
        }
        if options.wants_side("sqlite") && options.wants_place("embedded") {
            let began = Instant::now();
            lite::load(&site.sqlite, &data, options.cache_mib)?;
            loaded(Side::Sqlite, began);
        }
        if options.wants_side("postgres") && options.wants_place("remote") {
            let began = Instant::now();
            let cluster = site.given_file.with_file_name("postgres");
            std::fs::create_dir(&cluster)?;
            let server = Server::postgres(options, &cluster)?;
            postgres::load(server.address, &data)?;
            loaded(Side::Postgres, began);
            site.postgres = Some(server);
        }
        Ok(site)
    }

    /// Serves ormDB's directory.
    pub(crate) fn serve(&mut self, options: &Options) -> Result<()> {
        if options.wants_side("ormdb") {
            self.ormdb_server = Some(Server::ormdb(options, &self.ormdb)?);
        }
        Ok(())
    }

    pub(crate) fn stop_ormdb(&mut self) {
        self.ormdb_server = None;
    }

    /// The process of a side's server.
    pub(crate) fn server(&self, side: Side) -> Option<u32> {
        self.remote(side).map(Server::id)
    }

    const fn remote(&self, side: Side) -> Option<&Server> {
        match side {
            Side::Ormdb => self.ormdb_server.as_ref(),
            Side::Postgres => self.postgres.as_ref(),
            Side::Sqlite => None,
        }
    }

    /// The drivers of a language on both servers.
    pub(crate) fn connect(&self, options: &Options, language: Language) -> Result<Vec<Driven>> {
        let sides = [Side::Ormdb, Side::Postgres].into_iter();
        let servers = sides.filter_map(|side| Some((side, self.remote(side)?.address)));
        servers
            .filter(|_| wants(options, language))
            .map(|(side, address)| self.remote_driver(options, (side, language), address, CONNECTIONS))
            .collect()
    }

    /// The same, each with one connection that goes through a relay.
    pub(crate) fn connect_through_proxies(
        &self,
        options: &Options,
        language: Language,
    ) -> Result<Vec<(Driven, Proxy)>> {
        let mut drivers = Vec::new();
        for side in [Side::Ormdb, Side::Postgres] {
            let Some(server) = self.remote(side) else { continue };
            if wants(options, language) {
                let proxy = Proxy::start(server.address)?;
                drivers.push((self.remote_driver(options, (side, language), proxy.address, 1)?, proxy));
            }
        }
        Ok(drivers)
    }

    fn remote_driver(
        &self,
        options: &Options,
        (side, language): (Side, Language),
        address: std::net::SocketAddr,
        connections: usize,
    ) -> Result<Driven> {
        let driver: Box<dyn Driver> = match (language, side) {
            (Language::Rust, Side::Ormdb) => {
                Box::new(remote::connect(&format!("ormdb://{address}"), connections, &self.given)?)
            }
            (Language::Rust, Side::Postgres | Side::Sqlite) => {
                Box::new(postgres::connect(address, connections, &self.given)?)
            }
            (Language::Python | Language::Node, _) => {
                let place = match side {
                    Side::Ormdb => format!("ormdb://{address}"),
                    Side::Postgres | Side::Sqlite => format!("postgres://imdb@{address}/postgres"),
                };
                Box::new(self.process(options, language, (side, &place), connections)?)
            }
        };
        Ok(Driven { side, language, driver })
    }

    /// The drivers of a language with the databases in their processes.
    pub(crate) fn open(&self, options: &Options, language: Language) -> Result<Vec<Driven>> {
        let mut drivers = Vec::new();
        for (side, path) in [(Side::Ormdb, &self.ormdb), (Side::Sqlite, &self.sqlite)] {
            // Node 20 has no SQLite of its own.
            let is_there = (language, side) != (Language::Node, Side::Sqlite);
            if !(is_there && wants(options, language) && options.wants_side(side.name())) {
                continue;
            }
            let driver: Box<dyn Driver> = match (language, side) {
                (Language::Rust, Side::Ormdb) => {
                    Box::new(Embedded::open(path, options.cache_mib, &self.given)?)
                }
                (Language::Rust, Side::Sqlite | Side::Postgres) => {
                    Box::new(Lite::open(path, options.cache_mib, &self.given)?)
                }
                (Language::Python | Language::Node, _) => {
                    let path = path.to_str().ok_or("the path is no text")?;
                    Box::new(self.process(options, language, (side, path), 1)?)
                }
            };
            drivers.push(Driven { side, language, driver });
        }
        Ok(drivers)
    }

    fn process(
        &self,
        options: &Options,
        language: Language,
        (side, place): (Side, &str),
        connections: usize,
    ) -> Result<Process> {
        let (program, script) = match language {
            Language::Python => (&options.python, "driver.py"),
            Language::Node | Language::Rust => (&options.node, "driver.js"),
        };
        let args = [side.name(), place, &connections.to_string()];
        Process::start(program, &options.drivers.join(script), args, &self.given_file)
    }

    /// Says that operations were run on a side, each so many times.
    pub(crate) fn wrote(&mut self, side: Side, operations: &[Operation], count: usize) {
        let Some([movies, users]) = self.expected.get_mut(&side) else { return };
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        for operation in operations {
            match operation {
                Operation::InsertMovie => *movies += count,
                Operation::InsertUser => *users += count,
                Operation::GetMovie | Operation::GetPerson | Operation::GetUser | Operation::UpdateMovie => {}
            }
        }
    }

    /// Every side has the rows that were written, each once.
    pub(crate) fn is_as_written(&self, options: &Options) -> Result<()> {
        for (side, expected) in &self.expected {
            let found = match side {
                Side::Ormdb => embedded::counts(&self.ormdb, options.cache_mib)?,
                Side::Sqlite => lite::counts(&self.sqlite, options.cache_mib)?,
                Side::Postgres => match &self.postgres {
                    Some(server) => postgres::counts(server.address)?,
                    None => *expected,
                },
            };
            if found != *expected {
                return Err(
                    format!("{} has {found:?} movies and users, not {expected:?}", side.name()).into()
                );
            }
        }
        Ok(())
    }
}

fn wants(options: &Options, language: Language) -> bool {
    options.languages.iter().any(|wanted| wanted == language.name())
}
