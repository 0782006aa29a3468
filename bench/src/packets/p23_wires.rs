//! P23: what a packet costs without any kernel: whole sessions between two ports at the ends of a wire
//! inside the daemon, as a NIC would show it: a pair of DPDK rings, which pass packets by pointer. Beside
//! dpdk-testpmd between two such ports on the same core, in turns.
//!
//! The core sends and receives. Then the number of 1080p59.94 and 2160p59.94 sessions that it carries whole.

use onair_stage::OfVideo as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use onair_api::operations::ShowMetrics;
use onair_api::{Source, SpecDocument};
use onair_essence::video::st2110_20::{Packetiser, STANDARD_RTP_BYTES};
use onair_essence::video::{Depth, FrameRate, VideoFormat};
use onair_stage::{Control, Deadline, Raster, Rig, receive, send, until, wait_for};
use rustix::process::Signal;

use crate::packets::sender_types;
use crate::packets::testpmd::{SETTLE, Testpmd, WINDOW};
use crate::place;
use crate::result::row::{Figure, Row};
use crate::result::samples::{Samples, float};
use crate::rig;
use crate::run::Run;

const UDP: u16 = 6000;
/// Sessions of 1080p at 120 frames a second, more than a core can do.
const SATURATING: u16 = 8;

/// testpmd's ports, each of which receives what it sends.
const PORTS_OF_TESTPMD: [&str; 2] = ["--vdev=net_ring0", "--vdev=net_ring1"];

/// Packets of all ports so far.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    sent: f64,
    received: f64,
}

impl Seen {
    /// The metrics, which the daemon makes once a second: of a time after the call.
    fn look(control: &mut Control) -> Result<Self> {
        let before = control.call::<ShowMetrics>(&())?;
        let text = until("new metrics", Deadline::seconds(20), || {
            let text = control.call::<ShowMetrics>(&())?;
            Ok((text != before).then_some(text))
        })?;
        let all = |name: &str| {
            let begin = format!("onair_port_{name}_total{{");
            let lines = text.lines().filter(|line| line.starts_with(&begin));
            let numbers = lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok());
            numbers.sum()
        };
        Ok(Self {
            sent: all("tx_packets"),
            received: all("rx_packets"),
        })
    }
}

/// Packets that all ports received so far, as it is now.
fn received(control: &mut Control) -> Result<f64> {
    let ports = control.health()?.dataplane.ports;
    Ok(float(ports.iter().map(|it| it.rx_packets).sum()))
}

pub(crate) fn measure(run: &Run) -> Result<Vec<Row>> {
    let mut rig = rig::wire("adaptive")?;
    let done = rig.start_daemon().and_then(|()| saturated(&mut rig, run));
    rig.end(done)
}

fn saturated(rig: &mut Rig, run: &Run) -> Result<Vec<Row>> {
    let core = *place::cores()?.last().context("no core")?;
    let mut control = rig.control()?;
    let windows = run.either(12, 6);
    run.case("one poller", windows);
    let raster = Raster::new(1920, 1080, 120, 10);
    begin(&mut control, SATURATING, raster, "120/1")?;
    let mut testpmd = Testpmd::between(rig.stage(), core, rig.config.hugepages, PORTS_OF_TESTPMD)?;
    testpmd.pause(true)?;
    let (mut rates, mut peer) = (vec![], Samples::default());
    for _ in 0..windows {
        rig.daemon()?.running().signal(Signal::STOP)?;
        let its = testpmd.turn();
        // Also when that failed: a stopped daemon cannot be ended.
        rig.daemon()?.running().signal(Signal::CONT)?;
        peer.push(its?);
        std::thread::sleep(SETTLE);
        let (first, begin) = (received(&mut control)?, Instant::now());
        std::thread::sleep(WINDOW);
        let (last, span) = (received(&mut control)?, begin.elapsed().as_secs_f64());
        rates.push((last - first) / span);
        run.step();
    }
    let rate: Samples = rates.iter().map(|it| it / 1e3).collect();
    testpmd.pause(false)?;
    testpmd.quit()?;
    finish(&mut control, SATURATING)?;
    let pinned = format!("the poller on the last core, testpmd on core {core}");
    let mut rows = vec![
        Row::of("P23", "sent and received, one poller", "kpps", &rate)
            .beside("dpdk-testpmd, io, between rings", &rate, &peer)
            .pinned(&pinned)
            .part(),
    ];
    let [sender, receiver] = &rig::ONE_WIRE;
    let (address, _) = receiver.address.split_once('/').context("a prefix")?;
    let ends = sender_types::Ends {
        sender: sender.name,
        receiver: receiver.name,
        address,
    };
    rows.extend(sender_types::rows("P23", &mut control, &ends, run)?);
    for (name, raster) in [
        ("1080p59.94", Raster::new(1920, 1080, 60, 10)),
        ("2160p59.94", Raster::new(3840, 2160, 60, 10)),
    ] {
        let by_rate = rate.ranks().median() * 1e3 / packets_a_second(raster)?;
        let row = carried(&mut control, name, raster, by_rate, run)?;
        rows.push(row.pinned(&pinned).all_whole());
    }
    Ok(rows)
}

/// Of a session at 59.94 frames a second in 10 bit.
fn packets_a_second(raster: Raster) -> Result<f64> {
    let rate = FrameRate::new(60_000, 1_001)?;
    let format = VideoFormat::new(raster.width, raster.height, Depth::Ten, rate)?;
    let packetiser = Packetiser::new(format, STANDARD_RTP_BYTES)?;
    Ok(f64::from(packetiser.packets()) * 60_000.0 / 1_001.0)
}

/// The largest number of sessions that pass whole, tried from a little above `by_rate` down.
fn carried(
    control: &mut Control,
    name: &str,
    raster: Raster,
    by_rate: f64,
    run: &Run,
) -> Result<Figure> {
    let (mut most, mut note) = (0, String::new());
    let tries: Vec<_> = (1..=64)
        .filter(|n| f64::from(*n) <= 1.1 * by_rate + 1.0)
        .collect();
    run.case(name, tries.len());
    for n in tries.into_iter().rev() {
        run.step();
        let before = Seen::look(control)?;
        begin(control, n, raster, "60000/1001")?;
        // The first frames are late: the poller touches the pages of their memory for the first time.
        std::thread::sleep(Duration::from_secs(1));
        let first = missed(control, n)?;
        std::thread::sleep(run.either(3, 1) * Duration::from_secs(1));
        let missed = missed(control, n)? - first;
        let incomplete = finish(control, n)?;
        let after = Seen::look(control)?;
        let lost = (after.sent - before.sent) - (after.received - before.received);
        if lost == 0.0 && incomplete == 0.0 && missed == 0.0 {
            most = n;
            break;
        }
        note = format!(
            "with {n}: {lost} packets lost, {incomplete} frames incomplete, {missed} frame times missed"
        );
    }
    let ours = Samples::from_iter([f64::from(most)]);
    let variant = format!("{name} each way, none lost or late");
    Ok(Row::of("P23", variant, "sessions", &ours)
        .limit("the saturated rate in such sessions", by_rate)
        .note(note))
}

/// Creates `count` sessions each way; they run from then on.
fn begin(control: &mut Control, count: u16, raster: Raster, rate: &str) -> Result<()> {
    let [sender, receiver] = &rig::ONE_WIRE;
    for way in ["receive", "send"] {
        for at in 0..count {
            let (name, udp) = (format!("{way}{at}"), UDP + at);
            let spec = match way {
                "send" => send(&name, raster, udp, Source::Pattern),
                _ => receive(&name, raster, udp),
            };
            let mut spec = SpecDocument {
                quota: Some(1),
                max_attachments: Some(1),
                overcommit: Some(true),
                ..spec
            };
            rate.clone_into(&mut spec.format.video_mut().frame_rate);
            let end = if way == "send" { sender } else { receiver };
            end.name.clone_into(&mut spec.port);
            let (to, _) = receiver.address.split_once('/').context("a prefix")?;
            spec.flow.destination = format!("{to}:{udp}");
            control.create(&spec)?;
        }
    }
    Ok(())
}

/// Frame times that the senders missed so far.
fn missed(control: &mut Control, count: u16) -> Result<f64> {
    let senders = (0..count).map(|at| control.show(format!("send{at}")));
    let missed = senders.map(|view| Ok(float(view?.counters.slots_missed)));
    missed.sum()
}

/// Stops and destroys them, the sending ones first. Frames that receivers saw incomplete.
fn finish(control: &mut Control, count: u16) -> Result<f64> {
    let mut incomplete = 0.0;
    for way in ["send", "receive"] {
        let names: Vec<_> = (0..count).map(|at| format!("{way}{at}")).collect();
        for name in &names {
            let counters = control.stop(name)?.counters;
            incomplete += float(counters.frames_incomplete);
        }
        // What is on the wire arrives before the receivers stop.
        std::thread::sleep(Duration::from_millis(50));
        for name in &names {
            wait_for("a session destroyed", 20, || {
                Ok(control.try_destroy(name)?.status == 200)
            })?;
        }
    }
    Ok(incomplete)
}
