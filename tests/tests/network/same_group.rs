//! Several receive sessions of one multicast group and UDP port: each for sources of its own (RFC 4607), or for the same.

use anyhow::{Context as _, Result, ensure};
use onair_tests::{Backend, Config, Control, GROUP, SwitchedNetwork, Talker, member, wait_for};

const ONE: &str = "10.77.0.9";
const OTHER: &str = "10.77.0.8";
const UDP: u16 = 5004;
const TIMEOUT_S: u64 = 30;

fn open_network(backend: Backend, pollers: usize) -> Result<SwitchedNetwork> {
    let mut config = Config {
        pollers,
        ..Config::pair(backend)
    };
    config.ports.retain(|port| port.name == "b");
    SwitchedNetwork::of(config, 3)
}

fn packets(control: &mut Control, session: &str) -> Result<u64> {
    Ok(control.show(session)?.counters.packets)
}

/// Each gets the packets of its own source and no other, and counts no wrong one.
fn each_has_its_own(backend: Backend) -> Result<()> {
    let network = open_network(backend, 2)?;
    let mut control = network.rig.control()?;
    control.create(&member("one", UDP, &[ONE]))?;
    control.create(&member("other", UDP, &[OTHER]))?;
    let [one, other] = [control.show("one")?.poller, control.show("other")?.poller];
    assert_ne!(one, other, "one on each");
    wait_for("the switch to know both sources", TIMEOUT_S, || {
        let known = network.known(GROUP)?;
        Ok(known.contains(ONE) && known.contains(OTHER))
    })?;
    let mut talkers = [Talker::open(&network, ONE)?, Talker::open(&network, OTHER)?];
    talkers[0].until_received(&mut control, "one", UDP)?;
    assert_eq!(packets(&mut control, "other")?, 0);
    talkers[1].until_received(&mut control, "other", UDP)?;
    // Both at a time, packet for packet.
    wait_for("whole frames of both", TIMEOUT_S, || {
        let mut is_whole = true;
        for (talker, session) in talkers.iter_mut().zip(["one", "other"]) {
            talker.frames(UDP, 1)?;
            is_whole &= control.show(session)?.counters.frames_complete >= 20;
        }
        Ok(is_whole)
    })?;
    for session in ["one", "other"] {
        let counters = control.show(session)?.counters;
        ensure!(counters.packets_malformed.is_empty(), "{counters:?}");
        // Each source has an SSRC of its own.
        let other = (counters.ssrc_changes, counters.packets_other_ssrc);
        ensure!(other == (0, 0), "{counters:?}");
    }
    let group = control.show("one")?.group.context("a group")?;
    assert_eq!((group.sessions, group.sources.len()), (2, 2));

    // The end of one changes nothing for the other.
    control.end("one")?;
    talkers[1].until_received(&mut control, "other", UDP)?;
    wait_for("the switch to forget its source alone", TIMEOUT_S, || {
        let known = network.known(GROUP)?;
        Ok(!known.contains(ONE) && known.contains(OTHER))
    })?;
    // Another takes its place.
    control.create(&member("again", UDP, &[ONE]))?;
    talkers[0].until_received(&mut control, "again", UDP)?;
    talkers[1].until_received(&mut control, "other", UDP)?;
    control.end("again")?;
    control.end("other")?;
    Ok(())
}

#[test]
fn two_sources_of_a_group_on_two_pollers_then_each_has_its_own() -> Result<()> {
    each_has_its_own(Backend::AfXdp)?;
    each_has_its_own(Backend::AfPacket)
}

/// Sessions on both pollers receive what the other has, too: joined for all sources once, and left with the last.
fn each_has_the_same(backend: Backend) -> Result<()> {
    let network = open_network(backend, 2)?;
    let mut control = network.rig.control()?;
    control.create(&member("one", UDP, &[ONE]))?;
    control.create(&member("wide", UDP, &[ONE, OTHER]))?;
    let [one, wide] = [control.show("one")?.poller, control.show("wide")?.poller];
    assert_ne!(one, wide, "one on each");
    let knows = |wanted: [bool; 2]| {
        wait_for("the switch to know the sources", TIMEOUT_S, || {
            let known = network.known(GROUP)?;
            Ok([ONE, OTHER].map(|it| known.contains(it)) == wanted)
        })
    };
    knows([true, true])?;
    let mut talkers = [Talker::open(&network, ONE)?, Talker::open(&network, OTHER)?];
    talkers[0].until_received(&mut control, "one", UDP)?;
    talkers[0].until_received(&mut control, "wide", UDP)?;
    talkers[1].until_received(&mut control, "wide", UDP)?;
    let counters = control.show("one")?.counters;
    ensure!(
        counters.frames_incomplete == 0 && counters.ssrc_changes == 0,
        "{counters:?}"
    );

    // A stop leaves what no other wants, and a start joins it again.
    control.stop("wide")?;
    knows([true, false])?;
    talkers[0].until_received(&mut control, "one", UDP)?;
    control.start("wide")?;
    knows([true, true])?;
    talkers[1].until_received(&mut control, "wide", UDP)?;
    control.end("one")?;
    talkers[0].until_received(&mut control, "wide", UDP)?;
    control.stop("wide")?;
    knows([false, false])?;
    control.destroy_wait("wide").map(drop)
}

#[test]
fn two_sessions_of_a_flow_then_each_has_all_and_the_last_leaves() -> Result<()> {
    each_has_the_same(Backend::AfXdp)?;
    each_has_the_same(Backend::AfPacket)
}
