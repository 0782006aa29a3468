//! Following what happens.

use std::io::BufRead;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use onair_api::operations::CreateSession;
use onair_api::{Event, EventKind, EventName};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use crate::http_api::served::client::{Served, limited, served, soon};
use crate::http_api::sessions::{create, spec};

/// A reader of the stream, after its head.
struct Reader {
    lines: BufReader<UnixStream>,
    /// Id of where it begins.
    begins: Option<String>,
}

/// One server-sent event.
#[derive(Debug)]
struct Message {
    id: Option<String>,
    name: String,
    event: Event,
}

impl Reader {
    async fn open(api: &Served, query: &str, headers: &str) -> Self {
        let mut stream = api.connect().await;
        let request = format!("GET /v1/events{query} HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut lines = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(
                soon(lines.read_line(&mut head)).await.unwrap() > 0,
                "{head}"
            );
        }
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(head.contains("content-type: text/event-stream"), "{head}");
        let begins = None;
        Self { lines, begins }
    }

    /// The next event; `None` at the stream's end.
    async fn next(&mut self) -> Option<Message> {
        let (mut id, mut name, mut event) = (None, None, None);
        loop {
            let mut line = String::new();
            if soon(self.lines.read_line(&mut line)).await.unwrap() == 0 {
                return None;
            }
            match line.trim_end().split_once(": ") {
                Some(("id", text)) => id = Some(text.to_owned()),
                Some(("event", text)) => name = Some(text.to_owned()),
                Some(("data", text)) => event = Some(serde_json::from_str(text).unwrap()),
                // The sizes of chunks, comments, and the line after each event.
                _ => {}
            }
            if !line.trim_end().is_empty() {
                continue;
            }
            // The beginning: no event, and an id of it.
            if event.is_none() {
                self.begins = id.take().or_else(|| self.begins.take());
            } else {
                return Some(Message {
                    id,
                    name: name?,
                    event: event?,
                });
            }
        }
    }
}

async fn turn(api: &Served, session: &str, verb: &str) {
    let path = format!("/v1/sessions/{session}/{verb}");
    assert_eq!(api.ask("POST", &path, None).await.status, 200);
}

#[tokio::test]
async fn events_of_one_session_and_kind_then_only_these_are_sent() {
    let api = served();
    create(&api, "cam1").await;
    create(&api, "cam2").await;
    let mut reader = Reader::open(&api, "?session=cam1&kind=session_stopped,lost", "").await;
    turn(&api, "cam2", "stop").await;
    turn(&api, "cam1", "start").await;
    turn(&api, "cam1", "stop").await;
    let message = reader.next().await.unwrap();
    assert_eq!(message.name, "session_stopped");
    assert_eq!(message.event.name.unwrap().as_str(), "cam1");
    assert_eq!(message.event.kind.name(), EventName::SessionStopped);
    assert_eq!(message.event.sequence, 5);
    assert_eq!(message.id.as_deref(), Some("6920a1c3.5"));
}

#[tokio::test]
async fn events_read_again_from_the_last_id_then_none_is_missing() {
    let api = served();
    create(&api, "cam1").await;
    turn(&api, "cam1", "stop").await;
    let mut reader = Reader::open(&api, "", "Last-Event-ID: 0\r\n").await;
    let first = reader.next().await.unwrap();
    assert_eq!(first.event.sequence, 1);
    drop(reader);
    turn(&api, "cam1", "start").await;
    let again = format!("Last-Event-ID: {}\r\n", first.id.unwrap());
    let mut reader = Reader::open(&api, "", &again).await;
    for sequence in [2, 3] {
        assert_eq!(reader.next().await.unwrap().event.sequence, sequence);
    }
}

#[tokio::test]
async fn events_none_yet_then_the_id_of_where_they_begin() {
    let api = served();
    create(&api, "cam1").await;
    turn(&api, "cam1", "stop").await;
    for (header, begins) in [
        ("", "6920a1c3.2"),
        ("Last-Event-ID: 1\r\n", "6920a1c3.1"),
        ("Last-Event-ID: 6920a1c2.9\r\n", "6920a1c3.0"),
    ] {
        let mut reader = Reader::open(&api, "?kind=lost", header).await;
        let waited = tokio::time::timeout(Duration::from_millis(200), reader.next()).await;
        assert!(waited.is_err(), "{waited:?}");
        assert_eq!(reader.begins.as_deref(), Some(begins), "{header}");
    }
}

#[tokio::test]
async fn events_wrong_questions_then_typed_problems() {
    let api = served();
    for (query, field) in [
        ("?kind=drained", "kind"),
        ("?kind=", "kind"),
        ("?session=UPPER", "session"),
        ("?session=a&session=b", "session"),
        ("?since=1", "query"),
    ] {
        let answer = api.get(&format!("/v1/events{query}")).await;
        assert_eq!(answer.code(), "invalid_request", "{query}");
        assert_eq!(answer.problem().errors[0].field, field, "{query}");
    }
    let unknown = api.get("/v1/events?session=nobody").await;
    assert_eq!(unknown.code(), "no_such_session");
    let request = b"GET /v1/events HTTP/1.1\r\nHost: x\r\nLast-Event-ID: x\r\n\
        Connection: close\r\n\r\n";
    let answer = api.raw(request).await;
    assert_eq!(answer.problem().errors[0].field, "Last-Event-ID");
    // Still nowhere else.
    let elsewhere = api.get("/v1/sessions?session=x").await;
    assert_eq!(elsewhere.code(), "invalid_request");
}

#[tokio::test]
async fn events_too_many_readers_then_refused_and_others_are_served() {
    let api = served();
    let mut readers = Vec::new();
    for _ in 0..32 {
        readers.push(Reader::open(&api, "", "").await);
    }
    assert_eq!(api.get("/v1/events").await.code(), "limit_reached");
    assert_eq!(api.get("/v1/health").await.status, 200);
    create(&api, "cam1").await;
    for reader in &mut readers {
        assert_eq!(reader.next().await.unwrap().name, "session_started");
    }
    readers.pop();
    let until_free = async {
        loop {
            let mut stream = api.connect().await;
            let request = b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n";
            stream.write_all(request).await.unwrap();
            let mut head = [0; 12];
            stream.read_exact(&mut head).await.unwrap();
            if &head == b"HTTP/1.1 200" {
                return;
            }
        }
    };
    soon(until_free).await;
}

#[tokio::test]
async fn events_reader_takes_nothing_then_it_alone_is_disconnected() {
    let timeout = Duration::from_millis(200);
    let api = limited(|it| it.write = timeout);
    create(&api, "cam1").await;
    let mut idle = Reader::open(&api, "", "").await;
    let mut reads = Reader::open(&api, "", "").await;
    // More than the socket and the queue hold.
    for _ in 0..1500 {
        turn(&api, "cam1", "stop").await;
        assert_eq!(reads.next().await.unwrap().name, "session_stopped");
    }
    // On a fast machine all that took less than the time that it has to take something.
    tokio::time::sleep(2 * timeout).await;
    let mut seen = 0;
    while let Some(message) = idle.next().await {
        seen = message.event.sequence;
        if let EventKind::Lost { count } = message.event.kind {
            assert!(count > 0 && message.id.is_none());
        }
    }
    assert!(seen < 1501, "it was not cut off");
}

#[tokio::test]
async fn events_the_daemon_ends_then_the_stream_ends_after_the_last() {
    let mut api = served();
    create(&api, "cam1").await;
    let mut reader = Reader::open(&api, "", "Last-Event-ID: 0\r\n").await;
    api.actor.abort();
    assert_eq!(reader.next().await.unwrap().name, "session_started");
    assert!(reader.next().await.is_none());
    api.end();
    api.ended().await;
}

#[tokio::test]
async fn events_another_user_follows_then_only_its_own_sessions() {
    let api = served();
    let folder = api.path.parent().unwrap();
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    create(&api, "roots").await;
    let mut owner = crate::http_api::served::documents::root();
    (owner.who.uid, owner.who.gid) = (65534, 65534);
    let document = serde_json::from_value(spec("his")).unwrap();
    let created = api.handle.ask::<CreateSession>(owner, (), document);
    created.await.unwrap();
    turn(&api, "roots", "stop").await;
    turn(&api, "his", "start").await;
    let curl = |path: &str| {
        let mut curl = Command::new("curl");
        curl.args(["-sN", "-H", "Last-Event-ID: 0", "--unix-socket"])
            .arg(&api.path)
            .arg(format!("http://x{path}"))
            .uid(65534)
            .gid(65534)
            .stdout(Stdio::piped());
        curl.spawn().expect("curl and root")
    };
    let mut follows = curl("/v1/events");
    let lines = std::io::BufReader::new(follows.stdout.take().unwrap()).lines();
    let two = tokio::task::spawn_blocking(move || {
        let data = lines.filter_map(|line| Some(line.unwrap().strip_prefix("data: ")?.to_owned()));
        data.take(2).collect::<Vec<_>>()
    });
    let events = soon(two).await.unwrap();
    follows.kill().unwrap();
    follows.wait().unwrap();
    for (line, sequence) in events.iter().zip([2, 4]) {
        let event: Event = serde_json::from_str(line).unwrap();
        assert_eq!(event.name.unwrap().as_str(), "his");
        assert_eq!(event.sequence, sequence);
    }
    let refused = curl("/v1/events?session=roots");
    let refused = tokio::task::spawn_blocking(move || refused.wait_with_output());
    let output = soon(refused).await.unwrap().unwrap();
    let problem: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(problem["code"], json!("forbidden"));
}
