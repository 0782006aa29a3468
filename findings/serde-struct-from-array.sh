#!/usr/bin/env bash
# serde_json 1.0.154 with serde 1.0.229: a struct is also read from a JSON array, by the order of its fields.
#
# A good guess: what derives Deserialize with `deny_unknown_fields` takes JSON objects only, as the schema of an API has it.
# But the derive has a reader of sequences, too: `["10.0.0.1"]` sets the first field, and `[]` is a struct of defaults. An
# API that reads bodies so takes what its schema refuses. An array that is too long or too short without defaults is refused.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2021"

[dependencies]
serde = { version = "=1.0.229", features = ["derive"] }
serde_json = "=1.0.154"
TOML
cat >src/main.rs <<'RUST'
#[derive(Debug, Default, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Leg {
    #[serde(default)]
    source_ip: Option<String>,
    #[serde(default)]
    port: Option<u16>,
}

fn main() {
    let read = |text: &str| serde_json::from_str::<Leg>(text);
    for text in [r#"{"port": 5004}"#, "[]", r#"["10.0.0.1"]"#, r#"["10.0.0.1", 5004]"#, r#"["a", 1, 2]"#] {
        println!("{text}: {:?}", read(text));
    }
    let first = Leg {
        source_ip: Some("10.0.0.1".into()),
        port: None,
    };
    assert_eq!(read("[]").unwrap(), Leg::default(), "the behaviour has changed");
    assert_eq!(read(r#"["10.0.0.1"]"#).unwrap(), first, "the behaviour has changed");
    assert!(read(r#"["a", 1, 2]"#).is_err(), "the behaviour has changed");
}
RUST
cargo run --quiet
