//! Requests that are not what the API takes.

use std::time::Duration;

use crate::http_api::served::client::{limited, served};

const CREATE: &str = "POST /v1/sessions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";

#[tokio::test]
async fn body_not_understood_then_the_place_is_named() {
    let api = served();
    let good = r#"{"name":"a","direction":"send","port":"a","video":{"width":16,"height":2,"frame_rate":"60","depth":8},"flow":{"destination":"10.0.0.1:1"}"#;
    let video = r#"{"width":16,"height":2,"frame_rate":"60","depth":8}"#;
    let cases = [
        ("", "", "no JSON"),
        ("{", "", "no JSON"),
        ("[1,2", "", "a list"),
        (
            &format!("{}}}", good.replace(video, r#"[16,2,"60",8]"#)),
            "video",
            "a list",
        ),
        (
            &format!(
                "{}}}",
                good.replace(r#"{"destination":"10.0.0.1:1"}"#, r#"["10.0.0.1:1"]"#)
            ),
            "flow",
            "a list",
        ),
        (
            &format!(
                "{}}}",
                good.replace(r#":1"}"#, r#":1","sources":[["10.0.0.2"]]}"#)
            ),
            "flow.sources[0]",
            "invalid type",
        ),
        (&format!("{good}}} trailing"), "", "no JSON"),
        (&format!("{good},\"vidoe\":1}}"), "vidoe", "unknown field"),
        (
            &format!("{good},\"name\":\"b\"}}"),
            "",
            "duplicate field `name`",
        ),
        (&good.replace("16", "\"16\""), "video.width", "invalid type"),
        (&good.replace("16", "-16"), "video.width", "integer `-16`"),
        (
            &good.replace("send", "sideways"),
            "direction",
            "unknown variant",
        ),
        (&good.replace("\"width\":16,", ""), "video", "missing field"),
        ("\"text\"", "", "invalid type"),
        ("null", "", "invalid type"),
    ];
    for (body, field, says) in cases {
        let answer = api.ask("POST", "/v1/sessions", Some(body)).await;
        assert_eq!(answer.code(), "invalid_request", "{body}");
        let problem = answer.problem();
        assert!(problem.detail.contains(says), "{body}: {}", problem.detail);
        let named = problem.errors.first().map_or("", |e| e.field.as_str());
        assert_eq!(named, field, "{body}");
    }
}

#[tokio::test]
async fn group_with_a_list_for_an_object_then_the_place_is_named() {
    let api = served();
    let member = r#"{"name":"a","direction":"send","port":"a","video":{"width":16,"height":2,"frame_rate":"60","depth":8},"flow":{"destination":"10.0.0.1:1"}}"#;
    let group = |second: &str| format!(r#"{{"name":"g","sessions":[{member},{second}]}}"#);
    let flow = member.replace(r#"{"destination":"10.0.0.1:1"}"#, r#"["10.0.0.1:1"]"#);
    for (second, field) in [(r#"["b"]"#, "sessions[1]"), (&*flow, "sessions[1].flow")] {
        let answer = api.ask("POST", "/v1/groups", Some(&group(second))).await;
        let problem = answer.problem();
        assert_eq!(problem.errors[0].field, field, "{}", problem.detail);
    }
    // A session has notes of its description: a list of objects.
    let notes = r#""notes":[{"line":9,"parameter":"SSN","reason":"unknown"}],"#;
    let other = member.replace(r#""name":"a""#, &format!(r#"{notes}"name":"b""#));
    let answer = api.ask("POST", "/v1/groups", Some(&group(&other))).await;
    assert_eq!(answer.status, 201, "{}", answer.code());
}

#[tokio::test]
async fn body_of_another_type_then_415() {
    let api = served();
    for kind in [
        "",
        "Content-Type: text/plain\r\n",
        "Content-Type: application/jsonp\r\n",
    ] {
        let request = format!("{CREATE}{kind}Content-Length: 2\r\n\r\n{{}}");
        assert_eq!(
            api.raw(request.as_bytes()).await.code(),
            "unsupported_media_type"
        );
    }
    let request = format!(
        "{CREATE}Content-Type: Application/JSON; charset=utf-8\r\nContent-Length: 2\r\n\r\n{{}}"
    );
    assert_eq!(api.raw(request.as_bytes()).await.code(), "invalid_request");
}

#[tokio::test]
async fn body_too_large_then_413_announced_or_not() {
    let api = served();
    let json = "Content-Type: application/json\r\n";
    let announced = format!("{CREATE}{json}Content-Length: 65537\r\n\r\n");
    assert_eq!(api.raw(announced.as_bytes()).await.code(), "too_large");
    let filler = " ".repeat(0x1_0001);
    let chunked = format!("{CREATE}{json}Transfer-Encoding: chunked\r\n\r\n10001\r\n{filler}\r\n");
    assert_eq!(api.raw(chunked.as_bytes()).await.code(), "too_large");
    let stop = "POST /v1/sessions/x/stop HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n";
    assert_eq!(api.raw(stop.as_bytes()).await.code(), "too_large");
}

#[tokio::test]
async fn body_that_never_comes_then_408() {
    let api = limited(|it| it.body = Duration::from_millis(20));
    let request = format!("{CREATE}Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{{");
    assert_eq!(api.raw(request.as_bytes()).await.code(), "request_timeout");
}

#[tokio::test]
async fn body_where_none_is_taken_then_refused() {
    let api = served();
    for (method, path) in [
        ("POST", "/v1/sessions/x/stop"),
        ("POST", "/v1/sessions/x/start"),
        ("POST", "/v1/sessions/x/destroy"),
        ("DELETE", "/v1/sessions/x"),
    ] {
        let answer = api.ask(method, path, Some("{\"force\":true}")).await;
        assert_eq!(answer.code(), "invalid_request", "{method} {path}");
        let answer = api.ask(method, path, Some(" {} ")).await;
        assert_eq!(answer.code(), "no_such_session", "{method} {path}");
    }
}

#[tokio::test]
async fn path_that_is_none_then_404_with_the_way_on() {
    let api = served();
    for path in [
        "/",
        "/v1",
        "/v1/session",
        "/v1/sessions/",
        "/v2/sessions",
        "/v1/sessions/a/b/c",
    ] {
        let answer = api.get(path).await;
        assert_eq!(answer.code(), "not_found", "{path}");
        assert!(answer.problem().detail.contains("/v1/openapi.json"));
    }
}

#[tokio::test]
async fn path_session_that_cannot_be_then_400() {
    let api = served();
    for id in ["CAM", "%20", "%ff", "-x", "a%2Fb", &"x".repeat(64)] {
        let answer = api.get(&format!("/v1/sessions/{id}")).await;
        assert_eq!(answer.code(), "invalid_request", "{id}");
    }
}

#[tokio::test]
async fn method_not_taken_then_405_with_allow() {
    let api = served();
    for (method, path, allow) in [
        ("PUT", "/v1/sessions", "GET,HEAD,POST,PATCH"),
        ("GET", "/v1/sessions/x/stop", "POST"),
        ("PUT", "/v1/sessions/x", "GET,HEAD,PATCH,DELETE"),
        ("PATCH", "/v1/groups", "GET,HEAD,POST"),
        ("BREW", "/v1/health", "GET,HEAD"),
    ] {
        let answer = api.ask(method, path, None).await;
        assert_eq!(answer.code(), "method_not_allowed", "{method} {path}");
        assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
    }
}

#[tokio::test]
async fn query_on_any_path_then_refused() {
    let api = served();
    let answer = api.ask("DELETE", "/v1/sessions/x?force=true", None).await;
    assert_eq!(answer.code(), "invalid_request");
    assert!(answer.problem().detail.contains("force=true"));
    assert_eq!(api.get("/v1/health?").await.status, 200);
}

#[tokio::test]
async fn head_too_large_then_431() {
    let api = served();
    let long = format!(
        "GET /v1/health HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n",
        "y".repeat(9000)
    );
    assert_eq!(api.raw(long.as_bytes()).await.code(), "headers_too_large");
    let many = format!(
        "GET /v1/health HTTP/1.1\r\nHost: x\r\n{}\r\n",
        "abcdefgh: ijklmnop\r\n".repeat(600)
    );
    assert_eq!(api.raw(many.as_bytes()).await.code(), "headers_too_large");
    let path = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "y".repeat(9000));
    assert_eq!(api.raw(path.as_bytes()).await.code(), "headers_too_large");
    let huge = format!(
        "GET /v1/health HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n",
        "y".repeat(90_000)
    );
    assert_eq!(api.raw(huge.as_bytes()).await.status, 431);
}

#[tokio::test]
async fn bytes_that_are_no_http_then_400_and_closed() {
    let api = served();
    assert_eq!(
        api.raw(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n")
            .await
            .status,
        400
    );
    assert_eq!(api.get("/v1/health").await.status, 200);
}
