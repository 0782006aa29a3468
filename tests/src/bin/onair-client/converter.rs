//! What no `onair-convert` does.
//!
//! - `lie`: asks over its connections for what it was not given, reports each answer as a line on stderr, and sends text
//!   that is none.
//! - `flood`: answers what it was not asked, without end.
//! - `riot`: fills two frames, then writes all over the words that it shares with the daemon. It answers its questions.

use std::io::{self, IoSliceMut, Stdin};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use onair::{Client, Timeout};
use onair_tests::{RawClient, hello};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, recv, recvmsg, send,
};
use serde_json::json;

use crate::hostile;

pub(crate) fn run(manner: &str) -> Result<()> {
    let daemon = io::stdin();
    let [source, target] = order(&daemon)?;
    match manner {
        "lie" => {
            // However long it takes on a busy machine.
            std::thread::spawn(|| answer(&io::stdin()));
            let connections = [RawClient::over(source)?, RawClient::over(target)?];
            for connection in &connections {
                lie(connection)?;
            }
            send(&daemon, b"\xff\x1b no such word", SendFlags::NOSIGNAL)?;
            std::thread::sleep(Duration::from_secs(60));
        }
        "flood" => loop {
            send(&daemon, b"!", SendFlags::NOSIGNAL)?;
        },
        "riot" => {
            let session = Client::attach_over(target, true)?;
            for _ in 0..2 {
                session.buffer_get_mut(Timeout::NEVER)?.submit()?;
            }
            hostile::riot()?;
            answer(&daemon)?;
        }
        _ => bail!("no such manner"),
    }
    Ok(())
}

/// Answers the daemon's questions until it asks no more.
fn answer(daemon: &Stdin) -> Result<()> {
    let mut question = [0; 64];
    while recv(daemon, &mut question[..], RecvFlags::empty())?.0 > 0 {
        send(daemon, b"!", SendFlags::NOSIGNAL)?;
    }
    Ok(())
}

/// The connection to the source, and that of the filler.
fn order(daemon: &Stdin) -> Result<[OwnedFd; 2]> {
    let mut bytes = [0; 64];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut into = [IoSliceMut::new(&mut bytes)];
    recvmsg(
        daemon.as_fd(),
        &mut into,
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let rights = control.drain().find_map(|item| match item {
        RecvAncillaryMessage::ScmRights(rights) => Some(rights.collect::<Vec<_>>()),
        _ => None,
    });
    let rights = rights.context("an order comes first")?;
    rights.try_into().ok().context("it has two connections")
}

/// Asks for what is another's.
fn lie(connection: &RawClient) -> Result<()> {
    connection.ask(&hello())?;
    let video = json!({"width": 320, "height": 180, "frame_rate": "50/1", "depth": 10});
    let spec = json!({"name": "loot", "direction": "local", "video": video});
    for request in [
        json!({ "type": "create", "spec": spec }),
        json!({ "type": "list_members", "group": "studio" }),
    ] {
        report(&request, &connection.ask(&request)?);
    }
    let attach = json!({ "type": "attach", "session": "out", "fills": true, "layout": "rgb24" });
    let challenge = connection.ask(&attach)?;
    let token = challenge["token"].as_str().context("a challenge")?;
    onair_ipc::site::canary(u64::from_str_radix(token, 16)?);
    report(&attach, &connection.ask(&json!({ "type": "proved" }))?);
    for request in [
        json!({ "type": "destroy", "wait_ms": 100 }),
        json!({ "type": "abort" }),
    ] {
        report(&request, &connection.ask(&request)?);
    }
    Ok(())
}

/// The answer's type, its code if it is a refusal, and the session that it is about.
fn report(request: &serde_json::Value, answer: &serde_json::Value) {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or("-").to_owned();
    let of = [
        &request["type"],
        &answer["type"],
        &answer["code"],
        &answer["name"],
    ]
    .map(text);
    eprintln!("{}", of.join(" "));
}
