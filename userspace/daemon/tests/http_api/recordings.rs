//! Recordings.

use onair_api::{RecordingList, RecordingState, RecordingView};
use serde_json::{Value, json};

use crate::served::client::served;
use crate::sessions::create;

#[tokio::test]
async fn recording_started_listed_shown_and_stopped_then_paths_answer() {
    let api = served();
    create(&api, "cam1").await;
    create(&api, "cam2").await;
    let answer = api
        .post(
            "/v1/sessions/cam1/recordings",
            &json!({"format": "pcapng", "name": "take2", "duration_ms": 10e3}),
        )
        .await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let place = answer.header("location").unwrap().to_owned();
    let view: RecordingView = serde_json::from_value(answer.json()).unwrap();
    assert_eq!(place, format!("/v1/recordings/{}", view.id));
    assert_eq!(view.session_name.as_str(), "cam1");
    for path in [place.as_str(), "/v1/recordings/take2"] {
        assert_eq!(api.get(path).await.json()["id"], view.id.to_string());
    }
    for (query, count) in [("", 1), ("?session=cam1", 1), ("?session=cam2", 0)] {
        let list = api.get(&format!("/v1/recordings{query}")).await.json();
        let list: RecordingList = serde_json::from_value(list).unwrap();
        assert_eq!(list.recordings.len(), count, "{query}");
    }
    let again = api
        .post(
            "/v1/sessions/cam1/recordings",
            &json!({"format": "pcapng", "name": "take2"}),
        )
        .await;
    assert_eq!(again.code(), "name_taken");
    let stopped = api.ask("POST", &format!("{place}/stop"), None).await.json();
    let stopped: RecordingView = serde_json::from_value(stopped).unwrap();
    assert_eq!(stopped.state, RecordingState::Finished);
}

#[tokio::test]
async fn recording_hostile_names_and_wrong_values_then_typed_errors() {
    let api = served();
    create(&api, "cam1").await;
    let refused = async |body: Value| {
        let problem = api
            .post("/v1/sessions/cam1/recordings", &body)
            .await
            .problem();
        let fields: Vec<_> = problem.errors.iter().map(|it| it.field.clone()).collect();
        (problem.code.as_str(), fields)
    };
    for name in [
        "../x",
        "/etc/passwd",
        "a/b",
        "..",
        ".x",
        "-rf",
        "A",
        "a\u{0}b",
        "take.0001",
        &"x".repeat(64),
    ] {
        let (code, fields) = refused(json!({"format": "pcapng", "name": name})).await;
        assert_eq!(
            (code, fields),
            ("invalid_request", vec!["name".to_owned()]),
            "{name}"
        );
    }
    for (body, field) in [
        (json!({"format": "wav"}), "format"),
        (json!({"format": "raw"}), "format"),
        (json!({"format": "y4m"}), "format"),
        (json!({"format": "pcapng", "snap_length": 1}), "snap_length"),
        (json!({"format": "pcapng", "duration_ms": 0}), "duration_ms"),
        (json!({"format": "pcapng", "size_bytes": 1}), "size_bytes"),
        (
            json!({"format": "pcapng", "split_size_bytes": 1}),
            "split_size_bytes",
        ),
    ] {
        let (code, fields) = refused(body.clone()).await;
        assert_eq!(
            (code, fields),
            ("invalid_request", vec![field.to_owned()]),
            "{body}"
        );
    }
    assert_eq!(
        refused(json!({"format": "pcapng", "folder": "/etc"}))
            .await
            .0,
        "invalid_request"
    );
    let body = json!({"format": "pcapng"});
    let unknown = api.post("/v1/sessions/none/recordings", &body).await;
    assert_eq!(unknown.code(), "no_such_session");
    for (path, code) in [
        ("/v1/recordings/none", "no_such_recording"),
        ("/v1/recordings/UPPER", "invalid_request"),
        ("/v1/recordings/..%2fx", "invalid_request"),
        ("/v1/recordings?session=UPPER", "invalid_request"),
        ("/v1/recordings?nix=1", "invalid_request"),
    ] {
        assert_eq!(api.get(path).await.code(), code, "{path}");
    }
    let stop = api.ask("POST", "/v1/recordings/none/stop", None).await;
    assert_eq!(stop.code(), "no_such_recording");
}
