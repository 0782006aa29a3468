//! What a hostile process can do on the attach socket: it is told what is wrong, or dropped, and
//! nobody else waits for it, loses a place, or pays.
#![forbid(unsafe_code)]

use std::fs::File;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use onair_ipc::message::{KICK, MAX_PACKET};
use onair_ipc::site;
use onair_tests::{
    Config, Control, Deadline, Footprint, Raster, RawClient, Rig, TestClient, hello, receive, send,
    until,
};
use onair_types::{HealthStatus, SessionState, ShutdownStatus, Source, SpecDocument};
use rustix::io::Errno;
use serde_json::{Value, json};

/// Longer than a test takes.
const LONG: Duration = Duration::from_secs(100);

fn scene(change: impl FnOnce(&mut Config)) -> Result<(Rig, Control)> {
    let rig = Rig::rings_with(change)?;
    let mut control = rig.control()?;
    control.create(&receive("cam", Raster::SMALL, 5000))?;
    Ok((rig, control))
}

/// The session has all its places, an honest client gets frames, and the daemon is well.
fn unharmed(mut rig: Rig, mut control: Control) -> Result<()> {
    let health = control.health()?;
    assert_eq!(health.status, HealthStatus::Ok, "{:?}", health.problems);
    every_place(&rig, &mut control)?;
    control.create(&send("source", Raster::SMALL, 5000, Source::Pattern))?;
    let mut client = rig.test_client()?;
    client.say("attach cam")?;
    client.say("get 10000")?;
    control.stop("cam")?;
    let certificate = control.destroy_wait("cam")?;
    assert_eq!(certificate.counts.frames_reconciled, 0);
    rig.stop_daemon()
}

/// As many processes as the session allows can attach to it, and no more.
fn every_place(rig: &Rig, control: &mut Control) -> Result<()> {
    let most = control.show("cam")?.max_attachments;
    let mut clients = Vec::new();
    until("every place to be free", Deadline::seconds(10), || {
        let mut client = rig.test_client()?;
        let errno = client.errno("attach cam")?;
        match errno.as_str() {
            "" => clients.push(client),
            "EDQUOT" if clients.len() < most as usize => {}
            other => return Err(anyhow!("attach: {other}")),
        }
        Ok((clients.len() == most as usize).then_some(()))
    })?;
    assert_eq!(rig.test_client()?.errno("attach cam")?, "EDQUOT");
    for client in clients {
        client.leave()?;
    }
    until("all to be gone", Deadline::seconds(10), || {
        Ok(control.show("cam")?.attachments.is_empty().then_some(()))
    })
}

fn refused(answer: &Value, code: &str) {
    assert_eq!(
        (&answer["type"], &answer["code"]),
        (&"error".into(), &code.into()),
        "{answer}"
    );
    assert!(answer["message"].as_str().is_some_and(|it| !it.is_empty()));
}

#[test]
fn packet_that_is_no_request_then_told_and_hung_up() -> Result<()> {
    let (rig, control) = scene(|_| {})?;
    let path = Config::attach_socket(rig.stage());
    let deep = "[".repeat(20_000);
    let long_name = json!({ "type": "attach", "session": "x".repeat(MAX_PACKET) }).to_string();
    let packets: [&[u8]; 14] = [
        b"\xff\xfe\x00\x01",
        b"{",
        b"\"hello\"",
        b"null",
        b"[]",
        b"{}",
        b"{\"type\":\"hello\"",
        b"{\"type\":\"format_disk\"}",
        b"{\"type\":\"hello\",\"protocol\":-1,\"library\":\"x\",\"sites\":true}",
        b"{\"type\":\"hello\",\"protocol\":1,\"library\":\"x\",\"sites\":true,\"more\":1}",
        b"{\"type\":\"attach\",\"session\":5}",
        b"KK",
        deep.as_bytes(),
        long_name.as_bytes(),
    ];
    for packet in packets {
        for polite in [false, true] {
            let client = if polite {
                RawClient::welcomed(&path)?
            } else {
                RawClient::connect(&path)?
            };
            client.send(packet)?;
            let answer = client.hear()?.context("an answer")?;
            refused(&answer, "invalid_request");
            assert_eq!(client.hear()?, None, "{answer}");
        }
    }
    // An empty packet looks like the end.
    let client = RawClient::welcomed(&path)?;
    client.send(b"")?;
    assert_eq!(client.hear()?, None);
    unharmed(rig, control)
}

#[test]
fn requests_out_of_order_then_told_and_the_right_one_still_works() -> Result<()> {
    let (rig, control) = scene(|_| {})?;
    let client = RawClient::connect(&Config::attach_socket(rig.stage()))?;
    let requests = [
        json!({ "type": "attach", "session": "cam" }),
        json!({ "type": "create", "spec": {} }),
        json!({ "type": "proved" }),
        json!({ "type": "detach" }),
        json!({ "type": "destroy", "wait_ms": 1 }),
    ];
    let all_but = |right: &[&str]| -> Result<()> {
        for request in requests.iter().chain([&hello()]) {
            if !right.iter().any(|it| request["type"] == **it) {
                refused(&client.ask(request)?, "invalid_request");
            }
        }
        // A kick is no request, wherever it comes.
        client.send(&[KICK])?;
        Ok(())
    };
    all_but(&["hello"])?;
    let mut other = hello();
    other["protocol"] = 999.into();
    refused(&client.ask(&other)?, "protocol_mismatch");
    assert_eq!(client.ask(&hello())?["type"], "welcome");

    all_but(&["attach", "create"])?;
    refused(
        &client.ask(&json!({ "type": "create", "spec": {} }))?,
        "invalid_spec",
    );
    for name in ["", "..", "No", "a/b"] {
        refused(
            &client.ask(&json!({ "type": "attach", "session": name }))?,
            "invalid_request",
        );
    }
    let token = client.challenged("cam")?;

    all_but(&["proved"])?;
    site::canary(token);
    assert_eq!(
        client.ask(&json!({ "type": "proved" }))?["type"],
        "attached"
    );

    all_but(&["detach", "destroy"])?;
    assert_eq!(
        client.ask(&json!({ "type": "detach" }))?["type"],
        "detached"
    );
    all_but(&["attach", "create"])?;
    client.attach("cam")?;
    drop(client);
    unharmed(rig, control)
}

#[test]
fn requests_more_than_one_at_a_time_then_hung_up_and_no_place_is_lost() -> Result<()> {
    let (rig, control) = scene(|config| {
        config.more += "[timeouts]\nprove_ms = 300\n";
    })?;
    let attach = json!({ "type": "attach", "session": "cam" }).to_string();
    for _ in 0..20 {
        let client = rig.raw_client()?;
        for _ in 0..3 {
            // It may have hung up already.
            let _ = client.send(attach.as_bytes());
        }
        while let Some(answer) = client.hear()? {
            // The last: they were far enough apart to be answered one by one.
            let fits = answer["type"] == "challenge"
                || answer["code"] == "invalid_request"
                || answer["code"] == "probe_blind";
            assert!(fits, "{answer}");
        }
    }
    unharmed(rig, control)
}

#[test]
fn challenge_not_passed_or_passed_by_another_then_probe_blind_and_no_place_is_lost() -> Result<()> {
    let (rig, control) = scene(|_| {})?;
    let client = rig.raw_client()?;
    for _ in 0..10 {
        client.challenged("cam")?;
        refused(&client.ask(&json!({ "type": "proved" }))?, "probe_blind");
    }
    let mut accomplice = rig.test_client()?;
    accomplice.say("attach cam")?;
    for _ in 0..10 {
        let token = client.challenged("cam")?;
        accomplice.say(format_args!("canary {token}"))?;
        refused(&client.ask(&json!({ "type": "proved" }))?, "probe_blind");
    }
    // A token that nobody was given.
    let token = client.challenged("cam")?;
    site::canary(token ^ 1);
    refused(&client.ask(&json!({ "type": "proved" }))?, "probe_blind");
    accomplice.leave()?;
    client.attach("cam")?;
    drop(client);
    unharmed(rig, control)
}

#[test]
fn challenge_never_answered_then_the_place_comes_back() -> Result<()> {
    let (rig, mut control) = scene(|config| {
        config.more += "[timeouts]\nprove_ms = 300\n";
    })?;
    let most = control.show("cam")?.max_attachments;
    let silent = (0..most)
        .map(|_| {
            let client = rig.raw_client()?;
            client.challenged("cam")?;
            Ok(client)
        })
        .collect::<Result<Vec<_>>>()?;
    for client in silent {
        refused(&client.hear()?.context("an answer")?, "probe_blind");
        assert_eq!(client.hear()?, None);
    }
    unharmed(rig, control)
}

#[test]
fn connections_ended_in_the_middle_of_an_attach_then_no_place_and_nothing_else_is_lost()
-> Result<()> {
    let (mut rig, mut control) = scene(|_| {})?;
    let daemon = rig.daemon()?.pid();
    // This program's own file is watched from its first attach on, and stays so.
    let first = rig.raw_client()?;
    first.challenged("cam")?;
    drop(first);
    every_place(&rig, &mut control)?;
    let before = Footprint::of(daemon)?;
    let attach = json!({ "type": "attach", "session": "cam" }).to_string();
    let proved = json!({ "type": "proved" }).to_string();
    for round in 0..200 {
        let client = rig.raw_client()?;
        match round % 4 {
            0 => {}
            1 => client.send(attach.as_bytes())?,
            2 => drop(client.ask(&serde_json::from_str(&attach)?)?),
            _ => {
                // Too many others may be on their way out.
                let answer = client.ask(&serde_json::from_str(&attach)?)?;
                if let Some(token) = answer["token"].as_str() {
                    site::canary(u64::from_str_radix(token, 16)?);
                    client.send(proved.as_bytes())?;
                }
            }
        }
    }
    until("all to be gone", Deadline::seconds(10), || {
        Ok(control.show("cam")?.attachments.is_empty().then_some(()))
    })?;
    every_place(&rig, &mut control)?;
    before.wait_regained(daemon)?;
    unharmed(rig, control)
}

#[test]
fn process_attaches_and_leaves_again_and_again_then_the_daemon_keeps_nothing_of_it() -> Result<()> {
    // Fewer than the rounds: a connection that is kept would be missed.
    let (mut rig, mut control) = scene(|config| {
        config.more += "[limits]\nconnections = 30\n";
    })?;
    let daemon = rig.daemon()?.pid();
    let mut client = rig.test_client()?;
    let mut before = None;
    for round in 0..50 {
        // Without a word, with a word, and with the end of the session.
        for end in ["drop", "detach"] {
            client.say("attach cam")?;
            client.say(end)?;
            until("its attachment to end", Deadline::seconds(10), || {
                Ok(control.show("cam")?.attachments.is_empty().then_some(()))
            })?;
        }
        let spec = serde_json::to_value(receive("own", Raster::SMALL, 5001))?;
        client.say(format_args!("create {spec}"))?;
        client.say("stop")?;
        client.say("destroy-wait 10000")?;
        if round == 0 {
            before = Some(Footprint::of(daemon)?);
        }
    }
    before.context("the first round's")?.wait_regained(daemon)?;
    client.leave()?;
    unharmed(rig, control)
}

#[test]
fn descriptors_sent_to_the_daemon_then_it_takes_none() -> Result<()> {
    let (mut rig, control) = scene(|_| {})?;
    let daemon = rig.daemon()?.pid();
    let client = rig.raw_client()?;
    let before = Footprint::of(daemon)?;
    let file = File::open("/dev/null")?;
    for _ in 0..50 {
        match client.send_with(&[KICK], file.as_fd()) {
            // Linux 6.16 refuses for the receiver (SO_PASSRIGHTS); before, they are dropped.
            Ok(()) | Err(Errno::PERM) => {}
            Err(error) => return Err(error.into()),
        }
    }
    refused(
        &client.ask(&json!({ "type": "detach" }))?,
        "invalid_request",
    );
    before.wait_regained(daemon)?;
    unharmed(rig, control)
}

#[test]
fn connections_more_than_the_limit_then_turned_away_until_one_ends() -> Result<()> {
    const MOST: usize = 8;
    let (rig, control) = scene(|config| {
        config.more += &format!("[limits]\nconnections = {MOST}\n");
    })?;
    let path = Config::attach_socket(rig.stage());
    let mut open = (0..MOST)
        .map(|_| RawClient::welcomed(&path))
        .collect::<Result<Vec<_>>>()?;
    for _ in 0..20 {
        let client = RawClient::connect(&path)?;
        refused(&client.hear()?.context("an answer")?, "limit_reached");
        assert_eq!(client.hear()?, None);
    }
    assert_eq!(rig.test_client()?.errno("attach cam")?, "EDQUOT");
    open.truncate(MOST - 6);
    unharmed(rig, control)
}

/// Connections that send kicks as fast as they can.
struct Flood {
    end: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Flood {
    fn start(clients: Vec<RawClient>, threads: usize) -> Result<Self> {
        let end = Arc::new(AtomicBool::new(false));
        let sent = Arc::new(AtomicU64::new(0));
        let mut groups: Vec<Vec<RawClient>> = (0..threads).map(|_| Vec::new()).collect();
        for (number, client) in clients.into_iter().enumerate() {
            groups[number % threads].push(client);
        }
        let threads = groups
            .into_iter()
            .map(|group| {
                let (end, sent) = (Arc::clone(&end), Arc::clone(&sent));
                thread::spawn(move || {
                    while !end.load(Ordering::Relaxed) {
                        let mut some = false;
                        for client in &group {
                            while client.send_now(&[KICK]).is_ok() {
                                sent.fetch_add(1, Ordering::Relaxed);
                                some = true;
                            }
                        }
                        if !some {
                            thread::yield_now();
                        }
                    }
                })
            })
            .collect();
        Ok(Self { end, sent, threads })
    }

    fn finish(self) -> Result<u64> {
        self.end.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().map_err(|_| anyhow!("a thread panicked"))?;
        }
        Ok(self.sent.load(Ordering::Relaxed))
    }
}

#[test]
fn kicks_flooded_by_many_then_everybody_else_is_served() -> Result<()> {
    let (rig, mut control) = scene(|_| {})?;
    control.create(&receive("drain", Raster::SMALL, 5001))?;
    let mut sleeper = rig.test_client()?;
    sleeper.say("attach drain")?;
    sleeper.block(2)?;
    // One of them is a client of the session that drains: its kicks mean something.
    let attached = rig.raw_client()?;
    attached.attach("drain")?;
    let mut clients = vec![attached];
    for _ in 0..31 {
        clients.push(rig.raw_client()?);
    }
    let flood = Flood::start(clients, 4)?;

    let mut honest = rig.test_client()?;
    honest.say("attach cam")?;
    control.create(&send("source", Raster::SMALL, 5000, Source::Pattern))?;
    for _ in 0..20 {
        honest.say("get 10000")?;
        control.health()?;
        control.show("cam")?;
    }
    sleeper.freeze()?;
    control.stop("drain")?;
    // A deadline is kept, though nobody leaves.
    let wait = json!({ "deadline_ms": 200 });
    let path = "/v1/sessions/drain/destroy_wait";
    let late = control.request("POST", path, &wait)?;
    assert_eq!(
        (late.status, late.code()),
        (409, "deadline_passed"),
        "{}",
        late.json
    );
    // And those who leave are noticed.
    sleeper.thaw()?;
    sleeper.returned(2)?;
    control.destroy_wait("drain")?;
    honest.say("detach")?;
    control.stop("source")?;
    control.destroy_wait("source")?;
    let sent = flood.finish()?;
    ensure!(
        sent > 10_000,
        "only {sent} kicks were sent: that is no flood"
    );
    unharmed(rig, control)
}

#[test]
fn answers_never_read_then_nobody_else_waits() -> Result<()> {
    let (rig, mut control) = scene(|_| {})?;
    let deaf = (0..8)
        .map(|_| rig.raw_client())
        .collect::<Result<Vec<_>>>()?;
    let request = json!({ "type": "proved" }).to_string();
    for client in &deaf {
        // Until the daemon has no more room for its answers, and then takes no more requests.
        while client.send_now(request.as_bytes()).is_ok() {}
    }
    let mut honest: TestClient = rig.test_client()?;
    honest.say("attach cam")?;
    for _ in 0..20 {
        control.health()?;
        assert_eq!(honest.errno("get 0")?, "ETIMEDOUT");
    }
    honest.leave()?;
    drop(deaf);
    unharmed(rig, control)
}

/// Threads that keep the processors busy until it is dropped.
struct Load {
    over: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Load {
    fn start() -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let spin = |_| {
            let over = over.clone();
            thread::spawn(move || while !over.load(Ordering::Relaxed) {})
        };
        let threads = (0..4).map(spin).collect();
        Self { over, threads }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A loop that does nothing does not panic.
            let _ = thread.join();
        }
    }
}

#[test]
fn session_dropped_and_attached_again_under_load_then_never_refused() -> Result<()> {
    let (rig, mut control) = scene(|_| {})?;
    control.create(&send("source", Raster::SMALL, 5000, Source::Pattern))?;
    // One place each: the client before is settled first.
    control.create(&SpecDocument {
        max_attachments: Some(1),
        ..receive("one", Raster::SMALL, 5001)
    })?;
    control.create(&send("sent", Raster::SMALL, 5002, Source::Client))?;
    let load = Load::start();
    for (session, request) in [("cam", "get 10000"), ("one", "get 0"), ("sent", "submit 1")] {
        let mut client = rig.test_client()?;
        for cycle in 0..100 {
            client
                .say(format_args!("attach {session}"))
                .with_context(|| format!("{session}, cycle {cycle}"))?;
            if cycle % 3 == 0 {
                client.ask(request)?;
            }
            client.say("drop")?;
        }
        client.leave()?;
    }
    drop(load);
    for session in ["source", "one", "sent"] {
        control.stop(session)?;
        control.destroy_wait(session)?;
    }
    unharmed(rig, control)
}

#[test]
fn sender_comes_and_goes_where_memory_is_short_then_never_refused() -> Result<()> {
    // Enough for both sessions, and not for two clients' frames.
    let (rig, mut control) = scene(|config| config.more += "[limits]\nframe_memory_mb = 8\n")?;
    control.create(&SpecDocument {
        quota: Some(32),
        ..send("sent", Raster::SMALL, 5002, Source::Client)
    })?;
    let mut client = rig.test_client()?;
    for cycle in 0..100 {
        client
            .say("attach sent")
            .with_context(|| format!("cycle {cycle}"))?;
        client.say("drop")?;
    }
    client.leave()?;
    control.stop("sent")?;
    control.destroy_wait("sent")?;
    unharmed(rig, control)
}

/// Lets another thread wait in `request`, and aborts the session of `owner` as soon as `is_waiting`. What
/// `request` came to.
fn aborted_beside(
    owner: &onair::Session,
    control: &mut Control,
    request: impl FnOnce() -> Result<(), onair::Error> + Send,
    mut is_waiting: impl FnMut(&mut Control) -> Result<bool>,
) -> Result<Result<(), onair::Error>> {
    thread::scope(|scope| {
        let waits = scope.spawn(request);
        until("the request to wait", Deadline::seconds(10), || {
            Ok(is_waiting(control)?.then_some(()))
        })?;
        let (tell, told) = channel();
        scope.spawn(move || tell.send(owner.abort()));
        let aborted = told.recv_timeout(Duration::from_secs(20));
        if aborted.is_err() {
            // Ends what both of them wait for.
            control.post(&format!("/v1/sessions/{}/abort", owner.id()))?;
        }
        let waited = waits.join().expect("it does not panic");
        let certificate = aborted.context("the abort waits behind the other request")??;
        assert_eq!(certificate.document()["operation"], "abort");
        Ok(waited)
    })
}

/// A session of this process.
fn owned(rig: &Rig, spec: &SpecDocument) -> Result<onair::Session> {
    let spec = serde_json::from_value(serde_json::to_value(spec)?)?;
    Ok(onair::Client::at(Config::attach_socket(rig.stage())).create(&spec)?)
}

#[test]
fn owner_aborts_while_its_destroy_waits_then_both_are_answered() -> Result<()> {
    let rig = Rig::rings()?;
    let mut control = rig.control()?;
    let owner = owned(&rig, &receive("cam", Raster::SMALL, 5000))?;
    control.create(&send("source", Raster::SMALL, 5000, Source::Pattern))?;
    let mut holder = rig.test_client()?;
    holder.say("attach cam")?;
    holder.say("hold 1")?;
    owner.stop();
    let waited = aborted_beside(
        &owner,
        &mut control,
        || owner.destroy_wait(LONG).map(drop),
        |control| Ok(control.show("cam")?.state == SessionState::Draining),
    )?;
    ensure!(matches!(waited, Err(onair::Error::Stale)), "{waited:?}");
    ensure!(matches!(owner.abort(), Err(onair::Error::Stale)));
    assert_eq!(holder.errno("get 0")?, "ESTALE");
    Ok(())
}

#[test]
fn owner_aborts_while_its_flush_waits_then_both_are_answered() -> Result<()> {
    let rig = Rig::rings()?;
    let mut control = rig.control()?;
    // A frame a second.
    let spec = send("out", Raster::new(64, 32, 1, 8), 5000, Source::Client);
    let owner = owned(&rig, &spec)?;
    for _ in 0..4 {
        owner
            .buffer_get_mut(onair::Timeout::millis(10_000))?
            .submit()?;
    }
    let waited = aborted_beside(
        &owner,
        &mut control,
        || owner.flush(LONG).map(drop),
        |control| {
            // It counts as an operation from before the control thread is asked until it is answered.
            let status: ShutdownStatus = control.get("/v1/shutdown")?.document()?;
            Ok(status.operations == 2)
        },
    )?;
    let waited = waited.expect_err("the frames were dropped");
    ensure!(waited.errno() == Errno::CANCELED.raw_os_error(), "{waited}");
    ensure!(matches!(owner.flush(LONG), Err(onair::Error::Stale)));
    Ok(())
}

#[test]
fn requests_tagged_and_beside_an_abort_then_each_answered_under_its_tag() -> Result<()> {
    let (rig, control) = scene(|_| {})?;
    let path = Config::attach_socket(rig.stage());
    let client = RawClient::welcomed(&path)?;
    client.attach("cam")?;
    // Not the owner: both are refused, each under its own tag.
    let destroy = json!({ "type": "destroy", "wait_ms": 60_000, "tag": 7 });
    let abort = json!({ "type": "abort", "tag": 8 });
    for request in [&destroy, &abort] {
        client.send(request.to_string().as_bytes())?;
    }
    let mut tags = Vec::new();
    for _ in 0..2 {
        let answer = client.hear()?.context("an answer")?;
        assert_eq!(answer["type"], "error", "{answer}");
        tags.push(answer["tag"].as_u64());
    }
    tags.sort_unstable();
    assert_eq!(tags, [Some(7), Some(8)]);
    let answer = client.ask(&json!({ "type": "flush", "wait_ms": 0 }))?;
    assert_eq!(
        (&answer["type"], &answer["tag"]),
        (&"flushed".into(), &Value::Null)
    );
    drop(client);
    unharmed(rig, control)
}

#[test]
fn bells_slept_on_by_thousands_of_a_hostile_client_then_the_daemon_serves_others() -> Result<()> {
    let (rig, mut control) = scene(|_| {})?;
    control.create(&send("source", Raster::SMALL, 5000, Source::Pattern))?;
    let mut hostile = rig.test_client()?;
    hostile.say("attach cam")?;
    // Each thread sleeps on its word 128 times.
    hostile.say("doze 8000")?;
    let mut honest = rig.test_client()?;
    honest.say("attach cam")?;
    for _ in 0..10 {
        control.health()?;
        honest.say("get 10000")?;
        control.stop("cam")?;
        control.health()?;
        assert_eq!(honest.errno("get 10000")?, "EAGAIN");
        control.start("cam")?;
    }
    let mut crowd = rig.user("cam")?;
    control.stop("source")?;
    crowd.say("drain")?;
    crowd.block(300)?;
    control.stop("cam")?;
    for (_, result) in crowd.returned(300)? {
        assert_eq!(result, "EAGAIN");
    }
    hostile.running().signal(rustix::process::Signal::KILL)?;
    for client in [honest, crowd] {
        client.leave()?;
    }
    control.destroy_wait("cam")?;
    control.destroy_wait("source")?;
    Ok(())
}
