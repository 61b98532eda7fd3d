//! A directory to work in, and the binary.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// A small shop.
pub(crate) const SHOP: &str = r#"// A shop.

enum Colour { red, green, blue }

entity Maker {
  id     int64   @id
  name   string  @unique
  goods  Good[]
}

entity Good {
  id       int64          @id @default(autoincrement())
  name     string(20)
  price    decimal(10,2)  @check(price >= 0)
  colour   Colour?
  made     date?
  tags     string[]?
  extra    json?
  makerId  int64?
  maker    Maker?         @relation(makerId -> Maker.id, onDelete: cascade)
}
"#;

/// A directory to work in.
pub(crate) struct Bench {
    dir: tempfile::TempDir,
}

/// What a run of the binary gave.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Bench {
    pub(crate) fn new() -> Bench {
        Bench { dir: tempfile::tempdir().unwrap() }
    }

    /// With the shop's schema applied to `shop.ormdb`.
    pub(crate) fn shop() -> Bench {
        let bench = Bench::new();
        bench.write("schema.ormdb", SHOP);
        bench.ok(&["schema", "apply", "shop.ormdb"]);
        bench
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn run_with(&self, args: &[&str], input: &str) -> Ran {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ormdb"))
            .args(args)
            .current_dir(self.dir.path())
            .env("ORMDB_HISTORY", self.path("history"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A program that ends early does not read its input.
        let _written = child.stdin.take().unwrap().write_all(input.as_bytes());
        let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
        Ran {
            status: status.code().unwrap_or(-1),
            out: String::from_utf8(stdout).unwrap(),
            err: String::from_utf8(stderr).unwrap(),
        }
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, "")
    }

    /// The output of a run that must succeed.
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let ran = self.run(args);
        assert_eq!(ran.status, 0, "{args:?}: {ran:?}");
        assert_eq!(ran.err, "", "{args:?}");
        ran.out
    }

    /// The diagnostics of a run that must fail with this status.
    pub(crate) fn fails(&self, status: i32, args: &[&str]) -> String {
        let ran = self.run(args);
        assert_eq!(ran.status, status, "{args:?}: {ran:?}");
        ran.err
    }

    /// The rows of a query as JSON.
    pub(crate) fn json(&self, query: &str) -> serde_json::Value {
        serde_json::from_str(&self.ok(&["query", "shop.ormdb", query, "--format", "json"])).unwrap()
    }
}
