//! Our own sender into our own receiver, as long as one likes: `cargo xtask test --slow` lets it run for ten minutes.

use onair_stage::OfVideo as _;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use onair_api::{SessionCounters, Source, SpecDocument};
use onair_essence::video::Scan;
use onair_essence::video::VideoDocument;
use onair_tests::{
    Control, Deadline, Footprint, Raster, Rig, Viewer, own_memory, receive, send, wait_for,
};
use serde_json::json;

/// Bytes that the daemon may have grown by since the first fifth: heap and stacks, not frames.
const GROWTH: u64 = 2 << 20;
/// Ticks of an RTP timestamp in a second.
const HZ: u64 = 90_000;

/// A flow from port `a` to port `b`: slow enough that a machine of two busy cores loses nothing.
struct Flow {
    receiver: &'static str,
    sender: &'static str,
    raster: Raster,
    udp: u16,
    /// Frames that its client may have.
    quota: u32,
    /// Buffers a second: frames or fields.
    rate: (u64, u64),
    adapt: fn(&mut VideoDocument),
}

const FLOWS: [Flow; 3] = [
    Flow {
        receiver: "frames",
        sender: "frames-out",
        raster: Raster::new(1280, 720, 25, 10),
        udp: 5004,
        quota: 32,
        rate: (25, 1),
        adapt: |_| {},
    },
    Flow {
        receiver: "fields",
        sender: "fields-out",
        raster: Raster::new(320, 180, 30, 8),
        udp: 5006,
        quota: 64,
        rate: (60_000, 1001),
        adapt: |video| {
            video.frame_rate = "30000/1001".to_owned();
            video.scan = Some(Scan::Interlaced);
        },
    },
    Flow {
        receiver: "slow",
        sender: "slow-out",
        raster: Raster::new(320, 180, 5, 10),
        udp: 5008,
        quota: 16,
        rate: (5, 1),
        adapt: |_| {},
    },
];
/// Frames of the last flow, in another layout. A converter has the usual priority, and misses a frame if it does
/// not run for eight: of a slow flow that is long enough for any machine.
const CONVERTED: &str = "slow-v210";

impl Flow {
    fn spec(&self, of: impl FnOnce(&str, Raster, u16) -> SpecDocument, name: &str) -> SpecDocument {
        let mut spec = of(name, self.raster, self.udp);
        (self.adapt)(spec.format.video_mut());
        spec
    }

    /// The frame time of a timestamp that is near another one, counted from that: none, if the timestamp is
    /// between two.
    fn slots_between(&self, from: u32, to: u32) -> Option<u64> {
        let (num, den) = self.rate;
        let ticks = u64::from(to.wrapping_sub(from));
        let near = ticks * num / (HZ * den);
        // Each timestamp is rounded down.
        (near..=near + 1).find(|slots| {
            let exact = slots * HZ * den / num;
            (exact..=exact + 1).contains(&ticks)
        })
    }
}

fn create(control: &mut Control, flow: &Flow) -> Result<()> {
    control.create(&SpecDocument {
        quota: Some(flow.quota),
        max_attachments: Some(2),
        ..flow.spec(receive, flow.receiver)
    })?;
    Ok(())
}

fn nothing_amiss(name: &str, counters: &SessionCounters) -> Result<()> {
    let amiss = [
        ("frames_incomplete", counters.frames_incomplete),
        ("frames_no_buffer", counters.frames_no_buffer),
        ("frames_dropped_slow", counters.frames_dropped_slow),
        ("frames_not_converted", counters.frames_not_converted),
        ("frames_wrong_format", counters.frames_wrong_format),
        ("packets_lost", counters.packets_lost),
        ("packets_late", counters.packets_late),
        ("packets_duplicate", counters.packets_duplicate),
        ("packets_reordered", counters.packets_reordered),
        ("packets_other_ssrc", counters.packets_other_ssrc),
        ("ssrc_changes", counters.ssrc_changes),
        ("restarts", counters.restarts),
    ];
    let amiss: Vec<_> = amiss.into_iter().filter(|(_, count)| *count > 0).collect();
    ensure!(amiss.is_empty(), "{name}: {amiss:?} in {counters:?}");
    ensure!(
        counters.packets_malformed.is_empty(),
        "{name}: {counters:?}"
    );
    Ok(())
}

#[test]
fn frames_and_fields_for_long_then_on_time_and_nothing_grows() -> Result<()> {
    let wanted = std::env::var("ONAIR_SOAK_SECONDS").ok();
    let seconds: u64 = wanted.map_or(Ok(5), |it| it.parse())?;
    let mut rig = Rig::pair()?;
    let daemon = rig.daemon()?.pid();
    let mut control = rig.control()?;
    assert_eq!(control.health()?.dataplane.backend, "af_xdp");
    for flow in &FLOWS {
        create(&mut control, flow)?;
    }
    let body = json!({
        "name": CONVERTED, "convert": {"from": "slow", "layout": "v210"}, "quota": 32,
        "max_attachments": 1,
    });
    ensure!(control.request("POST", "/v1/sessions", &body)?.status == 201);
    let mut viewers = Vec::new();
    for flow in &FLOWS {
        viewers.push(Viewer::start(&rig, flow.receiver)?);
    }
    let mut converted = Viewer::start(&rig, CONVERTED)?;
    for flow in &FLOWS {
        control.create(&flow.spec(
            |name, raster, udp| send(name, raster, udp, Source::Pattern),
            flow.sender,
        ))?;
    }

    let of = |seconds: u64, flow: &Flow| seconds * flow.rate.0 / flow.rate.1;
    let limit = |seconds: u64| Deadline::after(Duration::from_secs(2 * seconds + 30));
    let come = |viewers: &mut [Viewer], converted: &mut Viewer, seconds: u64| {
        for (flow, viewer) in FLOWS.iter().zip(viewers) {
            viewer.wait(of(seconds, flow), limit(seconds))?;
        }
        converted.wait(of(seconds, &FLOWS[2]), limit(seconds))
    };
    // Until then a slow machine may still use memory for the first time.
    let warm = (seconds / 5).max(1);
    come(&mut viewers, &mut converted, warm)?;
    let (memory, footprint) = (own_memory(daemon)?, Footprint::of(daemon)?);
    come(&mut viewers, &mut converted, seconds)?;
    let now = own_memory(daemon)?;
    println!("{memory} bytes of the daemon's own after {warm} s, {now} after {seconds}");
    ensure!(now <= memory + GROWTH, "grown from {memory} to {now} bytes");
    footprint.wait_regained(daemon)?;

    let mut all_sent = Vec::new();
    for flow in &FLOWS {
        let sent = control.end(flow.sender)?.frames;
        wait_for("what was sent to be received", 30, || {
            Ok(control.show(flow.receiver)?.counters.packets >= sent.packets)
        })?;
        all_sent.push(sent);
    }
    let whole = control.show("slow")?.counters.frames_complete;
    control.await_view(CONVERTED, "through with all frames", |it| {
        it.counters.frames_complete + it.counters.frames_not_converted >= whole
    })?;
    nothing_amiss(CONVERTED, &control.show(CONVERTED)?.counters)?;
    let copies = converted.finish(&mut control, limit(1))?;

    let mut timestamps = Vec::new();
    for ((flow, viewer), sent) in FLOWS.iter().zip(viewers).zip(all_sent) {
        let name = flow.receiver;
        let counters = control.show(name)?.counters;
        nothing_amiss(name, &counters)?;
        assert_eq!(counters.packets, sent.packets, "{name}: {counters:?}");
        let seen = viewer.finish(&mut control, limit(1))?;
        assert_eq!(seen.len() as u64, sent.frames_sent, "{name}");
        let mut slots_missed = 0;
        for (index, frame) in (0..).zip(&seen) {
            ensure!(frame.complete, "{name}: {frame:?}");
            // Both ends count from 0: nothing is missing, doubled or out of order.
            ensure!(
                frame.number == index && frame.pattern_number() == Some(index),
                "{name}: at {index} {frame:?}"
            );
            let field = (flow.receiver == "fields").then_some(1 + u8::from(index % 2 == 1));
            ensure!(frame.field == field, "{name}: {frame:?}");
        }
        for pair in seen.windows(2) {
            let (from, to) = (pair[0].rtp_timestamp, pair[1].rtp_timestamp);
            let slots = flow.slots_between(from, to);
            let slots = slots.with_context(|| format!("{name}: {from} and {to} are no frames"))?;
            ensure!(slots > 0, "{name}: {from} twice");
            slots_missed += slots - 1;
        }
        println!(
            "{name}: {} buffers, {slots_missed} frame times missed",
            seen.len()
        );
        // A sender that the machine held up for longer than a frame says so. The wait for a slot of the
        // field's parity is not counted.
        ensure!(
            slots_missed == 0 || sent.slots_missed > 0,
            "{name}: {slots_missed} frame times are missing, and {sent:?}"
        );
        timestamps.push(seen.iter().map(|it| it.rtp_timestamp).collect::<Vec<_>>());
    }
    ensure!(copies.iter().all(|it| it.complete));
    let of_copies: Vec<_> = copies.iter().map(|it| it.rtp_timestamp).collect();
    ensure!(of_copies == timestamps[2], "{CONVERTED}: other frames");
    for name in [CONVERTED, "slow", "frames", "fields"] {
        control.destroy_wait(name)?;
    }
    Ok(())
}
