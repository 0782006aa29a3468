//! The API's description of itself.

use std::collections::BTreeSet;

use onair_types::ProblemCode;
use serde_json::Value;

use crate::client::served;

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
    let expected = [
        "delete /v1/sessions/{id}",
        "get /metrics",
        "get /v1/certificates",
        "get /v1/certificates/{id}",
        "get /v1/config",
        "get /v1/events",
        "get /v1/health",
        "get /v1/openapi.json",
        "get /v1/problems",
        "get /v1/problems/{code}",
        "get /v1/recordings",
        "get /v1/recordings/{id}",
        "get /v1/sessions",
        "get /v1/sessions/{id}",
        "get /v1/sessions/{id}/blockers",
        "get /v1/sessions/{id}/certificate",
        "get /v1/sessions/{id}/verdict",
        "get /v1/shutdown",
        "post /v1/config/reload",
        "post /v1/recordings/{id}/stop",
        "post /v1/sessions",
        "post /v1/sessions/{id}/abort",
        "post /v1/sessions/{id}/attachments/{attachment}/evict",
        "post /v1/sessions/{id}/destroy",
        "post /v1/sessions/{id}/destroy_wait",
        "post /v1/sessions/{id}/evict",
        "post /v1/sessions/{id}/flush",
        "post /v1/sessions/{id}/quarantine",
        "post /v1/sessions/{id}/recordings",
        "post /v1/sessions/{id}/start",
        "post /v1/sessions/{id}/stop",
        "post /v1/shutdown",
    ];
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
