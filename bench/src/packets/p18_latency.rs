//! P18: the last packet of a frame → its consumer, another process, has the frame.
//!
//! A UDP socket of the kernel at one end of a veth pair sends 1280×720p60; the daemon receives at the
//! other end over AF_XDP. The time begins before the system call that sends the last packet. It stands
//! beside what the kernel itself needs for one datagram to a process that waits in `recv`: the same
//! sender sends it between two frames, to another thread of the same consumer. With an `adaptive` and
//! with a `busy` poller, on a quiet machine and beside a busy process on each core.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use onair_api::SpecDocument;
use onair_essence::send::{PacketPlan as _, StreamHeader};
use onair_essence::video::st2110_20::{Packet, Packetiser, STANDARD_RTP_BYTES};
use onair_essence::video::{Depth, FrameRate, VideoFormat};
use onair_ipc::sys;
use onair_stage::{Raster, Rig, receive};
use rustix::process::setpriority_process;

use crate::load::busy_core;
use crate::load::frame_consumer::{self, Taken};
use crate::result::row::Row;
use crate::result::samples::{Samples, float, micros};
use crate::rig;
use crate::run::Run;

const UDP: u16 = 5004;
/// Frames before the first that counts.
const WARM_UP: usize = 30;
/// Of the sender, as that of the pollers: a NIC is not held up by other processes.
const PRIORITY: i32 = -20;
const TEN_MINUTES: usize = 600 * 60;
/// Packets that are sent without a pause.
const GROUP: usize = 16;
const PAYLOAD_TYPE: u8 = 96;
/// Units of the RTP clock in a frame time of 60 frames a second (RFC 4175 §4.1: 90 kHz).
const FRAME_TICKS: u32 = 1_500;
const FRAME_TIME: Duration = Duration::from_nanos(1_000_000_000 / 60);

pub(crate) fn measure(run: &Run) -> Result<Vec<Row>> {
    let frames = if run.is_long() {
        TEN_MINUTES
    } else {
        run.either(900, 120)
    };
    let mut rows = vec![];
    for idle in ["adaptive", "busy"] {
        for is_loaded in [false, true] {
            rows.extend(one(idle, is_loaded, frames, run)?);
        }
    }
    Ok(rows)
}

/// What was sent: frames, and datagrams by number.
struct Sent {
    frames: Vec<SentFrame>,
    datagrams: Vec<u64>,
}

fn one(idle: &str, is_loaded: bool, frames: usize, run: &Run) -> Result<Vec<Row>> {
    let load = if is_loaded {
        "a busy process a core"
    } else {
        "quiet"
    };
    let variant = format!("{idle} poller, {load}");
    run.case(&variant, frames);
    let mut rig = rig::from_the_kernel(idle)?;
    let done = rig
        .start_daemon()
        .and_then(|()| frames_of(&rig, is_loaded, frames, run));
    let (sent, taken) = rig.end(done)?;
    rows(&variant, &sent, &taken)
}

fn frames_of(rig: &Rig, is_loaded: bool, frames: usize, run: &Run) -> Result<(Sent, Taken)> {
    let mut control = rig.control()?;
    control.create(&SpecDocument {
        quota: Some(8),
        ..receive("in", Raster::HD, UDP)
    })?;
    let consumer =
        frame_consumer::start(rig.stage(), &rig.attach_socket(), "in", &["--datagrams"])?;
    let beside = consumer.datagrams.context("it waits for datagrams")?;
    let socket = |to: SocketAddr| {
        rig.stage().inside(move || {
            let socket = UdpSocket::bind("0.0.0.0:0")?;
            socket.connect(to)?;
            Ok(socket)
        })
    };
    let (frame_socket, datagrams) = (socket(([10, 77, 0, 2], UDP).into())?, socket(beside)?);
    let load = match is_loaded {
        true => busy_core::on_each(rig.stage())?,
        false => vec![],
    };
    let sent = std::thread::scope(|scope| {
        let sender = scope.spawn(|| send(frame_socket, &datagrams, frames, run));
        sender.join().expect("it does not panic")
    })?;
    drop(load);
    control.stop("in")?;
    Ok((sent, consumer.taken()?))
}

fn send(frames: UdpSocket, datagrams: &UdpSocket, count: usize, run: &Run) -> Result<Sent> {
    setpriority_process(None, PRIORITY).context("raising the sender's priority")?;
    let mut source = FrameSource::new(frames)?;
    let mut sent = Sent {
        frames: vec![],
        datagrams: vec![],
    };
    for number in 0..count + WARM_UP {
        sent.frames.push(source.send()?);
        // The frame has been taken by then, and the consumer sleeps.
        std::thread::sleep(FRAME_TIME / 20);
        sent.datagrams.push(sys::monotonic_ns());
        datagrams.send(&(number as u64).to_le_bytes())?;
        run.step();
    }
    std::thread::sleep(Duration::from_millis(200));
    Ok(sent)
}

fn rows(variant: &str, sent: &Sent, taken: &Taken) -> Result<Vec<Row>> {
    let sent_at: HashMap<_, _> = sent
        .frames
        .iter()
        .skip(WARM_UP)
        .map(|frame| (frame.timestamp, frame.last_packet_ns))
        .collect();
    let mut whole = Samples::default();
    for frame in taken.frames.iter().filter(|frame| frame.is_complete) {
        if let Some(sent_ns) = sent_at.get(&frame.timestamp) {
            whole.push(micros(frame.taken_ns.saturating_sub(*sent_ns)));
        }
    }
    let datagrams = taken.datagrams.iter().filter_map(|(number, taken_ns)| {
        let number = usize::try_from(*number).ok()?;
        let sent_ns = sent.datagrams.get(number).filter(|_| number >= WARM_UP)?;
        Some(micros(taken_ns.saturating_sub(*sent_ns)))
    });
    let datagrams: Samples = datagrams.collect();
    let frames = sent_at.len();
    ensure!(
        2 * whole.len() > frames,
        "{} of {frames} frames came whole: too few to tell a latency",
        whole.len()
    );
    let missing = 100.0 * float((frames - whole.len()) as u64) / float(frames as u64);
    let missing = Samples::from_iter([missing]);
    let pinned = "the poller on the last core, sender and consumer where the kernel puts them";
    const DATAGRAM: &str = "the kernel: one datagram → recv returns";
    Ok(vec![
        Row::of(
            "P18",
            format!("last packet → consumer, {variant}"),
            "µs",
            &whole,
        )
        .beside(DATAGRAM, &whole, &datagrams)
        .pinned(pinned)
        .ratio_at_most(1.1),
        Row::of(
            "P18",
            format!("frames not complete, {variant}"),
            "%",
            &missing,
        )
        .pinned(pinned)
        .none(),
    ])
}

/// A sender of 1280×720p60 in 8 bit.
struct FrameSource {
    socket: UdpSocket,
    packets: Vec<(Packet, Vec<u8>)>,
    sequence: u32,
    timestamp: u32,
    due: Instant,
}

impl FrameSource {
    /// Sends through `socket`, which is connected to the receiver.
    fn new(socket: UdpSocket) -> Result<Self> {
        let format = VideoFormat::new(1280, 720, Depth::Eight, FrameRate::new(60, 1)?)?;
        let packetiser = Packetiser::new(format, STANDARD_RTP_BYTES)?;
        let packets = (0..packetiser.packets()).map(|index| {
            let packet = packetiser.packet(index).context("beyond the frame")?;
            let bytes = vec![0x5a; packet.bytes()];
            Ok((packet, bytes))
        });
        let packets: Vec<(Packet, _)> = packets.collect::<Result<_>>()?;
        Ok(Self {
            socket,
            packets,
            sequence: 0,
            timestamp: 0,
            due: Instant::now(),
        })
    }

    /// Sends the next frame when it is due. Returns after the last packet.
    fn send(&mut self) -> Result<SentFrame> {
        let stream = StreamHeader {
            payload_type: PAYLOAD_TYPE,
            timestamp: self.timestamp,
            ssrc: 1,
        };
        // A sender that was held up does not try to catch up.
        self.due = (self.due + FRAME_TIME).max(Instant::now());
        let groups = u32::try_from(self.packets.len().div_ceil(GROUP))?;
        let mut last_packet_ns = 0;
        for (group, at) in self.packets.chunks_mut(GROUP).zip(0..) {
            let due = self.due + FRAME_TIME * 9 * at / (10 * groups);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            for (packet, bytes) in group {
                packet.write_headers(&stream, self.sequence, bytes);
                self.sequence = self.sequence.wrapping_add(1);
                last_packet_ns = sys::monotonic_ns();
                self.socket.send(bytes).context("sending a packet")?;
            }
        }
        let sent = SentFrame {
            timestamp: self.timestamp,
            last_packet_ns,
        };
        self.timestamp = self.timestamp.wrapping_add(FRAME_TICKS);
        Ok(sent)
    }
}

/// A frame on its way.
#[derive(Clone, Copy, Debug)]
struct SentFrame {
    timestamp: u32,
    /// Before the system call that sent the last packet: CLOCK_MONOTONIC, ns.
    last_packet_ns: u64,
}
