//! Lines of JSON on stdout.

use onair::Error;
use onair_tests::errno_name;
use serde_json::{Value, json};

use super::Reply;

/// The answer to the command in `line`.
pub(crate) fn answer(line: &str, outcome: Reply) {
    let mut answer = match outcome {
        Ok(Value::Null) => json!({}),
        Ok(value) => value,
        Err(error) => {
            let blockers = match &error {
                Error::Busy(busy) => json!(busy.blockers),
                _ => Value::Null,
            };
            json!({ "error": {
                "errno": errno_name(&error),
                "message": error.to_string(),
                "blockers": blockers,
            } })
        }
    };
    answer["answer"] = line
        .split_ascii_whitespace()
        .next()
        .unwrap_or_default()
        .into();
    println!("{answer}");
}

/// An event that a thread has to tell; `value` is an object.
pub(crate) fn event(name: &str, mut value: Value) {
    value["event"] = name.into();
    println!("{value}");
}
