//! A bad network: no frame is ever shown as more than what came of it.
//!
//! The relay of the harness loses, doubles and delays packets, the same in each run. One test has the
//! kernel do it; `cargo xtask test` leaves that one out, and says so, if the kernel has no `netem`.

use std::collections::HashMap;
use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context as _, Result, anyhow, ensure};
use onair::{Session, Timeout};
use onair_api::{SessionCounters, SpecDocument};
use onair_stage::Stage;
use onair_tests::{
    Config, Control, Deadline, Disturbance, Done, GStreamer, QUOTA, Raster, Relay, Rig, Seen,
    output, receive, resolve, wait_for,
};
use rustix::net::sockopt::set_socket_recv_buffer_size_force;
use xxhash_rust::xxh3::xxh3_64;

const OURS: (&str, u16) = ("10.77.0.2", 5004);
/// Some 84 packets a frame.
const RASTER: Raster = Raster::new(320, 180, 60, 8);
const FRAMES: u32 = 150;

/// What came of it all.
struct Passed {
    /// The frames as GStreamer sent them.
    sent: Vec<Vec<u8>>,
    /// The frames as a client was shown them, with their bytes.
    shown: Vec<(Seen, Vec<u8>)>,
    counters: SessionCounters,
}

/// A session that receives, and this process as its client, which keeps copies.
struct Client {
    control: Control,
    taken: Arc<AtomicU64>,
    thread: JoinHandle<Vec<(Seen, Vec<u8>)>>,
}

impl Client {
    fn start(rig: &Rig) -> Result<Self> {
        resolve(rig.stage(), OURS.0)?;
        let mut control = rig.control()?;
        // A sender that is held up on a busy machine loses no frame to the time-out.
        control.create(&SpecDocument {
            quota: Some(QUOTA),
            frame_timeout_ms: Some(1000),
            ..receive("in", RASTER, OURS.1)
        })?;
        let session = Session::attach(Config::attach_socket(rig.stage()), "in")?;
        let taken = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&taken);
        let thread = std::thread::spawn(move || {
            let mut shown = Vec::new();
            while let Ok(frame) = session.buffer_get(Timeout::NEVER) {
                shown.push((Seen::of(&frame), frame.to_vec()));
                count.fetch_add(1, Ordering::Relaxed);
            }
            shown
        });
        Ok(Self {
            control,
            taken,
            thread,
        })
    }

    /// Waits until the last frame has been closed, by the time-out if it must be, and taken.
    fn settle(&mut self) -> Result<SessionCounters> {
        let mut counters = SessionCounters::default();
        wait_for("all frames to be taken", 20, || {
            counters = self.control.show("in")?.counters;
            let closed = counters.frames_complete + counters.frames_incomplete;
            let taken = self.taken.load(Ordering::Relaxed);
            let all = closed >= u64::from(FRAMES) && taken == closed - counters.frames_dropped_slow;
            Ok(all)
        })
        .with_context(|| format!("{counters:?}"))?;
        Ok(counters)
    }

    /// Ends it once it has settled.
    fn finish(mut self, file: &Path) -> Result<Passed> {
        let bytes = fs::read(file)?;
        let sent: Vec<_> = bytes
            .chunks(RASTER.frame_bytes())
            .map(<[u8]>::to_vec)
            .collect();
        ensure!(sent.len() == FRAMES as usize, "{} frames sent", sent.len());
        self.settle()?;
        self.control.stop("in")?;
        let shown = self
            .thread
            .join()
            .map_err(|_| anyhow!("the client panicked"))?;
        let counters = self.control.destroy_wait("in")?.frames;
        Ok(Passed {
            sent,
            shown,
            counters,
        })
    }
}

/// GStreamer, through the relay, into our session.
fn through_the_relay(disturbance: Disturbance) -> Result<(Passed, Done)> {
    let rig = Rig::beside_the_kernel()?;
    let client = Client::start(&rig)?;
    let ours = format!("{}:{}", OURS.0, OURS.1).parse()?;
    let relay = Relay::start(rig.stage(), ours, disturbance)?;
    let entrance = ("127.0.0.1", relay.entrance().port());
    let sender = GStreamer::start(rig.stage(), RASTER, FRAMES, entrance)?;
    let file = sender.finish(Deadline::seconds(60))?;
    let done = relay.finish()?;
    let outcome = client.finish(&file)?;
    assert_eq!(
        outcome.counters.packets,
        done.came - done.lost + done.doubled,
        "the relay's packets did not all arrive"
    );
    Ok((outcome, done))
}

/// Each frame is what it says: a complete one was sent so, in this order, and of an incomplete one
/// every byte that it does not call missing.
fn shows_what_was_sent(outcome: &Passed) -> Result<()> {
    // The ball comes round again: the first place from the last one on.
    let mut at = 0;
    let mut places = HashMap::new();
    for (seen, _) in outcome.shown.iter().filter(|(seen, _)| seen.complete) {
        let found = outcome.sent[at..]
            .iter()
            .position(|frame| xxh3_64(frame) == seen.hash)
            .with_context(|| {
                format!("shown as complete, but never sent in this order: {seen:?}")
            })?;
        at += found;
        places.insert(seen.rtp_timestamp, at);
        at += 1;
    }
    let (&begin, &place) = places.iter().next().context("no complete frame at all")?;
    let begin = begin.wrapping_sub(u32::try_from(place)? * 90_000 / RASTER.rate);
    for (seen, bytes) in outcome.shown.iter().filter(|(seen, _)| !seen.complete) {
        // No packet of it is lost if the frame was closed by the time-out: the rest came late.
        assert!(seen.bytes_missing > 0, "{seen:?}");
        assert!(!seen.missing.is_empty(), "{seen:?}");
        let ticks = seen.rtp_timestamp.wrapping_sub(begin);
        // GStreamer's timestamps are a tick too early or too late.
        let number = (ticks + 750) / 1500;
        let sent = &outcome.sent[usize::try_from(number)?];
        holds_what_it_says(seen, bytes, sent)?;
    }
    assert!(
        outcome
            .shown
            .is_sorted_by(|(a, _), (b, _)| a.number < b.number)
    );
    Ok(())
}

fn holds_what_it_says(seen: &Seen, bytes: &[u8], sent: &[u8]) -> Result<()> {
    let mut at = 0;
    let mut told = 0;
    for &(offset, length) in &seen.missing {
        let (offset, end) = (usize::try_from(offset)?, usize::try_from(offset + length)?);
        assert!(offset >= at && length > 0 && end <= sent.len(), "{seen:?}");
        assert!(
            bytes[at..offset] == sent[at..offset],
            "wrong bytes: {seen:?}"
        );
        at = end;
        told += length;
    }
    // Only the first runs are named.
    if told == seen.bytes_missing {
        assert!(bytes[at..] == sent[at..], "wrong bytes: {seen:?}");
    } else {
        assert!(
            told < seen.bytes_missing && seen.missing.len() > 1,
            "{seen:?}"
        );
    }
    Ok(())
}

#[test]
fn packets_lost_doubled_and_delayed_then_frames_show_what_came() -> Result<()> {
    let (outcome, done) = through_the_relay(Disturbance {
        lost: 8,
        doubled: 30,
        delayed: 50,
        depth: 40,
    })?;
    let counters = &outcome.counters;
    shows_what_was_sent(&outcome)?;
    assert!(counters.frames_complete > 20, "{counters:?}");
    assert!(counters.frames_incomplete > 20, "{counters:?}");
    assert_eq!(counters.packets_lost, done.lost, "{counters:?}");
    assert_eq!(counters.packets_duplicate, done.doubled, "{counters:?}");
    assert_eq!(counters.packets_late, 0, "{counters:?}");
    Ok(())
}

/// Lets the kernel disturb what leaves `va`.
fn disturb(rig: &Rig, how: &str) -> Result<()> {
    let line = format!(
        "-n {} qdisc add dev va root netem limit 100000 {how}",
        rig.stage().namespace()
    );
    output("tc", &line.split(' ').collect::<Vec<_>>())?;
    Ok(())
}

#[test]
#[ignore = "the kernel may have no netem: `cargo xtask test` runs this one if it has"]
fn packets_through_the_kernels_netem_then_no_frame_claims_more() -> Result<()> {
    let rig = Rig::beside_the_kernel()?;
    let client = Client::start(&rig)?;
    disturb(&rig, "delay 3ms reorder 20% 50% loss 1% duplicate 2%")?;
    let sender = GStreamer::start(rig.stage(), RASTER, FRAMES, OURS)?;
    let file = sender.finish(Deadline::seconds(60))?;
    let outcome = client.finish(&file)?;
    shows_what_was_sent(&outcome)?;
    let counters = &outcome.counters;
    assert!(counters.packets_lost > 0, "{counters:?}");
    assert!(counters.packets_duplicate > 0, "{counters:?}");
    assert!(counters.packets_reordered > 0, "{counters:?}");
    Ok(())
}

#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
fn pass(disturbance: Disturbance, count: u32) -> (Vec<u32>, Done) {
    let stage = Stage::open("test").unwrap();
    let target = stage
        .inside(|| {
            let socket = UdpSocket::bind("127.0.0.1:0")?;
            set_socket_recv_buffer_size_force(&socket, 8 << 20)?;
            Ok(socket)
        })
        .unwrap();
    let relay = Relay::start(&stage, target.local_addr().unwrap(), disturbance).unwrap();
    let source = stage
        .inside(|| Ok(UdpSocket::bind("127.0.0.1:0")?))
        .unwrap();
    for number in 0..count {
        source
            .send_to(&number.to_be_bytes(), relay.entrance())
            .unwrap();
    }
    let done = relay.finish().unwrap();
    target.set_nonblocking(true).unwrap();
    let mut came = Vec::new();
    let mut number = [0; 4];
    while target.recv(&mut number).is_ok() {
        came.push(u32::from_be_bytes(number));
    }
    (came, done)
}

#[test]
fn relay_disturbed_then_what_it_says_is_what_comes() {
    let disturbance = Disturbance {
        lost: 50,
        doubled: 50,
        delayed: 50,
        depth: 20,
    };
    let (mut came, done) = pass(disturbance, 2000);
    assert_eq!(came.len() as u64, 2000 - done.lost + done.doubled);
    assert!(done.delayed > 0 && !came.is_sorted());
    came.sort_unstable();
    came.dedup();
    assert_eq!(came.len() as u64, 2000 - done.lost);
}
