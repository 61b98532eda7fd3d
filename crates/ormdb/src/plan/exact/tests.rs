use std::collections::BTreeMap;

use crate::{Database, Options, Outcome, Params, Session, Value};

const SCHEMA: &str = "entity A {\n  id int64 @id\n  n int32?\n  s string?\n  d decimal(10, 2)?\n  m int64\n  @@index(n)\n  @@index(n desc, m)\n  @@index(s, m)\n  @@index(d)\n  @@index(m, n)\n}\n";

/// Conditions of which keys tell all, a part, or nothing.
const CONDITIONS: &[&str] = &[
    "n > 2",
    "n >= 2 and n < 5",
    "5 > n",
    "n <= 3",
    "n = 3",
    "3 = n and m > 2",
    "n > 2 and n > 4",
    "n > 4 and n > 2",
    "n = 3 and n > 4",
    "n > 4 and n = 3",
    "n = 3 and n = 4",
    "n > 2.5",
    "n > 2.5 and n > 1",
    "n < 3.0",
    "n = 2.0",
    "n = 2.5",
    "n > null",
    "n = null",
    "n != 3",
    "n > 2 and m = 4",
    "n = 3 and m = 3 and id > 20",
    "m = 3 and n < 4",
    "m > 2 and n < 4",
    "n in [1, 3]",
    "n in [3]",
    "n is null",
    "s = \"b\"",
    "s > \"a\"",
    "s >= \"a\" and s < \"c\"",
    "s = \"b\" and m < 5",
    "s startsWith \"a\"",
    "d = 2",
    "d > 1.5",
    "d >= 1 and n = 1",
    "id > 10 and id <= 30",
    "id = 7",
    "id = 7 and n > 0",
    "id > 5 and (n = 1 or n = 2)",
    "not (n > 3)",
    "n > $p",
    "n > $p and id < 40",
    "m = $p",
];

fn ids(session: &Session, condition: &str, params: &Params) -> Result<Vec<i64>, String> {
    let text = format!("A where {condition} {{ id }}");
    let statement = session.prepare(&text).map_err(|error| format!("{condition}: {error:?}"))?;
    match session.run_prepared(&statement, params) {
        Ok(Outcome::Fetched(result)) => {
            let rows: Vec<BTreeMap<String, i64>> = result.rows().map_err(|error| error.to_string())?;
            let mut ids: Vec<i64> = rows.into_iter().flat_map(BTreeMap::into_values).collect();
            ids.sort_unstable();
            Ok(ids)
        }
        other => Err(format!("{condition}: {other:?}")),
    }
}

/// Whatever key a condition is read by, it finds what it finds where no key can tell anything of it.
#[test]
fn what_a_key_tells_is_what_the_condition_says() {
    let engine = ordinum::Options {
        fs: std::sync::Arc::new(ordinum::fs::MemoryFs::new()),
        ..ordinum::Options::default()
    };
    let database = Database::open_with("/db", Options { engine, ..Options::default() }).unwrap();
    database.apply_schema(SCHEMA).unwrap();
    let session = database.session();
    let mut random = fastrand::Rng::with_seed(7);
    for id in 0..60 {
        let or_null = |text: String, random: &mut fastrand::Rng| {
            if random.u8(0..4) == 0 { "null".to_owned() } else { text }
        };
        let n = or_null(random.i32(0..7).to_string(), &mut random);
        let s =
            or_null(format!("\"{}\"", random.choice(["", "a", "aa", "ab", "b", "c"]).unwrap()), &mut random);
        let d = or_null(format!("{}.{}0", random.u8(0..4), random.choice([0, 5]).unwrap()), &mut random);
        let m = random.u8(0..7);
        let text = format!("create A {{ id: {id}, n: {n}, s: {s}, d: {d}, m: {m} }}");
        session.run_prepared(&session.prepare(&text).unwrap(), &Params::none()).unwrap();
    }
    let mut found = 0;
    for condition in CONDITIONS {
        let values = if condition.contains("$p") {
            vec![Value::Int64(3), Value::Int64(-1), Value::Null, Value::Int64(i64::MAX)]
        } else {
            vec![Value::Null]
        };
        for value in values {
            let params = Params::none().with("p", value);
            let told = ids(&session, condition, &params).unwrap();
            // Behind two negations no bounds are looked for.
            assert_eq!(
                Ok(&told),
                ids(&session, &format!("not (not ({condition}))"), &params).as_ref(),
                "{condition}"
            );
            found += told.len();
        }
    }
    assert!(found > 300, "{found}");
}
