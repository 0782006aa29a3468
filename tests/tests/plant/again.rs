//! A controller takes again what it has: the receiver leaves and joins, and two legs lose nothing.

use std::net::Ipv4Addr;

use anyhow::{Context as _, Result};
use onair_tests::plant::Node;
use onair_tests::two_networks::{TwoNetworks, receive_both, send_both};
use onair_tests::{Backend, Deadline, IgmpWatch, QUOTA, Viewer, wait_for};
use serde_json::{Value, json};

use super::RASTER;

/// The groups of both legs, and the switches' ports.
const LEGS: [(&str, Ipv4Addr); 2] = [
    ("xb", Ipv4Addr::new(239, 1, 0, 1)),
    ("xd", Ipv4Addr::new(239, 2, 0, 1)),
];

#[test]
fn receiver_taken_again_then_legs_rejoin_and_no_frame_is_lost() -> Result<()> {
    let networks = TwoNetworks::switched(Backend::AfPacket)?;
    let mut control = networks.rig.control()?;
    let mut spec = receive_both("in", RASTER, 5004);
    spec.quota = Some(QUOTA);
    control.create(&spec)?;
    let mut viewer = Viewer::start(&networks.rig, "in")?;
    control.create(&send_both("out", RASTER, 5004))?;
    control.await_view("in", "both legs", |it| {
        let legs = it.legs.as_ref();
        legs.is_some_and(|it| it.first.packets > 100 && it.second.packets > 100)
    })?;
    viewer.wait(20, Deadline::seconds(40))?;
    let node = Node::start(networks.rig.stage())?;
    node.id("receivers", "in")?;
    let version = || -> Result<Value> {
        let all = node.resources("receivers")?;
        Ok(all.first().context("a receiver")?["version"].clone())
    };
    let watches = LEGS.map(|(port, _)| IgmpWatch::start(networks.rig.stage(), port));
    let again = json!({"activation": {"mode": "activate_immediate"}});
    let (mut watches, mut last) = (watches.into_iter().collect::<Result<Vec<_>>>()?, version()?);
    for _ in 0..2 {
        assert_eq!(node.patch("receivers", "in", &again)?.0, 200);
        wait_for("each leg to leave and to join", 30, || {
            let told = watches.iter_mut().zip(LEGS).map(|(watch, (_, group))| {
                let told: Vec<_> = watch
                    .seen()
                    .iter()
                    .filter_map(|it| it.joins(group))
                    .collect();
                told.contains(&false) && told.contains(&true)
            });
            Ok(told.filter(|it| *it).count() == LEGS.len())
        })?;
        watches.iter_mut().for_each(IgmpWatch::forget);
        wait_for("another version", 20, || Ok(version()? != last))?;
        last = version()?;
    }
    viewer.wait(20, Deadline::seconds(40))?;
    let sent = control.end("out")?.frames;
    let seen = viewer.finish(&mut control, Deadline::seconds(20))?;
    // A new switch forwards half a second after it is up: what was sent before is of the beginning, 20 frames before the
    // first activation.
    let begun = seen.iter().position(|it| it.complete).context("frames")?;
    let (mut came, first) = (vec![], seen[begun].pattern_number().context("a number")?);
    for frame in &seen[begun..] {
        came.push((frame.complete, frame.pattern_number()));
    }
    let all: Vec<_> = (first..sent.frames_sent)
        .map(|it| (true, Some(it)))
        .collect();
    assert_eq!(came, all);
    node.end()
}
