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
