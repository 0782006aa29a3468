//! Connections: kept, bounded, ended.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::http_api::served::client::{limited, served, soon};

const HEALTH: &[u8] = b"GET /v1/health HTTP/1.1\r\nHost: x\r\n\r\n";

/// Reads one answer of a connection that stays open; the head tells its length.
async fn one(stream: &mut tokio::net::UnixStream) -> String {
    let mut text = String::new();
    let mut part = vec![0; 64 * 1024];
    loop {
        let n = soon(stream.read(&mut part)).await.unwrap();
        assert!(n > 0, "closed after {text:?}");
        text += std::str::from_utf8(&part[..n]).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .find_map(|l| l.strip_prefix("content-length: "));
        if length.is_some_and(|length| length.parse::<usize>().unwrap() <= body.len()) {
            return text;
        }
    }
}

#[tokio::test]
async fn connection_two_requests_then_two_answers() {
    let api = served();
    let mut stream = api.connect().await;
    for _ in 0..2 {
        stream.write_all(HEALTH).await.unwrap();
        assert!(one(&mut stream).await.starts_with("HTTP/1.1 200"));
    }
}

#[tokio::test]
async fn connection_head_never_whole_or_idle_then_closed() {
    let api = limited(|it| it.head = Duration::from_millis(20));
    let mut slow = api.connect().await;
    slow.write_all(b"GET /v1/hea").await.unwrap();
    let mut rest = Vec::new();
    soon(slow.read_to_end(&mut rest)).await.unwrap();
    let mut idle = api.connect().await;
    idle.write_all(HEALTH).await.unwrap();
    one(&mut idle).await;
    rest.clear();
    soon(idle.read_to_end(&mut rest)).await.unwrap();
    assert!(rest.is_empty(), "{rest:?}");
}

#[tokio::test]
async fn connection_takes_nothing_of_its_answers_then_closed() {
    let api = limited(|it| {
        it.write = Duration::from_millis(20);
        it.connections = 1;
    });
    let mut greedy = api.connect().await;
    let many = b"GET /v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(2000);
    // Either all of it fits the socket or the server closed meanwhile; both will do.
    drop(soon(greedy.write_all(&many)).await);
    // Its place is free again only when the server has given it up.
    let until_free = async {
        loop {
            if api.get("/v1/health").await.status == 200 {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    soon(until_free).await;
}

#[tokio::test]
async fn connection_one_too_many_then_told_so() {
    let api = limited(|it| it.connections = 1);
    let mut first = api.connect().await;
    first.write_all(HEALTH).await.unwrap();
    one(&mut first).await;
    assert_eq!(api.get("/v1/health").await.code(), "overloaded");
    first.write_all(HEALTH).await.unwrap();
    assert!(one(&mut first).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn server_ends_then_idle_closed_and_file_gone() {
    let mut api = served();
    let mut idle = api.connect().await;
    idle.write_all(HEALTH).await.unwrap();
    one(&mut idle).await;
    api.end();
    let mut rest = Vec::new();
    soon(idle.read_to_end(&mut rest)).await.unwrap();
    assert!(rest.is_empty());
    let path = api.path.clone();
    assert!(path.exists());
    api.ended().await;
    assert!(!path.exists());
}

/// What a connection says until its end.
async fn rest(stream: &mut tokio::net::UnixStream) -> String {
    let mut text = String::new();
    soon(stream.read_to_string(&mut text)).await.unwrap();
    text
}

#[tokio::test]
async fn server_ends_with_requests_arrived_then_answers_and_closes() {
    let mut api = served();
    let mut used = api.connect().await;
    used.write_all(HEALTH).await.unwrap();
    one(&mut used).await;
    let mut fresh = api.connect().await;
    // The server has accepted both: it has answered one that came later.
    assert_eq!(api.get("/v1/health").await.status, 200);
    // Nothing is awaited from here on: the server sees the requests and the end at once.
    for stream in [&used, &fresh] {
        assert_eq!(stream.try_write(HEALTH).unwrap(), HEALTH.len());
    }
    let mut queued = std::os::unix::net::UnixStream::connect(&api.path).unwrap();
    std::io::Write::write_all(&mut queued, HEALTH).unwrap();
    queued.set_nonblocking(true).unwrap();
    let mut queued = tokio::net::UnixStream::from_std(queued).unwrap();
    api.end();
    for stream in [&mut used, &mut fresh, &mut queued] {
        let answer = rest(stream).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer:?}");
    }
    api.ended().await;
}

#[tokio::test]
async fn server_ends_during_a_wait_then_ends_within_the_farewell() {
    let mut api = limited(|it| it.final_event = Duration::from_millis(20));
    let spec = serde_json::json!({"name": "busy1", "direction": "receive", "port": "a",
        "video": {"width": 1280, "height": 720, "frame_rate": "60/1", "depth": 10},
        "flow": {"destination": "10.77.0.2:5004"}});
    assert_eq!(api.post("/v1/sessions", &spec).await.status, 201);
    api.ask("POST", "/v1/sessions/busy1/stop", None).await;
    let mut waits = api.connect().await;
    let request = "POST /v1/sessions/busy1/destroy_wait HTTP/1.1\r\nHost: x\r\n\
        Content-Type: application/json\r\nContent-Length: 21\r\n\r\n{\"deadline_ms\":60000}";
    waits.write_all(request.as_bytes()).await.unwrap();
    assert_eq!(api.get("/v1/sessions/busy1").await.status, 200);
    api.end();
    soon(api.hangups.recv()).await.unwrap();
    api.ended().await;
}
