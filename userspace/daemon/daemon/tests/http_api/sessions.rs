//! What can be done with sessions.

use std::os::unix::fs::PermissionsExt;

use onair_api::Certificate;
use onair_api::operations::CreateSession;
use serde_json::{Value, json};

use crate::http_api::served::client::{Served, served, served_with, soon};
use crate::http_api::served::documents::{name, root};
use onaird::control::http::Limits;

pub(crate) fn spec(name: &str) -> Value {
    json!({"name": name, "direction": "receive", "port": "a",
           "video": {"width": 1280, "height": 720, "frame_rate": "60/1", "depth": 10},
           "flow": {"destination": "10.77.0.2:5004"}})
}

pub(crate) async fn create(api: &Served, name: &str) -> String {
    let answer = api.post("/v1/sessions", &spec(name)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn session_create_and_show_then_by_id_and_by_name() {
    let api = served();
    let answer = api.post("/v1/sessions", &spec("cam1")).await;
    assert_eq!(answer.status, 201);
    let view = answer.json();
    assert_eq!(view["id"], "6920a1c300000001");
    assert_eq!(view["owner"]["uid"], 0);
    assert_eq!(view["owner"]["via"], "control.sock");
    assert_eq!(view["owner"]["pid"], std::process::id());
    let place = answer.header("location").unwrap();
    assert_eq!(api.get(place).await.json(), view);
    assert_eq!(api.get("/v1/sessions/cam1").await.json(), view);
}

#[tokio::test]
async fn sessions_listed_then_short_in_pages_and_whole_on_request() {
    let api = served();
    for name in ["cam1", "cam2", "cam3"] {
        create(&api, name).await;
    }
    let names = |page: &Value| -> Vec<String> {
        let sessions = page["sessions"].as_array().unwrap().iter();
        sessions
            .map(|it| it["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let all = api.get("/v1/sessions").await.json();
    assert_eq!(names(&all), ["cam1", "cam2", "cam3"]);
    assert_eq!(all["next"], Value::Null);
    let view = api.get("/v1/sessions/cam1").await.json();
    assert_eq!(
        all["sessions"][0],
        json!({"id": view["id"], "name": "cam1", "direction": "receive", "state": "running", "port": "a",
            "poller": view["poller"], "destination": "10.77.0.2:5004",
            "video": "1280x720 60 fps 10 bit", "frame_rate": "60/1",
            "attachments": view["attachments"].as_array().unwrap().len(),
            "max_attachments": view["max_attachments"], "owner": 0, "created_at": view["created_at"],
            "problems": []})
    );
    let first = api.get("/v1/sessions?limit=2").await.json();
    assert_eq!(names(&first), ["cam1", "cam2"]);
    let rest = format!(
        "/v1/sessions?limit=2&full=true&after={}",
        first["next"].as_str().unwrap()
    );
    let rest = api.get(&rest).await.json();
    assert_eq!(
        (names(&rest), &rest["next"]),
        (vec!["cam3".into()], &Value::Null)
    );
    let whole = api.get("/v1/sessions/cam3").await.json();
    assert_eq!(rest["sessions"][0]["view"], whole);
    for (query, field) in [
        ("limit=0", "limit"),
        ("after=cam1", "after"),
        ("full=1", "full"),
    ] {
        let refused = api.get(&format!("/v1/sessions?{query}")).await;
        assert_eq!(refused.problem().errors[0].field, field, "{query}");
    }
    let made = api.post("/v1/sessions?full=true", &spec("cam4")).await;
    assert_eq!(made.code(), "invalid_request");
}

#[tokio::test]
async fn session_refused_specifications_then_each_field_is_named() {
    let api = served();
    let mut bad = spec("Cam 1");
    bad["video"]["width"] = json!(1281);
    let answer = api.post("/v1/sessions", &bad).await;
    assert_eq!(answer.code(), "invalid_spec");
    let fields: Vec<_> = answer
        .problem()
        .errors
        .into_iter()
        .map(|e| e.field)
        .collect();
    assert_eq!(fields, ["name", "video.width"]);

    let mut bad = spec("cam1");
    bad["port"] = json!("nowhere");
    assert_eq!(api.post("/v1/sessions", &bad).await.code(), "no_such_port");

    create(&api, "cam1").await;
    assert_eq!(
        api.post("/v1/sessions", &spec("cam1")).await.code(),
        "name_taken"
    );
}

#[tokio::test]
async fn session_stop_start_destroy_then_the_certificate_remains() {
    let api = served();
    let id = create(&api, "cam1").await;
    let refused = api.post("/v1/sessions/cam1/destroy", &json!({})).await;
    assert_eq!(refused.code(), "running");
    assert_eq!(
        api.get("/v1/sessions/cam1/certificate").await.code(),
        "certificate_pending"
    );
    for (verb, state) in [
        ("stop", "stopped"),
        ("start", "running"),
        ("stop", "stopped"),
        ("stop", "stopped"),
    ] {
        let answer = api
            .ask("POST", &format!("/v1/sessions/cam1/{verb}"), None)
            .await;
        assert_eq!(
            (answer.status, &answer.json()["state"]),
            (200, &json!(state))
        );
    }
    let answer = api.ask("DELETE", &format!("/v1/sessions/{id}"), None).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let proof: Certificate = serde_json::from_str(&answer.text).unwrap();
    assert_eq!(proof.session.to_string(), id);
    assert_eq!(
        api.get(&format!("/v1/sessions/{id}")).await.code(),
        "stale_session"
    );
    assert_eq!(api.get("/v1/sessions/cam1").await.code(), "no_such_session");
    let kept = api.get("/v1/sessions/cam1/certificate").await;
    assert_eq!(kept.json(), answer.json());
    let list = api.get("/v1/certificates").await.json();
    assert_eq!(list["certificates"][0]["session"], id);
    assert_eq!(list["certificates"][0]["memory"]["state"], "pending");
    let by_id = api.get(&format!("/v1/certificates/{id}")).await;
    assert_eq!(by_id.json(), answer.json());
}

#[tokio::test]
async fn certificates_searched_then_those_that_match_newest_first() {
    let api = served();
    let mut ids = Vec::new();
    for name in ["cam1", "cam2", "cam1"] {
        let id = create(&api, name).await;
        let path = format!("/v1/sessions/{id}");
        api.ask("POST", &format!("{path}/stop"), None).await;
        assert_eq!(api.ask("DELETE", &path, None).await.status, 200);
        ids.push(id);
    }
    for (query, found) in [
        ("", vec![2, 1, 0]),
        ("?name=cam1", vec![2, 0]),
        (&format!("?name={}", ids[1]), vec![1]),
        ("?name=cam3", vec![]),
        ("?operation=destroy", vec![2, 1, 0]),
        ("?operation=shutdown", vec![]),
        ("?since=2000-01-01T00:00:00Z&limit=2", vec![2, 1]),
        ("?since=2100-01-01T00%3A00%3A00Z", vec![]),
        ("?name=cam1&operation=destroy&limit=1", vec![2]),
    ] {
        let list = api.get(&format!("/v1/certificates{query}")).await.json();
        let list = list["certificates"].as_array().unwrap();
        let listed: Vec<_> = list.iter().map(|it| it["session"].as_str()).collect();
        let found: Vec<_> = found.iter().map(|&at| Some(ids[at].as_str())).collect();
        assert_eq!(listed, found, "{query}");
    }
    for (query, field) in [
        ("name=UPPER", "name"),
        ("operation=force", "operation"),
        ("since=yesterday", "since"),
        ("limit=0", "limit"),
        ("limit=100001", "limit"),
        ("limit=-1", "limit"),
    ] {
        let problem = api
            .get(&format!("/v1/certificates?{query}"))
            .await
            .problem();
        assert_eq!(problem.code.as_str(), "invalid_request", "{query}");
        assert_eq!(problem.errors[0].field, field, "{query}");
    }
    for query in ["force=true", "limit=1&limit=2"] {
        let answer = api.get(&format!("/v1/certificates?{query}")).await;
        assert_eq!(answer.code(), "invalid_request", "{query}");
        let field = query.split('=').next().unwrap();
        assert!(answer.problem().detail.contains(field), "{answer:?}");
    }
}

#[tokio::test]
async fn session_destroy_with_users_then_busy_names_them() {
    let api = served();
    create(&api, "busy1").await;
    api.ask("POST", "/v1/sessions/busy1/stop", None).await;
    let problem = api
        .post("/v1/sessions/busy1/destroy", &json!({}))
        .await
        .problem();
    assert_eq!(problem.code.as_str(), "busy");
    assert_eq!(
        (problem.blockers[0].pid, problem.blockers[0].tid),
        (4711, Some(4712))
    );
    assert!(!problem.verdict.unwrap().destroyable);
    let list = api.get("/v1/sessions/busy1/blockers").await.json();
    assert_eq!(list["blockers"][0]["waits_in"], "buffer_get");
    assert_eq!(list["blockers"][0]["seen_by"], json!(["W1", "W2"]));
    let verdict = api.get("/v1/sessions/busy1/verdict").await.json();
    assert_eq!(verdict["readings"][0]["word_of"], "kernel");
}

#[tokio::test]
async fn session_described_then_sdp_as_text() {
    let api = served();
    create(&api, "cam1").await;
    let answer = api.get("/v1/sessions/cam1/sdp").await;
    assert_eq!(answer.text, "v=0\r\n");
    assert_eq!(answer.header("content-type"), Some("application/sdp"));
    assert_eq!(
        api.get("/v1/sessions/none/sdp").await.code(),
        "no_such_session"
    );
}

#[tokio::test]
async fn session_traced_then_lines_of_json() {
    let api = served();
    create(&api, "cam1").await;
    let answer = api.get("/v1/sessions/cam1/trace").await;
    assert_eq!(answer.text, "{}\n");
    let kind = answer.header("content-type");
    assert_eq!(kind, Some("application/x-ndjson"));
}

#[tokio::test]
async fn session_pictured_then_bytes_as_png() {
    let api = served();
    create(&api, "cam1").await;
    let answer = api.get("/v1/sessions/cam1/snapshot").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("image/png"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(
        api.get("/v1/sessions/none/snapshot").await.code(),
        "no_such_session"
    );
}

#[tokio::test]
async fn session_destroy_wait_then_certificate_with_the_deadline() {
    let api = served();
    create(&api, "cam1").await;
    api.ask("POST", "/v1/sessions/cam1/stop", None).await;
    let wait = "/v1/sessions/cam1/destroy_wait";
    for bad in [
        json!({}),
        json!({"deadline_ms": -1}),
        json!({"deadline_ms": 86_400_001}),
        json!({"deadline_ms": 1, "force": true}),
    ] {
        assert_eq!(
            api.post(wait, &bad).await.code(),
            "invalid_request",
            "{bad}"
        );
    }
    let proof = api.post(wait, &json!({"deadline_ms": 5000})).await.json();
    assert_eq!(
        (&proof["operation"], &proof["deadline_ms"]),
        (&json!("destroy_wait"), &json!(5000))
    );
}

#[tokio::test]
async fn session_flush_then_what_was_sent_or_the_deadline_has_passed() {
    let api = served();
    create(&api, "cam1").await;
    let flush = "/v1/sessions/cam1/flush";
    for bad in [
        json!({}),
        json!({"deadline_ms": 86_400_001}),
        json!({"deadline_ms": 1, "force": true}),
    ] {
        let code = api.post(flush, &bad).await.code();
        assert_eq!(code, "invalid_request", "{bad}");
    }
    let answer = api.post(flush, &json!({"deadline_ms": 5000})).await;
    assert_eq!(answer.status, 200);
    let flushed: onair_api::Flushed = serde_json::from_value(answer.json()).unwrap();
    assert_eq!((flushed.frames_sent, flushed.waited_ms), (12, 200));
    let late = api.post(flush, &json!({"deadline_ms": 0})).await;
    assert_eq!((late.status, late.code()), (409, "deadline_passed"));
    let view = api.get("/v1/sessions/cam1").await.json();
    assert_eq!(view["state"], "running", "it goes on");
    let nobody = "/v1/sessions/nobody/flush";
    let code = api.post(nobody, &json!({"deadline_ms": 1})).await.code();
    assert_eq!(code, "no_such_session");
}

#[tokio::test]
async fn session_requester_hangs_up_in_destroy_wait_then_noticed() {
    let mut api = served();
    create(&api, "busy1").await;
    api.ask("POST", "/v1/sessions/busy1/stop", None).await;
    let mut stream = api.connect().await;
    let body = r#"{"deadline_ms":60000}"#;
    let request = format!(
        "POST /v1/sessions/busy1/destroy_wait HTTP/1.1\r\nHost: x\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes())
        .await
        .unwrap();
    // The actor serves others while one waits.
    assert_eq!(api.get("/v1/sessions/busy1").await.status, 200);
    drop(stream);
    soon(api.hangups.recv()).await.unwrap();
}

#[tokio::test]
async fn session_another_user_asks_then_forbidden() {
    let api = served();
    let folder = api.path.parent().unwrap();
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    let document = serde_json::from_value(spec("cam1")).unwrap();
    let created = api.handle.ask::<CreateSession>(root(), (), document);
    created.await.unwrap();
    let as_other_user = |method: &'static str, path: &'static str| {
        let mut curl = std::process::Command::new("curl");
        curl.args(["-s", "-X", method, "--unix-socket"])
            .arg(&api.path);
        curl.arg(format!("http://x{path}"));
        std::os::unix::process::CommandExt::uid(&mut curl, 65534);
        std::os::unix::process::CommandExt::gid(&mut curl, 65534);
        async move {
            let run = tokio::task::spawn_blocking(move || curl.output().expect("curl and root"));
            let output = soon(run).await.unwrap();
            serde_json::from_slice::<Value>(&output.stdout).unwrap()
        }
    };
    for (method, path) in [
        ("GET", "/v1/sessions"),
        ("GET", "/v1/certificates"),
        ("GET", "/v1/sessions/cam1"),
        ("POST", "/v1/sessions/cam1/stop"),
        ("POST", "/v1/sessions/cam1/destroy"),
        ("POST", "/v1/sessions/cam1/evict"),
        ("POST", "/v1/sessions/cam1/attachments/1/evict"),
        ("POST", "/v1/sessions/cam1/abort"),
        ("POST", "/v1/sessions/cam1/quarantine"),
    ] {
        let problem = as_other_user(method, path).await;
        assert_eq!(problem["code"], "forbidden", "{method} {path}");
        assert!(
            problem["detail"].as_str().unwrap().contains("curl"),
            "{problem}"
        );
    }
    assert_eq!(as_other_user("GET", "/v1/health").await["status"], "ok");
    assert_eq!(
        api.get(&format!("/v1/sessions/{}", name("cam1")))
            .await
            .json()["state"],
        "running"
    );
}

#[tokio::test]
async fn health_not_ready_then_503_with_the_same_body() {
    let api = served_with(Limits::default(), |actor| actor.ready = false);
    let answer = api.get("/v1/health").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.json()["status"], "probe_blind");
}

#[tokio::test]
async fn actor_dies_over_a_request_then_shutting_down_and_no_hang() {
    let api = served();
    let mut last = spec("cam1");
    last["port"] = json!("reply-is-dropped");
    assert_eq!(
        api.post("/v1/sessions", &last).await.code(),
        "shutting_down"
    );
    assert_eq!(api.get("/v1/health").await.code(), "shutting_down");
    assert!(soon(api.actor).await.unwrap_err().is_panic());
}
