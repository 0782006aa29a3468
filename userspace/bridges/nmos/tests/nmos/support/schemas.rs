//! The schemas of the specifications.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use jsonschema::{Registry, Validator};
use serde_json::{Value, json};

static SCHEMAS: LazyLock<Registry<'static>> = LazyLock::new(|| {
    let mut registry = Registry::new();
    for folder in ["is-04", "is-05", "is-12", "bcp-004-01"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("schemas")
            .join(folder);
        for entry in fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|it| it == "json") {
                let schema: Value =
                    serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
                let name = path.file_name().unwrap().to_str().unwrap();
                registry = registry.add(uri(folder, name), schema).unwrap();
            }
        }
    }
    registry.prepare().unwrap()
});

fn uri(folder: &str, name: &str) -> String {
    format!("http://schemas/{folder}/{name}")
}

/// Fails with what is wrong if `document` is not valid by the schema `name` of IS-04.
#[track_caller]
pub(crate) fn check(name: &str, document: &Value) {
    check_of("is-04", name, document);
}

/// As [`check`], of another specification.
#[track_caller]
pub(crate) fn check_of(folder: &str, name: &str, document: &Value) {
    let validator = validator(folder, name);
    let errors = validator.iter_errors(document);
    let errors: Vec<_> = errors.map(|it| format!("{it:?}")).collect();
    assert!(errors.is_empty(), "not a {name}: {errors:#?}\n{document:#}");
}

/// They are made once: that takes longer than a check.
fn validator(folder: &str, name: &str) -> Arc<Validator> {
    static MADE: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);
    let uri = uri(folder, &format!("{name}.json"));
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let entry = made.entry(uri.clone());
    let validator = entry.or_insert_with(|| {
        let schema = json!({"$schema": "http://json-schema.org/draft-04/schema#", "$ref": uri});
        let options = jsonschema::options();
        let options = options.with_registry(&SCHEMAS);
        let options = options.should_validate_formats(true);
        Arc::new(options.build(&schema).unwrap())
    });
    validator.clone()
}
