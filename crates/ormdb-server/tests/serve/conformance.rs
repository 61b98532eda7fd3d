//! The conformance suite (`conformance/README.md`), embedded and through a server with the shipped client: every answer is
//! the one that stands there, and the ways agree in full, to the words of messages and plans.
//! `REWRITE=1 cargo test -p ormdb-server --test serve conformance` puts in what steps lack.

mod notation;
mod suite;
mod targets;

use std::collections::HashMap;
use std::path::Path;

use ormdb::Params;
use ormdb_proto::ErrorCode;
use serde_json::{Map, Value as Json, json};

use notation::{difference, read_value};
use suite::{Step, SuiteFile};
use targets::{Answer, Target, Way};

/// What steps kept for later ones.
type Saved = HashMap<String, Json>;

fn params_of(step: &Step, saved: &Saved) -> Params {
    step.params.iter().fold(Params::none(), |params, (name, value)| {
        let value = value.get("$saved").map_or(value, |saved_as| &saved[saved_as.as_str().unwrap()]);
        params.with(name, read_value(value))
    })
}

/// What is wrong with an answer.
fn fault(step: &Step, answer: &Answer, way: Way) -> Option<String> {
    let done = json!({ "done": true });
    let expected = match &step.expect {
        None if step.may_be_silent() => &done,
        None => return Some("nothing is expected".to_owned()),
        Some(expected) => expected,
    };
    let mut expected = expected.clone();
    let mut found = answer.told();
    if expected == done && found == json!({ "done": "token" }) {
        return None;
    }
    if let (Some(parts), Some(text)) = (expected["plan"].as_array(), found["plan"].as_str()) {
        let missing = parts.iter().find(|part| !text.contains(part.as_str().unwrap()));
        return missing.map(|part| format!("{part} is not in the plan:\n{text}"));
    }
    if way == Way::Ir {
        // An IR has no text that an error could point into.
        for side in [&mut expected, &mut found] {
            side.get_mut("error").and_then(Json::as_object_mut).map(|error| error.shift_remove("span"));
        }
    }
    let ordered = |json: &mut Json| {
        if let Some(error) = json.get_mut("error").and_then(Json::as_object_mut) {
            error.sort_keys();
        }
        for error in json.get_mut("errors").and_then(Json::as_array_mut).into_iter().flatten() {
            error.as_object_mut().unwrap().sort_keys();
        }
        if let Some(written) = json.get_mut("written").and_then(Json::as_object_mut) {
            written.sort_keys();
        }
    };
    ordered(&mut expected);
    ordered(&mut found);
    difference(&expected, &found, "expect")
}

/// Runs a file; gives what was answered and, if a step failed, why.
async fn run(file: &SuiteFile, mut target: Target, way: Way) -> (Vec<Answer>, Option<String>) {
    if let Answer::Applied(Err(errors)) = target.apply(&file.schema).await {
        return (Vec::new(), Some(format!("the schema: {errors:#?}")));
    }
    let mut saved = Saved::new();
    let mut answers = Vec::new();
    for (at, step) in file.steps.iter().enumerate() {
        let answer = target.perform(step, &params_of(step, &saved)).await;
        let fault = fault(step, &answer, way);
        for (name, what) in &step.save {
            saved.insert(name.clone(), answer.saved(what));
        }
        if let Some(fault) = fault {
            let told = answer.in_full();
            return (answers, Some(format!("step {at}, {}: {fault}\n{told}", name_of(step))));
        }
        answers.push(answer);
    }
    (answers, None)
}

fn name_of(step: &Step) -> String {
    step.run.clone().unwrap_or_else(|| format!("{step:?}"))
}

/// Puts in what the steps of a file lack.
async fn complete(path: &Path) {
    let (file, mut json) = suite::read(path);
    let dir = tempfile::tempdir().unwrap();
    let mut target = Target::embedded(dir.path(), Way::Text);
    if let Answer::Applied(Err(errors)) = target.apply(&file.schema).await {
        panic!("{}: {errors:#?}", path.display());
    }
    let mut saved = Saved::new();
    for (at, step) in file.steps.iter().enumerate() {
        let answer = target.perform(step, &params_of(step, &saved)).await;
        saved.extend(step.save.iter().map(|(name, what)| (name.clone(), answer.saved(what))));
        let mut told = answer.told();
        if step.expect.is_none() && (!step.may_be_silent() || told.get("error").is_some()) {
            if let Some(text) = told["plan"].as_str() {
                told = json!({ "plan": text.lines().collect::<Vec<_>>() });
            }
            json["steps"][at].as_object_mut().unwrap().insert("expect".to_owned(), told);
        }
    }
    suite::write(path, &json);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_suite() {
    let mut faults = Vec::new();
    let mut steps = 0;
    for path in suite::paths() {
        if std::env::var_os("REWRITE").is_some() {
            complete(&path).await;
        }
        let (file, _) = suite::read(&path);
        let name = path.file_stem().unwrap().display();
        steps += file.steps.len();
        for way in [Way::Text, Way::Ir] {
            let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
            let (here, fault) = run(&file, Target::embedded(dirs[0].path(), way), way).await;
            faults.extend(fault.map(|fault| format!("{name}, embedded, {way:?}: {fault}")));
            let (there, fault) = run(&file, Target::remote(dirs[1].path(), way).await, way).await;
            faults.extend(fault.map(|fault| format!("{name}, remote, {way:?}: {fault}")));
            for (at, (here, there)) in here.iter().zip(&there).enumerate() {
                let (here, there) = (here.in_full(), there.in_full());
                if here != there && !json_of(&file.steps[at]).contains("$any") {
                    faults.push(format!("{name}, {way:?}, step {at}:\n embedded {here}\n remote {there}"));
                }
            }
        }
    }
    println!("{steps} steps");
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n\n"));
}

fn json_of(step: &Step) -> String {
    step.expect.as_ref().map(Json::to_string).unwrap_or_default()
}

#[test]
fn the_codes() {
    let path = suite::directory().join("codes.json");
    let codes: Map<String, Json> = ErrorCode::ALL
        .iter()
        .map(|code| (code.name().to_owned(), json!({ "sqlstate": code.sqlstate(), "kind": code.kind() })))
        .collect();
    if std::env::var_os("REWRITE").is_some() {
        suite::write(&path, &Json::Object(codes.clone()));
    }
    let written: Json = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(written, Json::Object(codes));
}
