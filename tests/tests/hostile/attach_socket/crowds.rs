//! Floods of kicks, and clients that come and go on a busy machine: the others are served.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use anyhow::{Result, anyhow, ensure};
use onair_ipc::message::KICK;
use onair_ipc::site;
use onair_tests::{Control, Footprint, RawClient, Rig, TestClient};
use serde_json::json;

use super::{every_place, refused, scene, unharmed};

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
fn kicks_flooded_or_answers_never_read_then_others_are_served() -> Result<()> {
    let (rig, mut control) = scene(|_| {})?;
    never_read(&rig, &mut control)?;
    control.receiver("drain", 5001)?;
    let mut sleeper = rig.user("drain")?;
    sleeper.block(2)?;
    // One of them is a client of the session that drains: its kicks mean something.
    let attached = rig.raw_client()?;
    attached.attach("drain")?;
    let mut clients = vec![attached];
    for _ in 0..31 {
        clients.push(rig.raw_client()?);
    }
    let flood = Flood::start(clients, 4)?;

    let mut good = rig.user("cam")?;
    control.pattern("source", 5000)?;
    for _ in 0..20 {
        good.say("get 10000")?;
        control.health()?;
        control.show("cam")?;
    }
    sleeper.freeze()?;
    control.stop("drain")?;
    // A deadline is kept, though no caller leaves.
    let late = control.try_destroy_wait("drain", 200)?;
    late.refused(409, "deadline_passed")?;
    // And those who leave are noticed.
    sleeper.thaw()?;
    sleeper.returned(2)?;
    control.destroy_wait("drain")?;
    good.say("detach")?;
    control.end("source")?;
    let sent = flood.finish()?;
    ensure!(
        sent > 10_000,
        "only {sent} kicks were sent: that is no flood"
    );
    unharmed(rig, control)
}

/// Clients that read no answers: no other waits.
fn never_read(rig: &Rig, control: &mut Control) -> Result<()> {
    let deaf = (0..8)
        .map(|_| rig.raw_client())
        .collect::<Result<Vec<_>>>()?;
    let request = json!({ "type": "proved" }).to_string();
    for client in &deaf {
        // Until the daemon has no more room for its answers, and then takes no more requests.
        while client.send_now(request.as_bytes()).is_ok() {}
    }
    let mut good: TestClient = rig.test_client()?;
    good.say("attach cam")?;
    for _ in 0..20 {
        control.health()?;
        assert_eq!(good.errno("get 0")?, "ETIMEDOUT");
    }
    good.leave()?;
    Ok(())
}

#[test]
fn event_counts_of_thousands_of_sleepers_then_others_are_served() -> Result<()> {
    let (rig, mut control) = scene(|_| {})?;
    control.pattern("source", 5000)?;
    let mut hostile = rig.user("cam")?;
    // Each thread sleeps on its word 128 times.
    hostile.say("doze 8000")?;
    let mut good = rig.user("cam")?;
    for _ in 0..10 {
        control.health()?;
        good.say("get 10000")?;
        control.stop("cam")?;
        control.health()?;
        assert_eq!(good.errno("get 10000")?, "EAGAIN");
        control.start("cam")?;
    }
    let mut crowd = rig.user("cam")?;
    control.stop("source")?;
    crowd.say("drain")?;
    crowd.block(300)?;
    control.stop("cam")?;
    crowd.all_returned(300, "EAGAIN")?;
    hostile.running().signal(rustix::process::Signal::KILL)?;
    for client in [good, crowd] {
        client.leave()?;
    }
    control.destroy_wait("cam")?;
    control.destroy_wait("source")?;
    Ok(())
}

/// A connection that does not pass the challenge is not attached.
fn not_passed(rig: &Rig) -> Result<()> {
    let client = rig.raw_client()?;
    for _ in 0..10 {
        client.challenged("cam")?;
        refused(&client.ask(&json!({ "type": "proved" }))?, "probe_blind");
    }
    let mut accomplice = rig.user("cam")?;
    for _ in 0..10 {
        let token = client.challenged("cam")?;
        accomplice.say(format_args!("canary {token}"))?;
        refused(&client.ask(&json!({ "type": "proved" }))?, "probe_blind");
    }
    // A token that no client was given.
    let token = client.challenged("cam")?;
    site::canary(token ^ 1);
    refused(&client.ask(&json!({ "type": "proved" }))?, "probe_blind");
    accomplice.leave()?;
    client.attach("cam")?;
    Ok(())
}

#[test]
fn attach_not_proved_or_cut_off_then_no_place_is_lost() -> Result<()> {
    let (mut rig, mut control) = scene(|_| {})?;
    not_passed(&rig)?;
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
    control.deserted("cam")?;
    every_place(&rig, &mut control)?;
    before.wait_regained(daemon)?;
    unharmed(rig, control)
}
