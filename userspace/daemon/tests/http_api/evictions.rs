//! Ending what does not end by itself.

use onair_api::{Certificate, Eviction, EvictionList, Operation};
use serde_json::json;

use crate::served::client::{Served, served};
use crate::sessions::create;

async fn post(api: &Served, path: &str) -> crate::served::client::Answer {
    api.ask("POST", path, None).await
}

#[tokio::test]
async fn evict_by_number_and_all_then_each_is_told_once() {
    let api = served();
    create(&api, "busy1").await;
    for (path, code) in [
        (
            "/v1/sessions/busy1/attachments/99/evict",
            "no_such_attachment",
        ),
        (
            "/v1/sessions/busy1/attachments/one/evict",
            "invalid_request",
        ),
        ("/v1/sessions/busy1/attachments/-1/evict", "invalid_request"),
        ("/v1/sessions/none/attachments/1/evict", "no_such_session"),
        ("/v1/sessions/none/evict", "no_such_session"),
    ] {
        assert_eq!(post(&api, path).await.code(), code, "{path}");
    }
    let answer = post(&api, "/v1/sessions/busy1/attachments/1/evict").await;
    let evicted: Eviction = serde_json::from_value(answer.json()).unwrap();
    assert_eq!((evicted.attachment, evicted.pid), (1, 4711));
    let rest = post(&api, "/v1/sessions/busy1/evict").await.json();
    let rest: EvictionList = serde_json::from_value(rest).unwrap();
    assert!(rest.evicted.is_empty(), "{rest:?}");
}

#[tokio::test]
async fn abort_running_and_in_use_then_a_certificate_at_once() {
    let api = served();
    create(&api, "busy1").await;
    let proof = post(&api, "/v1/sessions/busy1/abort").await.json();
    let proof: Certificate = serde_json::from_value(proof).unwrap();
    assert_eq!(proof.operation, Operation::Abort);
    let again = post(&api, "/v1/sessions/busy1/abort").await;
    assert_eq!(again.code(), "no_such_session");
}

#[tokio::test]
async fn quarantine_running_or_stopped_then_refused_or_a_certificate() {
    let api = served();
    create(&api, "busy1").await;
    let path = "/v1/sessions/busy1/quarantine";
    assert_eq!(post(&api, path).await.code(), "running");
    post(&api, "/v1/sessions/busy1/stop").await;
    let wrong = api.post(path, &json!({"force": true})).await;
    assert_eq!(wrong.code(), "invalid_request");
    let proof = post(&api, path).await.json();
    assert_eq!(proof["operation"], "quarantine");
}
