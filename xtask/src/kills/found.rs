//! What a killed server left: checked, and read from an export.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::stages::passes;

/// The titles of the albums of each graph.
const TITLES: [&str; 2] = ["one", "two"];

/// What is in the database.
pub(super) struct Found {
    graphs: HashMap<String, Vec<String>>,
    counters: HashMap<String, u64>,
}

impl Found {
    pub(super) fn has(&self, name: &str) -> bool {
        self.graphs.contains_key(name)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.graphs.keys().map(String::as_str)
    }

    /// The number of a counter; 0 where it is not there.
    pub(super) fn counter(&self, name: &str) -> u64 {
        self.counters.get(name).copied().unwrap_or(0)
    }
}

/// Checks the database of a server that does not run, and reads what is in it. No graph may be there by halves, or twice.
pub(super) fn read(program: &Path, database: &Path, to: &Path) -> Result<Found, String> {
    let mut check = Command::new(program);
    check.arg("check").arg(database).stdout(Stdio::null());
    if !passes(&mut check) {
        return Err("`ormdb check` finds damage".to_owned());
    }
    let mut export = Command::new(program);
    export.arg("export").arg(database).arg("--to").arg(to).stdout(Stdio::null()).stderr(Stdio::null());
    if to.exists() {
        std::fs::remove_dir_all(to).map_err(|error| error.to_string())?;
    }
    if !passes(&mut export) {
        return Err("`ormdb export` fails".to_owned());
    }
    let mut by_id = HashMap::new();
    let mut graphs: HashMap<String, Vec<String>> = HashMap::new();
    for artist in rows(to, "Artist")? {
        let name = text(&artist, "name");
        by_id.insert(artist.get("id").and_then(Value::as_i64), name.clone());
        if graphs.insert(name.clone(), Vec::new()).is_some() {
            return Err(format!("{name} is there twice"));
        }
    }
    for album in rows(to, "Album")? {
        let artist = by_id.get(&album.get("artistId").and_then(Value::as_i64));
        let albums = artist.and_then(|artist| graphs.get_mut(artist));
        albums.ok_or("an album has no artist")?.push(text(&album, "title"));
    }
    for (name, titles) in &mut graphs {
        titles.sort();
        if *titles != TITLES {
            return Err(format!("{name} is there by halves: {titles:?}"));
        }
    }
    let counters = rows(to, "Counter")?
        .iter()
        .map(|counter| (text(counter, "name"), counter.get("n").and_then(Value::as_u64).unwrap_or(0)))
        .collect();
    Ok(Found { graphs, counters })
}

fn rows(directory: &Path, entity: &str) -> Result<Vec<Value>, String> {
    let file = directory.join(format!("{entity}.jsonl"));
    let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let rows: Result<Vec<Value>, _> = text.lines().map(serde_json::from_str).collect();
    rows.map_err(|error| format!("{}: {error}", file.display()))
}

fn text(row: &Value, field: &str) -> String {
    row.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}
