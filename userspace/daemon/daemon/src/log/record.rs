//! Lines that do not come from `tracing`, in the same format.

use onair_api::Timestamp;
use onair_settings::config::LogFormat;
use serde_json::{Map, Value, json};

/// One line with its newline. The text format escapes strings as in Rust's source, so that a
/// newline in a string does not break the line.
pub(super) fn line(
    format: LogFormat,
    level: &str,
    target: &str,
    message: &str,
    fields: &[(&str, Value)],
) -> Vec<u8> {
    let now = Timestamp::now();
    let mut text = match format {
        LogFormat::Text => {
            let mut text = format!("{now} {level:>5} {target}: {message}");
            for (name, value) in fields {
                text.push_str(&format!(" {name}={value}"));
            }
            text
        }
        LogFormat::Json => {
            let mut all = Map::new();
            all.insert("message".into(), message.into());
            for (name, value) in fields {
                all.insert((*name).to_owned(), value.clone());
            }
            json!({"timestamp": now, "level": level, "fields": all, "target": target}).to_string()
        }
    };
    text.push('\n');
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_with_newlines_and_quotes_then_one_line_in_both_formats() {
        let fields = [("reason", Value::from("a\n\"b\"")), ("count", 7.into())];
        for format in [LogFormat::Text, LogFormat::Json] {
            let line = line(format, "WARN", "onaird::log", "said", &fields);
            let line = String::from_utf8(line).unwrap();
            assert_eq!(line.matches('\n').count(), 1, "{line}");
            if format == LogFormat::Json {
                let value: Value = serde_json::from_str(&line).unwrap();
                assert_eq!(value["fields"]["reason"], "a\n\"b\"");
                assert_eq!(value["level"], "WARN");
            } else {
                let end = " WARN onaird::log: said reason=\"a\\n\\\"b\\\"\" count=7\n";
                assert!(line.ends_with(end), "{line}");
            }
        }
    }
}
