//! Requests that depend on the session's tag, and requests that are sent twice.

use crate::http_api::served::client::served;
use crate::http_api::sessions::{create, spec};

#[tokio::test]
async fn if_match_of_a_changed_session_is_refused() {
    let api = served();
    create(&api, "cam1").await;
    let tag = |answer: &crate::http_api::served::client::Answer| {
        answer.header("etag").unwrap().to_owned()
    };
    let shown = tag(&api.get("/v1/sessions/cam1").await);
    assert_eq!(tag(&api.get("/v1/sessions/cam1").await), shown);
    let stop = async |condition: &str| {
        let header = format!("If-Match: {condition}");
        api.ask_with(&header, "POST", "/v1/sessions/cam1/stop", None)
            .await
    };
    let stopped = stop(&shown).await;
    assert_eq!(stopped.status, 200, "{stopped:?}");
    let refused = stop(&shown).await;
    assert_eq!(
        (refused.status, refused.code()),
        (412, "precondition_failed")
    );
    let now = tag(&stopped);
    assert!(refused.problem().detail.contains(&now), "{refused:?}");
    for condition in [&now, "*", &format!("\"other\", {now}")] {
        assert_eq!(stop(condition).await.status, 200, "{condition}");
    }
    for condition in ["cam1", "\"", "W"] {
        assert_eq!(
            stop(condition).await.code(),
            "invalid_request",
            "{condition}"
        );
    }
    let header = format!("If-Match: {now}");
    for (method, path) in [("GET", "/v1/sessions/cam1"), ("POST", "/v1/config/reload")] {
        let answer = api.ask_with(&header, method, path, None).await;
        assert_eq!(answer.code(), "invalid_request", "{path}");
    }
}

#[tokio::test]
async fn create_sent_twice_with_a_key_is_one_session() {
    let api = served();
    let body = spec("cam1").to_string();
    let create = async |key: &str, body: &str| {
        let header = format!("Idempotency-Key: {key}");
        api.ask_with(&header, "POST", "/v1/sessions", Some(body))
            .await
    };
    let first = create("one", &body).await;
    assert_eq!(first.status, 201, "{first:?}");
    let again = create("one", &body).await;
    assert_eq!((again.status, &again.text), (201, &first.text));
    for header in ["location", "etag", "content-type"] {
        assert_eq!(again.header(header), first.header(header), "{header}");
        assert!(first.header(header).is_some(), "{header}");
    }
    let other = spec("cam2").to_string();
    let reused = create("one", &other).await;
    assert_eq!((reused.status, reused.code()), (422, "key_reused"));
    assert_eq!(create("two", &body).await.code(), "name_taken");
    assert_eq!(
        create("two", &other).await.status,
        201,
        "the failed one freed it"
    );
    assert_eq!(create("", &body).await.code(), "invalid_request");
}
