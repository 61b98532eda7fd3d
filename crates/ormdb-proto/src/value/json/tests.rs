use super::*;

#[test]
fn equal_documents_have_one_text() {
    let text = r#" { "b" : [1.50, 1e2, "x\u0041"], "a": null, "b": {"z":1,"y":[]} } "#;
    assert_eq!(canonical_json(text).unwrap(), r#"{"a":null,"b":{"y":[],"z":1}}"#);
    assert_eq!(canonical_json("[1.50, 1e2, -0.0]").unwrap(), "[1.5,100,0]");
    assert_eq!(canonical_json("1E+400").unwrap(), "1e400");
    assert!(canonical_json("{").is_err());
    assert!(canonical_json(&"[".repeat(100_000)).is_err());
}

#[test]
fn numbers_keep_their_digits() {
    for text in ["9223372036854775807", "0.10", "12345678901234567890123456789012345678"] {
        let json: Json = serde_json::from_str(text).unwrap();
        assert_eq!(Value::from_json(&json).to_json().to_string(), text);
    }
    assert_eq!(Value::from_json(&Json::from(7)), Value::Int64(7));
    assert_eq!(Value::Float64(f64::NAN).to_json(), Json::from("NaN"));
    assert_eq!(Value::Bytes(vec![0, 255]).to_json(), Json::from("\\x00ff"));
    assert_eq!(Value::Float64(0.1).to_json().to_string(), "0.1");
}

#[test]
fn floats_print_as_in_postgresql_and_read_back() {
    let text = |v: f64| Value::Float64(v).to_text();
    for (v, printed) in [
        (1e308, "1e+308"),
        (-1e308, "-1e+308"),
        (1e14, "100000000000000"),
        (1e15, "1e+15"),
        (1.234_567_890_123_456_8e17, "1.2345678901234568e+17"),
        (0.0001, "0.0001"),
        (0.000_012_5, "1.25e-05"),
        (5e-324, "5e-324"),
        (0.0, "0"),
        (-0.0, "-0"),
        (0.1, "0.1"),
        (f64::INFINITY, "Infinity"),
        (f64::NEG_INFINITY, "-Infinity"),
    ] {
        assert_eq!(text(v), printed);
        assert_eq!(printed.parse::<f64>(), Ok(v));
    }
    assert_eq!(text(f64::NAN), "NaN");
    assert_eq!(Value::Float32(1e6).to_text(), "1e+06");
    assert_eq!(Value::Float32(123_456.0).to_text(), "123456");
    assert_eq!(Value::Float32(f32::MAX).to_text(), "3.4028235e+38");
    assert_eq!(Value::Float64(1e308).to_json().to_string(), "1e+308");
    assert_eq!(Value::Float64(f64::NEG_INFINITY).to_json(), Json::from("-Infinity"));
}

#[test]
fn random_floats_read_back() {
    let seed = 0x0f64;
    let mut rng = fastrand::Rng::with_seed(seed);
    for _ in 0..20_000 {
        let wide = f64::from_bits(rng.u64(..));
        if wide.is_finite() {
            assert_eq!(Value::Float64(wide).to_text().parse::<f64>(), Ok(wide), "seed {seed}");
        }
        let narrow = f32::from_bits(rng.u32(..));
        if narrow.is_finite() {
            assert_eq!(Value::Float32(narrow).to_text().parse::<f32>(), Ok(narrow), "seed {seed}");
        }
    }
}
