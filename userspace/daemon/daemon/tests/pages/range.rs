//! The range of a key, as the daemon's own error names it.

use onair_settings::config::Config;
use serde_json::Value;

/// A port and its poller: the shortest configuration with one of each table.
pub(crate) const ONE_OF_EACH: &str = "[[control.role]]\nuser = \"root\"\nrole = \"own\"\n[[poller]]\nname = \"p\"\n\
     [[port]]\nname = \"a\"\ndevice = \"ring:x:a\"\naddress = \"10.0.0.1/24\"\npoller = \"p\"\n";

/// The configuration in `text`.
pub(crate) fn load(text: &str) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("onaird.toml");
    std::fs::write(&file, text).unwrap();
    Config::load(&file).map_err(|error| error.to_string())
}

/// The largest value of a type of numbers.
fn largest(kind: &str) -> Option<i64> {
    Some(
        match kind.trim_start_matches("Option<").trim_end_matches('>') {
            "u64" | "usize" => i64::MAX,
            "u32" => u32::MAX.into(),
            "u16" => u16::MAX.into(),
            "u8" => u8::MAX.into(),
            _ => return None,
        },
    )
}

/// The least and the largest value of the key at `path` in `config`, if it has a range.
pub(crate) fn of(config: &Value, path: &str, kind: &str) -> Option<(u64, u64)> {
    let mut wrong = config.clone();
    *wrong.pointer_mut(path)? = largest(kind)?.into();
    let wrong = toml::Value::try_from(without_null(wrong)).unwrap();
    let wrong = toml::to_string(&wrong).unwrap();
    let error = load(&wrong).err()?;
    let (_, range) = error.rsplit_once("give ")?;
    let (least, most) = range.split_once(" to ")?;
    let most: String = most.chars().take_while(char::is_ascii_digit).collect();
    Some((least.parse().ok()?, most.parse().ok()?))
}

/// TOML has no word for what is absent.
fn without_null(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let there = fields.into_iter().filter(|(_, value)| !value.is_null());
            there
                .map(|(name, value)| (name, without_null(value)))
                .collect()
        }
        Value::Array(all) => all.into_iter().map(without_null).collect(),
        value => value,
    }
}
