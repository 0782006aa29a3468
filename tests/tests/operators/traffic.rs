//! What is wrong with a session's traffic is told: in the view, in the health, as an event, in the metrics.

use std::collections::BTreeSet;
use std::net::UdpSocket;

use anyhow::{Context as _, Result};
use onair_api::{HealthStatus, PeerState, SessionProblem, SessionProblemKind, Source};
use onair_tests::network::packet::{rtp, with};
use onair_tests::{
    Deadline, Follower, Raster, Rig, WholeFlow, output, receive, resolve, send, until, wait_for,
};

const OURS: &str = "10.77.0.2";
const TIMEOUT_S: u64 = 20;

/// Kinds of the problems that events told of, as they began and as they ended.
fn told(rig: &Rig) -> Result<[BTreeSet<String>; 2]> {
    let mut kinds = [BTreeSet::new(), BTreeSet::new()];
    for event in Follower::so_far(rig)? {
        let list = match event["kind"].as_str() {
            Some("session_problem") => &mut kinds[0],
            Some("session_problem_over") => &mut kinds[1],
            _ => continue,
        };
        list.insert(event["problem"].as_str().context("its kind")?.to_owned());
    }
    Ok(kinds)
}

fn kinds<const N: usize>(kinds: [&str; N]) -> BTreeSet<String> {
    kinds.map(str::to_owned).into()
}

/// A socket of the kernel that sends into the session's flow.
fn sender(rig: &Rig) -> Result<UdpSocket> {
    rig.stage().inside(|| {
        let socket = UdpSocket::bind("10.77.0.9:0")?;
        socket.connect((OURS, WholeFlow::UDP))?;
        Ok(socket)
    })
}

#[test]
fn two_senders_into_one_flow_then_named_and_first_is_followed() -> Result<()> {
    let rig = Rig::beside_the_kernel()?;
    let mut control = rig.control()?;
    resolve(rig.stage(), OURS)?;
    control.create(&receive("in", Raster::SMALL, WholeFlow::UDP))?;
    let socket = sender(&rig)?;
    let first = rtp(&[[640, 3, 0]], 640);
    let other = with(first.clone(), 8, 0xaa);
    let found = until("two sources", Deadline::seconds(TIMEOUT_S), || {
        for at in 0..100 {
            let numbered = |packet: &[u8]| with(packet.to_owned(), 3, at);
            socket.send(&numbered(&first))?;
            socket.send(&numbered(&other))?;
        }
        let view = control.show("in")?;
        Ok(view
            .problems
            .into_iter()
            .find(|it| it.problem == SessionProblemKind::TwoSources))
    })?;
    assert_eq!(
        (found.ssrc, found.other_ssrc),
        (Some(0xdead_beef), Some(0xaaad_beef))
    );
    let view = control.show("in")?;
    assert_eq!(
        (view.ssrc, view.counters.ssrc_changes),
        (Some(0xdead_beef), 0)
    );
    assert!(view.counters.packets_other_ssrc > 0, "{:?}", view.counters);
    let health = control.health()?;
    assert_eq!(health.status, HealthStatus::Degraded);
    assert!(
        health.problems.iter().any(|it| it.contains("0xaaadbeef")),
        "{:?}",
        health.problems
    );
    wait_for("the problem to be over", TIMEOUT_S, || {
        let mut problems = control.show("in")?.problems.into_iter();
        Ok(problems.all(|it| it.problem != SessionProblemKind::TwoSources))
    })?;
    let [began, over] = told(&rig)?;
    assert!(began.contains("two_sources") && over.contains("two_sources"));
    control.end("in")?;
    Ok(())
}

#[test]
fn sender_restarts_with_another_ssrc_then_no_second_sender() -> Result<()> {
    // A line a packet is no whole frame.
    let is_short = |it: &SessionProblem| it.problem == SessionProblemKind::Impaired;
    let rig = Rig::beside_the_kernel()?;
    let mut control = rig.control()?;
    resolve(rig.stage(), OURS)?;
    let mut spec = receive("in", Raster::SMALL, WholeFlow::UDP);
    // The old source counts as sending for so long: many looks see packets of the new one dropped.
    spec.frame_timeout_ms = Some(3_000);
    control.create(&spec)?;
    let socket = sender(&rig)?;
    let first = rtp(&[[640, 3, 0]], 640);
    let again = with(first.clone(), 8, 0xaa);
    let mut at = 0_u16;
    for (sender, ssrc) in [(first, 0xdead_beef), (again.clone(), 0xaaad_beef)] {
        at = 0;
        wait_for("the sender to be followed", TIMEOUT_S, || {
            for _ in 0..10 {
                at = at.wrapping_add(1);
                let [high, low] = at.to_be_bytes();
                socket.send(&with(with(sender.clone(), 2, high), 3, low))?;
            }
            let view = control.show("in")?;
            assert!(view.problems.iter().all(is_short), "{:?}", view.problems);
            Ok(view.ssrc == Some(ssrc))
        })?;
    }
    // Some more looks.
    let calm = Deadline::seconds(2);
    wait_for("more looks", TIMEOUT_S, || {
        at = at.wrapping_add(1);
        let [high, low] = at.to_be_bytes();
        socket.send(&with(with(again.clone(), 2, high), 3, low))?;
        let problems = control.show("in")?.problems;
        assert!(problems.iter().all(is_short), "{problems:?}");
        Ok(calm.passed())
    })?;
    let counters = control.show("in")?.counters;
    assert_eq!(counters.ssrc_changes, 1);
    assert!(counters.packets_other_ssrc > 0, "{counters:?}");
    control.end("in").map(drop)
}

#[test]
fn receivers_that_cannot_be_reached_then_told_with_what_to_do() -> Result<()> {
    let rig = Rig::pair()?;
    let mut control = rig.control()?;
    for (name, address, kind, peer) in [
        (
            "silent",
            "10.77.0.99",
            SessionProblemKind::PeerUnresolved,
            PeerState::Unresolved,
        ),
        (
            "all",
            "10.77.0.255",
            SessionProblemKind::PeerBroadcast,
            PeerState::Broadcast,
        ),
    ] {
        let mut spec = send(name, Raster::SMALL, 5004, Source::Pattern);
        spec.flow.destination = format!("{address}:5004");
        control.create(&spec)?;
        let found = control.await_problem(name, kind)?;
        assert!(found.detail.contains(address), "{found:?}");
        let view = control.show(name)?;
        assert_eq!((view.peer, view.counters.frames_sent), (Some(peer), 0));
        let health = control.health()?;
        let named = format!("session {name}: ");
        assert!(
            health.problems.iter().any(|it| it.starts_with(&named)),
            "{:?}",
            health.problems
        );
        let metric = format!("session=\"{name}\",problem=\"{kind}\"");
        let scraped = rig.scrape()?;
        let line = scraped.lines().find(|line| {
            let has = |text: &str| line.contains(text);
            has("onair_session_problem{")
                && has(&format!("session=\"{name}\""))
                && has(&format!("problem=\"{kind}\""))
        });
        assert!(
            line.is_some_and(|line| line.ends_with(" 1")),
            "{metric}: {line:?}"
        );
        control.end(name)?;
    }
    let began = kinds(["peer_broadcast", "peer_unresolved"]);
    let [told, _] = told(&rig)?;
    assert!(told.is_superset(&began), "{told:?}");
    Ok(())
}

#[test]
fn link_down_then_no_frame_counts_as_sent_until_it_is_up() -> Result<()> {
    let rig = Rig::pair()?;
    let mut control = rig.control()?;
    control.create(&send("out", Raster::SMALL, 5004, Source::Pattern))?;
    control.await_view("out", "sending", |it| it.counters.frames_sent > 5)?;
    let namespace = rig.stage().namespace().to_owned();
    let switch = |to| output("ip", &["-n", &namespace, "link", "set", "va", to]);
    switch("down")?;
    control.await_problem("out", SessionProblemKind::LinkDown)?;
    control.await_view("out", "not sending", |it| it.counters.frames_no_link > 3)?;
    let before = control.show("out")?.counters;
    control.await_view("out", "not sending for longer", |it| {
        it.counters.frames_no_link > before.frames_no_link + 20
    })?;
    let view = control.show("out")?;
    assert_eq!(
        view.counters.frames_sent, before.frames_sent,
        "{:?}",
        view.counters
    );
    assert_eq!(view.link_up, Some(false));
    switch("up")?;
    control.await_view("out", "sending again", |it| {
        it.counters.frames_sent > before.frames_sent + 5 && it.problems.is_empty()
    })?;
    control.end("out")?;
    Ok(())
}
