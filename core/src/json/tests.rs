//! Depth, keys and text that is not JSON.

use super::*;

fn nested(levels: usize) -> Value {
    (0..levels).fold(Value::Null, |value, level| {
        if level % 2 == 0 {
            Value::Array(vec![value])
        } else {
            Value::Object([("in".to_owned(), value)].into_iter().collect())
        }
    })
}

#[test]
fn a_value_as_deep_as_its_limit_is_taken_and_a_deeper_one_is_refused() {
    for levels in [0, 1, 2, 99, 100, 101, 300] {
        let value = nested(levels);
        let is_taken = levels <= 100;
        assert_eq!(check_value(String::new, &value, 100).is_ok(), is_taken, "{levels}");
        assert_eq!(measure("it", &value, 100).is_ok(), is_taken, "{levels}");
        assert_eq!(depth(value.to_string().as_bytes()), levels);
    }
    assert_eq!(measure("it", &nested(100), 100).unwrap(), nested(100).to_string().len());
}

/// The limit of what is stored leaves room for what is written around it.
#[test]
fn what_a_store_takes_is_read_back_also_some_levels_deeper() {
    let value = nested(STORED_DEPTH);
    let text = format!("[[[[{value}]]]]");
    assert!(serde_json::from_str::<Value>(&text).is_ok());
}

#[test]
fn shallow_text_is_read_by_any_reader_and_has_all_that_was_there() {
    let value = nested(300);
    let text = format!("[{value}, \"[[\\\"\\\\\", {value}, 1.5]");
    assert!(serde_json::from_str::<Value>(&text).is_err());
    let shallow = shallow(&text, 100);
    let read: Value = serde_json::from_str(&shallow).unwrap();
    assert_eq!((&read[1], &read[3]), (&"[[\"\\".into(), &1.5.into()));
    let mut inner = &read[2];
    while let Some(value) = inner.get(0).or_else(|| inner.get("in")) {
        inner = value;
    }
    let deeper = inner.as_str().unwrap();
    assert!(value.to_string().contains(deeper));
    assert_eq!(depth(deeper.as_bytes()), 201);
}

#[test]
fn text_that_is_not_json_is_no_fault() {
    for text in ["", "]]]", "[[[", "{\"a", "\"\\", "\"\\\"", "[\"\\u12", "nul"] {
        let text_of_two = text.repeat(2);
        for text in [text, &text_of_two] {
            let _ = (
                depth(text.as_bytes()),
                check_text(String::new, text.as_bytes()),
                shallow(text, 0),
                shallow(text, 1),
            );
        }
    }
}

#[test]
fn a_reserved_key_is_refused_and_the_same_text_elsewhere_is_not() {
    let key = "$serde_json::private::RawValue";
    let reserved = serde_json::json!({"a": [{key: "[1]"}]});
    assert!(check_text(String::new, reserved.to_string().as_bytes()).is_err());
    assert!(check_value(String::new, &reserved, 100).is_err());
    let harmless = serde_json::json!({"a": [key, {"b": key}, format!("\"{key}\":")]});
    assert!(check_text(String::new, harmless.to_string().as_bytes()).is_ok());
    assert!(check_value(String::new, &harmless, 100).is_ok());
}

#[test]
fn a_very_deep_value_is_dropped_without_exhausting_the_stack() {
    // Miri takes a thousand times as long, and has no stack of its own to exhaust.
    dismantle(nested(if cfg!(miri) { 1_000 } else { 1_000_000 }));
}

#[test]
fn a_text_with_many_brackets_is_refused_only_where_it_nests_too_deep() {
    let beside = format!("[{}]", vec!["[{}]"; STORED_DEPTH].join(","));
    assert!(check_text(String::new, beside.as_bytes()).is_ok());
    for levels in [STORED_DEPTH - 1, STORED_DEPTH, STORED_DEPTH + 1] {
        let text = nested(levels).to_string();
        assert_eq!(check_text(String::new, text.as_bytes()).is_ok(), levels <= STORED_DEPTH, "{levels}");
    }
}
