//! Recordings.

use serde_json::{Value, json};

use crate::http_api::served::client::served;
use crate::http_api::sessions::create;

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
