//! The manifests of packaging/kubernetes have no field that Kubernetes does not know, and each value has the right type.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::fs;
use std::path::Path;

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::ConfigMap;
use serde::de::DeserializeOwned;
use serde::{Deserialize as _, Serialize};
use serde_yaml_ng::{Deserializer, Value};

/// The documents of each manifest.
fn documents() -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/kubernetes");
    let files = fs::read_dir(folder).unwrap();
    let texts = files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    let read = |text: String| -> Vec<_> {
        let all = Deserializer::from_str(&text).map(Value::deserialize);
        all.map(Result::unwrap).collect()
    };
    texts.flat_map(read).collect()
}

/// Reads a document as Kubernetes does. A field that it does not know is lost on the way back.
#[track_caller]
fn assert_is<T: DeserializeOwned + Serialize>(document: &Value) {
    let typed: T = serde_yaml_ng::from_value(document.clone()).unwrap();
    assert_has(&serde_yaml_ng::to_value(typed).unwrap(), document);
}

/// Whether `whole` has each field of `part`, with its value.
#[track_caller]
fn assert_has(whole: &Value, part: &Value) {
    match part {
        Value::Mapping(fields) => {
            for (name, field) in fields {
                let known = whole.get(name);
                assert_has(known.unwrap_or_else(|| panic!("no field {name:?}")), field);
            }
        }
        Value::Sequence(all) => {
            for (index, one) in all.iter().enumerate() {
                assert_has(&whole[index], one);
            }
        }
        value => assert_eq!(whole, value),
    }
}

#[test]
fn manifests_read_by_kubernetes_types_then_each_field_is_known() {
    let documents = documents();
    assert_eq!(documents.len(), 4);
    for document in documents {
        match document["kind"].as_str().unwrap() {
            "ConfigMap" => assert_is::<ConfigMap>(&document),
            "DaemonSet" => assert_is::<DaemonSet>(&document),
            kind => panic!("{kind}"),
        }
    }
}

#[test]
#[should_panic(expected = "no field String(\"hostPid\")")]
fn manifest_with_a_slip_of_the_pen_then_seen() {
    let documents = documents();
    let mut set = documents
        .into_iter()
        .find(|it| it["kind"] == "DaemonSet")
        .unwrap();
    set["spec"]["template"]["spec"]["hostPid"] = true.into();
    assert_is::<DaemonSet>(&set);
}
