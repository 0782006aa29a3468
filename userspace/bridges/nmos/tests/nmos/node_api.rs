//! The Node API over TCP.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use onair_http::Limits;
use onair_nmos::connection::Subscription;
use onair_nmos::control::SocketLimits;
use proptest::prelude::*;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_websockets::Message;

use crate::support::controller::Controller;
use crate::support::facts::{every_session, formats, ids, name, session};
use crate::support::http::{Answer, ask, ask_on};
use crate::support::schemas::check;
use crate::support::site::{Site, runtime};

const BASE: &str = "/x-nmos/node/v1.3";

async fn get(site: &Site, path: &str) -> Answer {
    let answer = ask(site.address, "GET", path, b"").await.unwrap();
    assert_eq!(answer.headers["access-control-allow-origin"], "*", "{path}");
    answer
}

#[tokio::test]
async fn every_path_then_valid_with_and_without_a_slash() {
    let site = Site::start(&every_session()).await;
    for (path, listed) in [
        ("", json!(["x-nmos/"])),
        ("/x-nmos", json!(["connection/", "ncp/", "node/"])),
        ("/x-nmos/node", json!(["v1.3/"])),
    ] {
        assert_eq!(get(&site, &format!("{path}/")).await.json(), listed);
        if !path.is_empty() {
            assert_eq!(get(&site, path).await.json(), listed);
        }
    }
    check("nodeapi-base", &get(&site, BASE).await.json());
    check("node", &get(&site, &format!("{BASE}/self/")).await.json());
    for kind in ["device", "source", "flow", "sender", "receiver"] {
        let list = get(&site, &format!("{BASE}/{kind}s")).await.json();
        check(&format!("{kind}s"), &list);
        let same = get(&site, &format!("{BASE}/{kind}s/")).await.json();
        assert_eq!(list, same);
        for one in list.as_array().unwrap() {
            let id = one["id"].as_str().unwrap();
            for slash in ["", "/"] {
                let answer = get(&site, &format!("{BASE}/{kind}s/{id}{slash}")).await;
                assert_eq!(answer.status, 200);
                assert_eq!(answer.headers["content-type"], "application/json");
                assert_eq!(&answer.json(), one);
            }
        }
    }
}

#[tokio::test]
async fn wrong_path_or_method_then_the_error_schema() {
    let site = Site::start(&every_session()).await;
    let absent = ids().node();
    let receiver = ids().receiver(&name("receive-0"));
    for (method, path, status) in [
        ("GET", "/nothing".to_owned(), 404),
        ("GET", format!("{BASE}/senders/{absent}"), 404),
        ("GET", format!("{BASE}/senders/not-a-uuid"), 404),
        ("GET", format!("{BASE}/senders/%ff"), 400),
        ("DELETE", format!("{BASE}/self"), 405),
        ("POST", format!("{BASE}/senders/"), 405),
        ("PUT", format!("{BASE}/receivers/{receiver}/target/"), 501),
        ("PUT", format!("{BASE}/receivers/{absent}/target"), 404),
    ] {
        let answer = ask(site.address, method, &path, b"{}").await.unwrap();
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(answer.headers["access-control-allow-origin"], "*");
        check("error", &answer.json());
        assert_eq!(answer.json()["code"], status);
    }
    let path = format!("{BASE}/receivers/{receiver}/target");
    let asked = ask(site.address, "OPTIONS", &path, b"").await.unwrap();
    let methods = asked.headers["access-control-allow-methods"].to_str();
    assert!(asked.status == 200 && methods.unwrap().contains("PUT"));
}

#[tokio::test]
async fn session_changes_then_only_its_resources_have_a_new_version() {
    let (one, other) = (&formats()[0], &formats()[1]);
    let mut site = Site::start(&[session("a", "send", one), session("b", "receive", one)]).await;
    let version = async |site: &Site, path: String| {
        get(site, &format!("{BASE}{path}")).await.json()["version"].clone()
    };
    let flow = format!("/flows/{}", ids().flow(&name("a")));
    let receiver = format!("/receivers/{}", ids().receiver(&name("b")));
    let flow_before = version(&site, flow.clone()).await;
    let receiver_before = version(&site, receiver.clone()).await;
    site.says(&[session("a", "send", other), session("b", "receive", one)]);
    site.model.mark_unchanged();
    while version(&site, flow.clone()).await == flow_before {
        site.model.changed().await.unwrap();
    }
    assert_eq!(version(&site, receiver).await, receiver_before);
}

#[tokio::test]
async fn controller_connects_a_receiver_then_its_version_rises() {
    let mut site = Site::start(&[session("b", "receive", &formats()[0])]).await;
    let path = format!("{BASE}/receivers/{}", ids().receiver(&name("b")));
    let before = get(&site, &path).await.json();
    let subscription = Subscription {
        active: true,
        ..Subscription::default()
    };
    site.model.mark_unchanged();
    site.subscriptions
        .send_replace([(name("b"), subscription)].into());
    site.model.changed().await.unwrap();
    let after = get(&site, &path).await.json();
    assert_eq!(after["subscription"]["active"], true);
    assert_ne!(after["version"], before["version"]);
    assert_eq!(after["caps"]["version"], before["caps"]["version"]);
}

/// What a client sends that does not follow the protocol.
fn nonsense() -> impl Strategy<Value = (String, String, Vec<u8>)> {
    let method = prop_oneof!["GET", "PUT", "POST", "PATCH", "DELETE", "HEAD"];
    let known = "x-nmos|node|v1[.]3|self|senders|receivers|target";
    let word = prop_oneof![7 => known, 1 => "[!-~]{0,12}"];
    let path = prop::collection::vec(word, 0..7).prop_map(|it| format!("/{}", it.join("/")));
    let body = prop::collection::vec(any::<u8>(), 0..64);
    (method, path, body)
}

#[test]
fn nonsense_of_clients_then_never_a_fault_of_the_server() {
    let runtime = runtime();
    let site = runtime.block_on(Site::start(&every_session()));
    proptest!(|((method, path, body) in nonsense())| {
        if let Some(answer) = runtime.block_on(ask(site.address, &method, &path, &body)) {
            prop_assert!(answer.status < 500, "{} {}: {}", method, path, answer.status);
            if answer.status >= 400 && method != "HEAD" {
                check("error", &answer.json());
            }
        }
    });
}

#[tokio::test]
async fn connections_beyond_the_limit_then_they_wait_their_turn() {
    let limits = Limits {
        connections: 1,
        head_time: Duration::from_millis(200),
        ..Limits::default()
    };
    let site = Site::with(&[], limits, SocketLimits::default()).await;
    // It says nothing, and has the only place until its time is over.
    let mut silent = TcpStream::connect(site.address).await.unwrap();
    silent.write_all(b"GET /").await.unwrap();
    assert_eq!(get(&site, "/").await.status, 200);
    let mut rest = Vec::new();
    silent.read_to_end(&mut rest).await.unwrap();
}

#[tokio::test]
async fn address_asks_for_256_at_once_then_all_are_answered() {
    let site = Site::start(&every_session()).await;
    let asked = (0..256).map(async |_| {
        let mut stream = TcpStream::connect(site.address).await.unwrap();
        let request = "GET /x-nmos/node/v1.3/self HTTP/1.1\r\nHost: x\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut status = [0; 12];
        stream.read_exact(&mut status).await.unwrap();
        assert_eq!(&status, b"HTTP/1.1 200");
        // It stays open, and idle.
        stream
    });
    // Sooner than an idle connection ends.
    let answered = timeout(Limits::default().head_time / 2, join_all(asked));
    assert_eq!(answered.await.unwrap().len(), 256);
}

#[tokio::test]
async fn address_with_much_to_do_then_another_is_answered_before() {
    let site = Site::start(&every_session()).await;
    let all = (0..16).map(|_| Controller::open(site.address));
    let mut all: Vec<_> = join_all(all)
        .await
        .into_iter()
        .map(Option::unwrap)
        .collect();
    let command = json!({"handle": 1, "oid": 1, "methodId": {"level": 1, "index": 1},
        "arguments": {"id": {"level": 1, "index": 5}}});
    let message = json!({"messageType": 0, "commands": vec![command; 256]}).to_string();
    for it in &mut all {
        it.send(Message::text(message.clone())).await;
    }
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let stream = socket.connect(site.address).await.unwrap();
    let answer = ask_on(stream, "GET", "/x-nmos/node/v1.3/receivers", b"").await;
    assert_eq!(answer.unwrap().status, 200);
    // Each of their commands is a turn.
    for it in &mut all {
        assert!(it.next().now_or_never().is_none(), "an answer came before");
    }
}

#[tokio::test]
async fn end_while_a_client_is_silent_then_the_server_ends() {
    let site = Site::start(&[]).await;
    let idle = TcpStream::connect(site.address).await.unwrap();
    assert_eq!(get(&site, "/").await.status, 200);
    site.ending.send_replace(true);
    site.served.await.unwrap();
    assert!(TcpStream::connect(site.address).await.is_err());
    drop(idle);
}
