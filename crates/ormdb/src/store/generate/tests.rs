use ordinum::entropy::OsEntropy;

use super::*;

#[derive(Debug, Default)]
struct Seeded(Mutex<fastrand::Rng>);

impl Entropy for Seeded {
    fn fill(&self, bytes: &mut [u8]) -> ordinum::Result<()> {
        self.0.lock().fill(bytes);
        Ok(())
    }
}

const NOW: i64 = 1_700_000_000_000_000;

fn text(generators: &Generators, generator: Generator, now: i64) -> String {
    let string = FieldType::Scalar(ScalarType::String { chars_max: None });
    generators.generate(generator, string, now).unwrap().to_text()
}

#[test]
fn identifiers_have_their_form() {
    let generators = Generators::new(Arc::new(OsEntropy));
    let v4 = uuid::Uuid::parse_str(&text(&generators, Generator::UuidV4, NOW)).unwrap();
    assert_eq!(v4.get_version_num(), 4);
    let v7 = uuid::Uuid::parse_str(&text(&generators, Generator::UuidV7, NOW)).unwrap();
    assert_eq!(v7.get_version_num(), 7);
    assert_eq!(v7.as_u128() >> 80, 1_700_000_000_000);
    let cuid = text(&generators, Generator::Cuid, NOW);
    assert!(cuid.starts_with('c') && cuid.len() == 25, "{cuid}");
    assert!(text(&generators, Generator::Ulid, NOW).starts_with("01HF7YAT00"));
    assert_eq!(text(&generators, Generator::Nanoid, NOW).len(), 21);
    assert_ne!(text(&generators, Generator::Nanoid, NOW), text(&generators, Generator::Nanoid, NOW));
}

#[test]
fn identifiers_ascend_when_time_stands_or_goes_back() {
    let generators = Generators::new(Arc::new(Seeded(Mutex::new(fastrand::Rng::with_seed(7)))));
    for generator in [Generator::UuidV7, Generator::Ulid] {
        let mut last = String::new();
        for at in [NOW, NOW, NOW, NOW + 5_000, NOW, NOW + 5_000, NOW + 9_000] {
            let next = text(&generators, generator, at);
            assert!(next > last, "{next} after {last}");
            last = next;
        }
    }
}

#[test]
fn now_is_of_the_type_of_the_field() {
    let of = |ty| now_value(FieldType::Scalar(ty), MICROS_PER_DAY + 5);
    assert_eq!(of(ScalarType::Date), Value::Date(1));
    assert_eq!(of(ScalarType::Time), Value::Time(5));
    assert_eq!(of(ScalarType::DateTime), Value::DateTime(MICROS_PER_DAY + 5));
}
