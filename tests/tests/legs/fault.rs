//! A leg that is late, or carries what it should not: the other carries the session.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context as _, Result, anyhow};
use onair_api::{SessionProblemKind, Source};
use onair_tests::network::packet::{IPV4, datagram, ethernet, rtp};
use onair_tests::two_networks::{TwoNetworks, receive_both, send_both};
use onair_tests::{Backend, Deadline, QUOTA, Raster, Rig, Viewer, WholeFlow, Wire, onairctl, send};

/// Sees all frames until `frames` more came: none is missing or wrong.
fn watch(networks: &TwoNetworks, mut viewer: Viewer, frames: u64) -> Result<()> {
    let mut control = networks.rig.control()?;
    viewer.wait(frames, Deadline::seconds(60))?;
    control.end("out")?;
    let seen = viewer.finish(&mut control, Deadline::seconds(20))?;
    for frame in &seen {
        assert!(
            frame.complete && frame.pattern_number().is_some(),
            "{frame:?}"
        );
    }
    let numbers: Vec<_> = seen.iter().filter_map(|it| it.pattern_number()).collect();
    assert!(
        numbers.windows(2).all(|it| it[1] == it[0] + 1),
        "{numbers:?}"
    );
    Ok(())
}

#[test]
fn leg_that_carries_another_stream_then_named_and_never_shown() -> Result<()> {
    let networks = TwoNetworks::open(Backend::AfPacket)?;
    let mut control = networks.rig.control()?;
    let mut spec = receive_both("in", Raster::SMALL, 5004);
    spec.quota = Some(QUOTA);
    control.create(&spec)?;
    let viewer = Viewer::start(&networks.rig, "in")?;
    let mut out = send("out", Raster::SMALL, 5004, Source::Pattern);
    out.flow.destination = "239.1.0.1:5004".into();
    control.create(&out)?;
    control.await_view("in", "frames", |it| it.counters.frames_complete > 5)?;
    let mut other = send("other", Raster::SMALL, 5004, Source::Pattern);
    other.port = "c".into();
    other.flow.destination = "239.2.0.1:5004".into();
    control.create(&other)?;
    let problem = control.await_problem("in", SessionProblemKind::LegFault)?;
    assert!(
        problem.detail.contains("another stream (SSRC 0x"),
        "{}",
        problem.detail
    );
    watch(&networks, viewer, 60)?;
    let view = control.show("in")?;
    let legs = view.legs.context("two legs")?;
    assert!(legs.second.packets_other_stream > 100, "{legs:?}");
    assert_eq!(legs.second.packets_used, 0, "{legs:?}");
    control.end("other")?;
    control.destroy_wait("in")?;
    Ok(())
}

#[test]
fn legs_of_own_payload_types_then_each_is_checked_by_its_own() -> Result<()> {
    let networks = TwoNetworks::open(Backend::AfPacket)?;
    let mut control = networks.rig.control()?;
    let mut out = send_both("out", Raster::SMALL, 5004);
    let leg = out.flow.second_leg.as_mut().context("two legs")?;
    leg.payload_type = Some(97);
    control.create(&out)?;
    // A receiver of what the sender says.
    let described = onairctl(&networks.rig, "session sdp out")?.out;
    for line in ["a=rtpmap:96 raw/90000", "a=rtpmap:97 raw/90000"] {
        assert!(described.contains(line), "{described}");
    }
    control.end("out")?;
    let file = networks.rig.stage().directory().join("out.sdp");
    std::fs::write(&file, described)?;
    let create = format!(
        "session create in --port b --second-port d --quota {QUOTA} --sdp {}",
        file.display()
    );
    let created = onairctl(&networks.rig, &create)?;
    assert!(
        created.code == 0 && created.out.contains("payload type 97"),
        "{created:?}"
    );
    let viewer = Viewer::start(&networks.rig, "in")?;
    control.create(&out)?;
    control.await_view("in", "both legs", |it| {
        let brings = |legs: &onair_api::Legs| legs.second.packets > 100 && legs.first.packets > 100;
        it.legs.as_ref().is_some_and(brings) && it.counters.frames_complete > 5
    })?;
    let legs = control.show("in")?.legs.context("two legs")?;
    assert_eq!(
        legs.second.packets_malformed + legs.first.packets_malformed,
        0
    );
    // The second leg alone.
    networks.switch("va", false)?;
    let before = control.show("in")?.counters.frames_complete;
    control.await_view("in", "frames of the second leg", |it| {
        it.counters.frames_complete > before + 20
    })?;
    networks.switch("va", true)?;
    let first = |it: &onair_api::SessionView| it.legs.as_ref().map_or(0, |legs| legs.first.packets);
    let before = first(&control.show("in")?);
    control.await_view("in", "the first leg again", |it| first(it) > before + 100)?;
    // With the first leg's type it is refused, and the first carries the session.
    onairctl(
        &networks.rig,
        "session retarget out --second-payload-type 96",
    )?;
    control.await_view("in", "a fault of the second leg", |it| {
        let says = |it: &onair_api::SessionProblem| {
            it.detail.contains("the leg of port d") && it.detail.contains("is to be 97")
        };
        it.problems.iter().any(says)
    })?;
    watch(&networks, viewer, 60)?;
    let legs = control.show("in")?.legs.context("two legs")?;
    assert!(legs.second.packets_malformed > 100, "{legs:?}");
    control.destroy_wait("in")?;
    Ok(())
}

#[test]
fn leg_that_is_flooded_then_the_other_carries_the_session() -> Result<()> {
    let networks = TwoNetworks::open(Backend::AfPacket)?;
    let rig = &networks.rig;
    let mut control = rig.control()?;
    let udp = WholeFlow::UDP;
    let (mut spec, mut out) = (
        receive_both("in", Raster::SMALL, udp),
        send_both("out", Raster::SMALL, udp),
    );
    let first = format!("10.77.0.2:{udp}");
    (spec.flow.destination, out.flow.destination) = (first.clone(), first);
    spec.quota = Some(QUOTA);
    control.create(&spec)?;
    let viewer = Viewer::start(rig, "in")?;
    control.create(&out)?;
    control.await_view("in", "frames", |it| it.counters.frames_complete > 5)?;
    let wire = Wire::open(rig.stage(), "va")?;
    let mac = mac_of(rig, "b")?;
    let end = Arc::new(AtomicBool::new(false));
    let flood = thread::spawn({
        let (end, own) = (Arc::clone(&end), wire.mac()?);
        move || {
            let mut count = 0u32;
            while !end.load(Ordering::Relaxed) {
                count = count.wrapping_mul(0x915f_77f5).wrapping_add(1);
                let mut payload = rtp(&[[640, 3, 0]], 640);
                payload[2..6].copy_from_slice(&count.to_be_bytes());
                let packet = datagram(payload.len() + 8, &payload);
                // What the port has no room for is lost.
                let _ = wire.send(&ethernet(mac, own, IPV4, &packet));
            }
        }
    });
    let watched = watch(&networks, viewer, 60);
    end.store(true, Ordering::Relaxed);
    flood.join().map_err(|_| anyhow!("the flood panicked"))?;
    watched?;
    let legs = control.show("in")?.legs.context("two legs")?;
    assert_eq!(legs.packets_lost, 0, "{legs:?}");
    assert!(legs.first.packets_other_stream > 1_000, "{legs:?}");
    control.destroy_wait("in")?;
    Ok(())
}

fn mac_of(rig: &Rig, name: &str) -> Result<[u8; 6]> {
    let ports = rig.control()?.health()?.dataplane.ports;
    let port = ports.into_iter().find(|port| port.name == name);
    let mac = port.context("the port")?.mac;
    let bytes = mac.split(':').map(|byte| u8::from_str_radix(byte, 16));
    let bytes = bytes.collect::<Result<Vec<_>, _>>()?;
    bytes.try_into().ok().context("six bytes")
}
