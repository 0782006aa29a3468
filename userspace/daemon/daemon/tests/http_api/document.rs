//! The API's description of itself.

use std::collections::BTreeSet;

use onair_api::ProblemCode;
use serde_json::Value;

use crate::http_api::served::client::served;

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(target)) = map.get("$ref") {
                found.insert(target.clone());
            }
            map.values().for_each(|v| references(v, found));
        }
        Value::Array(list) => list.iter().for_each(|v| references(v, found)),
        _ => {}
    }
}

#[tokio::test]
async fn openapi_read_then_every_path_answer_and_schema_is_there() {
    let api = served();
    let document = api.get("/v1/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().unwrap();
    let mut operations: Vec<_> = paths
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().keys();
            methods.map(move |method| format!("{method} {path}"))
        })
        .collect();
    operations.sort();
    let declared = onair_api::operations::entries();
    let mut expected: Vec<_> = declared
        .map(|it| format!("{} {}", it.method.as_str().to_lowercase(), it.path))
        .collect();
    expected.sort();
    assert!(expected.len() > 30, "{expected:?}");
    assert_eq!(operations, expected);
    for item in paths
        .values()
        .flat_map(|item| item.as_object().unwrap().values())
    {
        let responses = item["responses"].as_object().unwrap();
        assert!(
            responses.keys().any(|status| status.starts_with('2')),
            "{item}"
        );
        assert!(responses.contains_key("400"), "{item}");
    }
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.len() > 20, "{found:?}");
    for target in found {
        let pointer = target.strip_prefix('#').unwrap();
        assert!(
            document.pointer(pointer).is_some(),
            "{target} leads nowhere"
        );
    }
}

/// A document that is valid by two schemas of `oneOf` is invalid.
#[tokio::test]
async fn variant_without_fields_then_any_of_them_is_valid() {
    let document = served().get("/v1/openapi.json").await.json();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for (name, schema) in schemas {
        let variants = schema["oneOf"].as_array().into_iter().flatten();
        let mut empty = variants.filter(|it| it["type"] == "object" && it["required"].is_null());
        assert_eq!(empty.next(), None, "{name}");
    }
    let seen = schemas["SeenFormat"]["anyOf"].as_array().unwrap();
    assert_eq!(seen.len(), 5);
}

#[tokio::test]
async fn problem_every_type_then_leads_to_its_page() {
    let api = served();
    for &code in ProblemCode::ALL {
        let page = api.get(&format!("/v1/problems/{code}")).await.json();
        assert_eq!(page["status"], code.status());
        assert_eq!(page["advice"], code.advice());
    }
    assert_eq!(api.get("/v1/problems/nonsense").await.code(), "not_found");
    let all = api.get("/v1/problems").await.json();
    assert_eq!(all.as_array().unwrap().len(), ProblemCode::ALL.len());
}

#[tokio::test]
async fn head_instead_of_get_then_the_same_without_a_body() {
    let api = served();
    let answer = api.ask("HEAD", "/v1/health", None).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, ""));
}
