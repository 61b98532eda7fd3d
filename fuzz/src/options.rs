//! The command line of the runner.

use std::path::PathBuf;

/// How the runner is called.
pub const USAGE: &str = "\
usage: ormdb-fuzz [--target NAME|all] [--seconds N | --seconds-total N] [--seed S] [--corpus DIR]
       ormdb-fuzz --target NAME --input FILE
       ormdb-fuzz --list

  --target NAME       one target, or all of them (default)
  --seconds N         time for each target (default 10)
  --seconds-total N   time for all targets together
  --seed S            the seed of the mutations (default: a new one, which is printed)
  --corpus DIR        kept inputs, a directory per target (default: corpus/ beside the fuzz manifest)
  --findings DIR      where failing inputs are kept (default: findings/ beside the fuzz manifest)
  --input FILE        runs one input and nothing else
  --list              prints the names of the targets
";

/// What the caller asked for.
#[derive(Debug)]
pub struct Options {
    /// None means every target.
    pub target: Option<String>,
    /// Seconds for each target.
    pub seconds: Option<u64>,
    /// Seconds for all targets together.
    pub seconds_total: Option<u64>,
    /// The seed of the mutations.
    pub seed: u64,
    /// Kept inputs.
    pub corpus: PathBuf,
    /// Failing inputs.
    pub findings: PathBuf,
    /// One input to run.
    pub input: Option<PathBuf>,
    /// Only print the targets' names.
    pub list: bool,
    /// Set by the runner for its child: run one target here and leave each input in this file first.
    pub worker: Option<PathBuf>,
}

impl Options {
    /// Reads the arguments that follow the program's name.
    ///
    /// # Errors
    /// A sentence that names what is wrong.
    pub fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let home = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let mut options = Self {
            target: None,
            seconds: None,
            seconds_total: None,
            seed: fastrand::u64(..),
            corpus: home.join("corpus"),
            findings: home.join("findings"),
            input: None,
            list: false,
            worker: None,
        };
        while let Some(name) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{name} needs a value"));
            match name.as_str() {
                "--target" => options.target = Some(value()?).filter(|target| target != "all"),
                "--seconds" => options.seconds = Some(number(&name, &value()?)?),
                "--seconds-total" => options.seconds_total = Some(number(&name, &value()?)?),
                "--seed" => options.seed = number(&name, &value()?)?,
                "--corpus" => options.corpus = value()?.into(),
                "--findings" => options.findings = value()?.into(),
                "--input" => options.input = Some(value()?.into()),
                "--worker" => options.worker = Some(value()?.into()),
                "--list" => options.list = true,
                _ => return Err(format!("unknown option {name}")),
            }
        }
        if options.seconds.is_some() && options.seconds_total.is_some() {
            return Err("--seconds and --seconds-total exclude each other".to_owned());
        }
        if options.input.is_some() && options.target.is_none() {
            return Err("--input needs one --target".to_owned());
        }
        Ok(options)
    }
}

fn number(name: &str, text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{name} needs a number, not {text}"))
}
