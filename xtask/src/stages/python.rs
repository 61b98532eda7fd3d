//! The stage `python`: builds the package as a wheel, installs it into an environment of its own, and runs its tests there, which
//! need the `ormdb` binary as well.
//!
//! Everything lies beneath the target directory: the environment, the wheel, and a stamp that says which test packages the
//! environment has, so that a warm run asks no registry.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Outcome, cargo, passes, passes_and_keeps, target_directory};
use crate::missing;

/// What builds the wheel, of the versions that bindings/python/pyproject.toml names.
const MATURIN: &str = "maturin>=1.8,<2";

/// What the tests need beside the package.
const TEST_PACKAGES: &[&str] =
    &[MATURIN, "mypy>=1.15", "polars>=1.0", "pyarrow>=18", "pydantic>=2", "pytest>=8"];

/// The profile of the server: that of the stage `tests`, so that little is built twice.
const SERVER_PROFILE: &str = "test";

/// The profile of the wheel, in which the fuzz runner and the benchmarks are built too. In that of tests cargo would make a test
/// program of it.
const WHEEL_PROFILE: &str = "dev";

/// The oldest Python that the package runs on.
const PYTHON_MIN: &str = "3.10";

/// The place of the stage beneath the target directory.
struct Place {
    directory: PathBuf,
    package: PathBuf,
}

pub(super) fn run(root: &Path) -> Outcome {
    let place = match Place::installed(root) {
        Ok(place) => place,
        Err(why) => {
            println!("python: {why}");
            return Outcome { passed: false, closing_lines: vec![why] };
        }
    };
    let (passed, mut closing_lines) = place.tests_pass(root);
    if !place.types_hold() {
        closing_lines.push("the types of the package do not hold".to_owned());
        return Outcome { passed: false, closing_lines };
    }
    Outcome { passed, closing_lines }
}

/// The Python of an environment that has the package of this tree; what is missing, where it cannot be made.
pub(crate) fn installed(root: &Path) -> Result<PathBuf, String> {
    Place::installed(root).map(|place| place.python())
}

impl Place {
    /// Builds the server and the package, and installs the latter into the environment of the tests.
    fn installed(root: &Path) -> Result<Place, String> {
        let directory = Path::new(&target_directory(root)).join("python");
        let place = Place { directory, package: root.join("bindings/python") };
        match place.prepare() {
            Ok(None) => {}
            Ok(Some(missing)) => return Err(missing),
            Err(error) => return Err(format!("the environment of the tests cannot be made: {error}")),
        }
        if !(place.server_is_built(root) && place.package_is_installed(root)) {
            return Err("the package could not be built".to_owned());
        }
        Ok(place)
    }

    fn python(&self) -> PathBuf {
        self.directory.join("venv/bin/python")
    }

    /// Makes the environment with the packages of the tests, unless it is there; says what is missing for that.
    fn prepare(&self) -> io::Result<Option<String>> {
        let stamp = self.directory.join("packages");
        let wanted = TEST_PACKAGES.join("\n");
        if self.python().exists() && fs::read_to_string(&stamp).is_ok_and(|packages| packages == wanted) {
            return Ok(None);
        }
        if !is_there() {
            return Ok(Some(format!(
                "there is no `python3` of {PYTHON_MIN} or newer with venv and ensurepip, which bindings/python needs"
            )));
        }
        fs::create_dir_all(&self.directory)?;
        if !environment_is_made(&self.directory.join("venv"), TEST_PACKAGES) {
            return Ok(Some(format!("pip cannot install what the tests need: {}", TEST_PACKAGES.join(", "))));
        }
        fs::write(stamp, wanted)?;
        Ok(None)
    }

    fn server_is_built(&self, root: &Path) -> bool {
        let mut build = cargo(root);
        build.args([
            "build",
            "--quiet",
            "--profile",
            SERVER_PROFILE,
            "--package",
            "ormdb-server",
            "--bin",
            "ormdb",
        ]);
        passes(&mut build)
    }

    /// Builds the wheel and installs it.
    fn package_is_installed(&self, root: &Path) -> bool {
        let wheels = self.directory.join("wheels");
        if let Err(error) = clear(&wheels) {
            println!("{} cannot be emptied: {error}", wheels.display());
            return false;
        }
        let mut maturin = Command::new(self.python());
        maturin.args(["-m", "maturin", "build", "--quiet", "--profile", WHEEL_PROFILE, "--out"]).arg(&wheels);
        maturin.arg("--interpreter").arg(self.python()).current_dir(&self.package);
        maturin.env("CARGO_TARGET_DIR", target_directory(root));
        let mut pip = Command::new(self.python());
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"]);
        pip.args(["--no-deps", "--force-reinstall", "--find-links"]).arg(&wheels).arg("ormdb");
        passes(&mut maturin) && passes(&mut pip)
    }

    fn tests_pass(&self, root: &Path) -> (bool, Vec<String>) {
        let server = Path::new(&target_directory(root)).join("debug/ormdb");
        let mut tests = Command::new(self.python());
        tests.args(["-m", "pytest", "--quiet", "-p", "no:cacheprovider"]).current_dir(&self.package);
        tests.env("ORMDB_BINARY", server).env("PYTHONDONTWRITEBYTECODE", "1");
        passes_and_keeps(
            &mut tests,
            |_| true,
            |line| line.contains(" passed in ") || line.contains(" failed"),
        )
    }

    /// Whether the package is typed as it says: its own code, and its stubs beside the native module.
    fn types_hold(&self) -> bool {
        let mut types = Command::new(self.python());
        types.args(["-m", "mypy", "--strict", "--package", "ormdb", "--cache-dir"]);
        types.arg(self.directory.join("mypy")).current_dir(&self.directory);
        let mut stubs = Command::new(self.python());
        stubs
            .args(["-m", "mypy.stubtest", "ormdb._native", "--ignore-disjoint-bases"])
            .current_dir(&self.directory);
        passes(&mut types) && passes(&mut stubs)
    }
}

/// Whether there is a Python that the stage can do with, if need be after installing it.
pub(crate) fn is_there() -> bool {
    missing::installed("Python", &["python3", "python3-venv"], || {
        let asks = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))";
        let python = Command::new("python3").args(["-c", asks]).stderr(Stdio::null()).status();
        python.is_ok_and(|status| status.success())
    })
}

/// The maturin of an environment in the target directory, if need be after installing it.
pub(crate) fn maturin(target: &Path) -> Option<Command> {
    let directory = target.join("maturin");
    let python = directory.join("bin/python");
    let command = || {
        let mut command = Command::new(&python);
        command.args(["-m", "maturin"]);
        command
    };
    let is_made = || {
        let version = command().arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        version.is_ok_and(|status| status.success())
    };
    let made = is_made() || (is_there() && environment_is_made(&directory, &[MATURIN]) && is_made());
    made.then(command)
}

/// Makes an environment with packages of pip in a directory, which is emptied first.
pub(crate) fn environment_is_made(directory: &Path, packages: &[&str]) -> bool {
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv", "--clear"]).arg(directory);
    let mut pip = Command::new(directory.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(packages);
    passes(&mut venv) && passes(&mut pip)
}

fn clear(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
