//! IS-12 over TCP: what controllers send, and what they are told.

use std::cell::RefCell;
use std::time::Duration;

use futures_util::StreamExt as _;
use onair_http::Limits;
use onair_nmos::control::SocketLimits;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_websockets::Message;

use crate::support::controller::Controller;
use crate::support::facts::{formats, ids, many, name, session};
use crate::support::http::{ask, read};
use crate::support::site::{Site, runtime};

const RECEIVERS: u64 = 4;
const SENDERS: u64 = 5;
const LABEL: (u8, u8) = (1, 6);
const MEMBERS: (u8, u8) = (2, 2);

fn receiver(name: &str) -> Value {
    session(name, "receive", &formats()[0])
}

/// Roles of members, with their oids.
fn roles(members: &Value) -> Vec<(String, u64)> {
    let members = members.as_array().unwrap().iter();
    let role = |it: &Value| it["role"].as_str().unwrap().to_owned();
    members
        .map(|it| (role(it), it["oid"].as_u64().unwrap()))
        .collect()
}

async fn open(site: &Site) -> Controller {
    Controller::open(site.address).await.unwrap()
}

#[tokio::test]
async fn device_names_the_websocket_that_answers() {
    let site = Site::start(&[]).await;
    let devices = read(site.address, "/x-nmos/node/v1.3/devices").await;
    let mut controls = devices[0]["controls"].as_array().unwrap().iter();
    let control = controls.find(|it| it["type"] == "urn:x-nmos:control:ncp/v1.0");
    let href = &control.unwrap()["href"];
    assert_eq!(href, "ws://127.0.0.1:3212/x-nmos/ncp/v1.0");
    assert_eq!(open(&site).await.get(1, (1, 5)).await, "root");
    let plain = ask(site.address, "GET", "/x-nmos/ncp/v1.0", b"").await;
    let plain = plain.unwrap();
    assert_eq!((plain.status, &plain.json()["code"]), (426, &json!(426)));
    assert_eq!(read(site.address, "/x-nmos/ncp/").await, json!(["v1.0/"]));
}

#[tokio::test]
async fn sessions_come_and_go_then_members_are_told_and_oids_stay() {
    let site = Site::start(&[receiver("b")]).await;
    let mut controller = open(&site).await;
    controller.follow(&[4, 5]).await;
    let first = roles(&controller.get(RECEIVERS, MEMBERS).await);
    assert_eq!(first[0].0, "b");
    let sender = session("s", "send", &formats()[0]);
    site.says(&[receiver("a"), receiver("b"), sender]);
    let both = roles(&controller.told(RECEIVERS, MEMBERS).await);
    assert_eq!((&both[0], both[1].0.as_str()), (&first[0], "a"));
    let sender = roles(&controller.told(SENDERS, MEMBERS).await)[0].1;
    let touchpoints = controller.get(sender, (1, 7)).await;
    let resource = json!({"resourceType": "sender", "id": ids().sender(&name("s"))});
    assert_eq!(touchpoints[0]["resource"], resource);
    site.says(&[receiver("a")]);
    assert_eq!(roles(&controller.told(RECEIVERS, MEMBERS).await), both[1..]);
    let gone = controller.call(first[0].1, (1, 7), json!({})).await;
    assert_eq!(gone["status"], 404);
    site.says(&[receiver("a"), receiver("b")]);
    let again = roles(&controller.told(RECEIVERS, MEMBERS).await);
    let is_new = again[1].0 == "b" && again[1].1 > sender;
    assert!(is_new, "no oid is used twice: {again:?}");
}

#[tokio::test]
async fn status_gets_worse_then_followers_are_told() {
    let site = Site::start(&[receiver("a")]).await;
    let (mut one, mut other) = (open(&site).await, open(&site).await);
    let oid = roles(&one.get(RECEIVERS, MEMBERS).await)[0].1;
    let followed = one.follow(&[6, 6, 1, -1, 4_000_000_000, i64::MAX]).await;
    assert_eq!(followed, json!([1, 6]));
    let mut worse = receiver("a");
    worse["problems"] = json!([{"problem": "no_signal", "detail": "nothing comes"}]);
    site.says(&[worse]);
    assert_eq!(one.told(oid, (3, 1)).await, 3);
    assert_eq!(one.told(oid, (4, 5)).await, "nothing comes");
    assert!(other.told_so_far().await.is_empty());
    // The next subscription is instead of the last.
    assert_eq!(one.follow(&[1]).await, json!([1]));
    one.told_so_far().await;
    one.set(oid, LABEL, json!("gallery")).await;
    assert!(one.told_so_far().await.is_empty());
    one.set(1, LABEL, json!("studio")).await;
    assert_eq!(one.told_so_far().await.len(), 1);
}

#[tokio::test]
async fn value_set_then_told_to_all_and_shown_by_the_block() {
    let site = Site::start(&[receiver("a")]).await;
    let (mut one, mut other) = (open(&site).await, open(&site).await);
    other.follow(&[4, 6]).await;
    let set = one.set(6, LABEL, json!("gallery")).await;
    assert_eq!(set, json!({"status": 200}));
    assert_eq!(other.told(6, LABEL).await, "gallery");
    let members = other.told(RECEIVERS, MEMBERS).await;
    assert_eq!(members[0]["userLabel"], "gallery");
    one.set(6, (3, 3), json!(0)).await;
    assert_eq!(other.told(6, (3, 3)).await, 0);
    one.set(6, (4, 14), json!(false)).await;
    assert_eq!(other.told(6, (4, 14)).await, false);
    assert_eq!(one.set(6, (2, 1), json!(true)).await["status"], 200);
    assert_eq!(one.set(6, (2, 1), json!(false)).await["status"], 406);
}

#[tokio::test]
async fn many_values_set_by_one_message_then_all_are_told() {
    let site = Site::start(&many(128)).await;
    let (mut one, mut other) = (open(&site).await, open(&site).await);
    let oids: Vec<_> = (6..262).collect();
    assert_eq!(other.follow(&oids).await.as_array().unwrap().len(), 256);
    let commands = oids.iter().map(|oid| {
        let arguments = json!({"id": {"level": 1, "index": 6}, "value": "x"});
        json!({"handle": 1, "oid": oid, "methodId": {"level": 1, "index": 2}, "arguments": arguments})
    });
    let commands: Vec<_> = commands.collect();
    one.commands(&commands).await;
    assert_eq!(other.told_so_far().await.len(), 256);
}

#[tokio::test]
async fn problem_over_then_healthy_by_itself_after_the_delay() {
    let mut bad = receiver("a");
    bad["problems"] = json!([{"problem": "impaired", "detail": "packets are lost"}]);
    let site = Site::start(&[bad]).await;
    let mut controller = open(&site).await;
    controller.follow(&[6]).await;
    controller.set(6, (3, 3), json!(1)).await;
    site.says(&[receiver("a")]);
    assert_eq!(controller.told(6, (4, 4)).await, 1);
    assert_eq!(controller.get(6, (3, 1)).await, 1);
}

/// What a peer sends that does not follow the protocol.
fn nonsense() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        Just(json!(1)),
        Just(json!(6)),
        any::<i64>().prop_map(|it| json!(it)),
        Just(json!(1e300)),
    ];
    let leaf = prop_oneof![
        number,
        Just(Value::Null),
        any::<bool>().prop_map(|it| json!(it)),
        ".{0,8}".prop_map(|it| json!(it)),
    ];
    let any = leaf.prop_recursive(3, 12, 4, |inner| {
        let key = prop_oneof!["id", "level", "index", "[a-z]{1,9}"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|it| json!(it)),
            prop::collection::btree_map(key, inner, 0..4).prop_map(|it| json!(it)),
        ]
    });
    let id =
        (0..6_u32, 0..20_u32).prop_map(|(level, index)| json!({"level": level, "index": index}));
    let arguments = (id.clone(), any.clone(), any.clone()).prop_map(|(id, value, more)| {
        json!({"id": id, "value": value, "index": more, "recurse": true, "path": more, "classId": value, "role": more,
            "name": value, "includeInherited": true, "caseSensitive": false, "matchWholeString": true})
    });
    let command = (0..8_u32, id, arguments).prop_map(|(oid, method, arguments)| {
        json!({"messageType": 0, "commands": [
            {"handle": 7, "oid": oid, "methodId": method, "arguments": arguments}]})
        .to_string()
    });
    prop_oneof![
        command,
        any.clone()
            .prop_map(|it| json!({"messageType": 0, "commands": it}).to_string()),
        any.clone()
            .prop_map(|it| json!({"messageType": 3, "subscriptions": it}).to_string()),
        any.prop_map(|it| it.to_string()),
        ".{0,40}",
    ]
}

#[test]
fn nonsense_then_an_answer_by_the_schema_and_the_socket_stays() {
    let runtime = runtime();
    let site = runtime.block_on(Site::start(&many(1)));
    let controller = RefCell::new(runtime.block_on(open(&site)));
    proptest!(|(text in nonsense())| {
        let controller = &mut *controller.borrow_mut();
        runtime.block_on(async {
            controller.send(Message::text(text)).await;
            // The schema of its kind is checked.
            controller.next().await.unwrap();
        });
    });
}

#[tokio::test]
async fn wrong_message_then_the_protocols_error() {
    let site = Site::start(&[]).await;
    let mut controller = open(&site).await;
    let get =
        |handle: Value| json!({"handle": handle, "oid": 1, "methodId": {"level": 1, "index": 1}});
    let of = |commands: Value| {
        Message::text(json!({"messageType": 0, "commands": commands}).to_string())
    };
    let deep = format!("{}{}", "[".repeat(9_000), "]".repeat(9_000));
    for message in [
        Message::text("{"),
        Message::text("7"),
        Message::text(deep),
        Message::text(r#"{"messageType": 7}"#),
        Message::binary(r#"{"messageType": 3, "subscriptions": []}"#),
        of(json!({})),
        of(json!([get(json!(0))])),
        of(json!([get(json!(65_536))])),
        of(json!([get(json!("one"))])),
        of(json!([get(json!(1)), {}])),
        of(json!(vec![get(json!(1)); 257])),
    ] {
        controller.send(message).await;
        let answer = controller.next().await.unwrap();
        let found = (&answer["messageType"], &answer["status"]);
        assert_eq!(found, (&json!(5), &json!(400)), "{answer}");
    }
    let answer = controller.commands(&vec![get(json!(9)); 256]).await;
    assert_eq!(answer["responses"].as_array().unwrap().len(), 256);
    controller.send(Message::text("x".repeat(65_537))).await;
    assert!(
        controller.next().await.is_none(),
        "a message that is too long closes"
    );
}

#[tokio::test]
async fn answer_too_long_then_the_rest_of_the_commands_fails() {
    let site = Site::start(&[]).await;
    let mut controller = open(&site).await;
    let answer = controller.ask(datatypes(256)).await;
    let status = |at: usize| answer["responses"][at]["result"]["status"].clone();
    assert_eq!((status(0), status(255)), (json!(200), json!(413)));
}

#[tokio::test]
async fn too_many_sockets_then_refused_until_one_closes() {
    let sockets = SocketLimits {
        per_peer: 2,
        ..SocketLimits::default()
    };
    let site = Site::with(&[], Limits::default(), sockets).await;
    let (one, mut two) = (open(&site).await, open(&site).await);
    assert!(Controller::open(site.address).await.is_none());
    drop(one);
    while Controller::open(site.address).await.is_none() {
        two.get(1, (1, 2)).await;
    }
}

/// A controller that opens a socket, sends `text`, and neither reads nor answers anything.
async fn deaf(site: &Site, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    let head = "GET /x-nmos/ncp/v1.0 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&frame(text)).await.unwrap();
    stream
}

fn frame(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81, 0x80 | 126];
    frame.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
    frame.extend([0; 4]);
    frame.extend(text.as_bytes());
    frame
}

/// `count` commands for all datatypes, which are long.
fn datatypes(count: usize) -> Value {
    let command = json!({"handle": 1, "oid": 3, "methodId": {"level": 1, "index": 1},
        "arguments": {"id": {"level": 3, "index": 2}}});
    json!({"messageType": 0, "commands": vec![command; count]})
}

#[tokio::test]
async fn client_that_answers_no_ping_then_closed() {
    let sockets = SocketLimits {
        ping: Duration::from_millis(200),
        ..SocketLimits::default()
    };
    let site = Site::with(&[], Limits::default(), sockets).await;
    let mut stream = deaf(&site, &datatypes(2).to_string()).await;
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert!(rest.starts_with(b"HTTP/1.1 101 "));
    let mut controller = open(&site).await;
    let mut pings = 0;
    while pings < 5 {
        // It answers them.
        let message = controller.stream.next().await.unwrap().unwrap();
        pings += u32::from(message.is_ping());
    }
    assert_eq!(controller.get(1, (1, 2)).await, 1);
}

#[tokio::test]
async fn client_that_reads_nothing_then_closed_and_others_are_told() {
    let limits = Limits {
        write: Duration::from_millis(500),
        ..Limits::default()
    };
    let site = Site::with(&many(1), limits, SocketLimits::default()).await;
    let mut controller = open(&site).await;
    controller.follow(&[4]).await;
    let text = datatypes(256).to_string();
    let mut deaf = deaf(&site, &text).await;
    // One answer alone may fit into the kernel's buffers.
    deaf.write_all(&frame(&text)).await.unwrap();
    let (mut at, mut is_open) = (0, true);
    while is_open {
        at += 1;
        site.says(&many(1 + at % 2));
        let members = controller.told(RECEIVERS, MEMBERS).await;
        assert_eq!(members.as_array().unwrap().len(), 1 + at % 2);
        // An empty pong: what is on its way to it stays readable, so that only a write shows the end.
        is_open = deaf.write_all(&[0x8a, 0x80, 0, 0, 0, 0]).await.is_ok();
    }
}

#[tokio::test]
async fn process_ends_then_sockets_close() {
    let site = Site::start(&[]).await;
    let mut controller = open(&site).await;
    controller.get(1, (1, 2)).await;
    site.ending.send_replace(true);
    assert!(controller.next().await.is_none());
    site.served.await.unwrap();
}
