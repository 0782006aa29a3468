//! Frames that clients have while they are received: lines before the last packet is sent, and every end meanwhile.

use std::io::Read as _;
use std::net::UdpSocket;
use std::ops::Range;

use anyhow::{Context as _, Result, ensure};
use onair::{Buffer, Error, Incomplete, Picture, PixelFormat, Session, Status, Timeout};
use onair_api::SpecDocument;
use onair_essence::send::{PacketPlan as _, StreamHeader};
use onair_essence::video::st2110_20::{Packetiser, STANDARD_RTP_BYTES};
use onair_essence::video::{Depth, FrameRate, Sampling, VideoFormat};
use onair_tests::{Config, Control, Raster, Rig, balanced, receive, resolve, wait_for};

use crate::tools::{ended, pipe};

const RASTER: Raster = Raster::new(320, 180, 25, 10);
const LINES: u32 = RASTER.height;
const TIMEOUT: Timeout = Timeout::millis(30_000);
/// A frame waits as long for its next packet as a session can.
const PATIENCE_MS: u32 = 10_000;

fn attach(rig: &Rig) -> Result<Session> {
    Ok(Session::attach(Config::attach_socket(rig.stage()), "cam")?)
}

/// One that has asked for frames that are received.
fn attach_open(rig: &Rig) -> Result<Session> {
    let session = attach(rig)?;
    let none = session.buffer_get_open(1, Timeout::NOW).map(drop);
    ensure!(matches!(none, Err(Error::TimedOut)), "{none:?}");
    Ok(session)
}

/// A session `cam`, and a host that sends its frames as a test wants them.
struct Slow {
    rig: Rig,
    control: Control,
    socket: UdpSocket,
    packetiser: Packetiser,
    frames: u32,
}

impl Slow {
    fn open() -> Result<Self> {
        let rig = Rig::beside_the_kernel()?;
        let mut control = rig.control()?;
        resolve(rig.stage(), "10.77.0.2")?;
        control.create(&SpecDocument {
            frame_timeout_ms: Some(PATIENCE_MS),
            ..receive("cam", RASTER, 5000)
        })?;
        let socket = rig.stage().inside(|| {
            let socket = UdpSocket::bind("10.77.0.9:0")?;
            socket.connect(("10.77.0.2", 5000))?;
            Ok(socket)
        })?;
        let rate = FrameRate::new(RASTER.rate, 1)?;
        let format = VideoFormat::new(RASTER.width, RASTER.height, Depth::Ten, rate)?;
        Ok(Self {
            rig,
            control,
            socket,
            packetiser: Packetiser::new(format, STANDARD_RTP_BYTES)?,
            frames: 0,
        })
    }

    /// The next frame.
    fn frame(&mut self) -> Result<Frame> {
        let all = self.packetiser.packets();
        let stream = StreamHeader {
            payload_type: 96,
            timestamp: self.frames * 3600,
            ssrc: 7,
        };
        let first = self.frames * all;
        self.frames += 1;
        let bytes = (0..RASTER.frame_bytes()).map(|at| self.byte(at));
        let picture: Vec<u8> = bytes.collect();
        let line = picture.len() / LINES as usize;
        let mut packets = Vec::new();
        for index in 0..all {
            let packet = self.packetiser.packet(index).context("below the count")?;
            let mut bytes = vec![0; packet.header_bytes()];
            packet.write_headers(&stream, first + index, &mut bytes);
            let mut end = 0;
            for range in packet.ranges() {
                end = range.end;
                bytes.extend(&picture[range]);
            }
            packets.push((end / line, bytes));
        }
        Ok(Frame { picture, packets })
    }

    fn byte(&self, at: usize) -> u8 {
        let at = u32::try_from(at).expect("a place in a frame");
        at.wrapping_mul(self.frames * 2 + 1).to_le_bytes()[1]
    }

    /// Sends these packets of a frame, but for `lost`.
    fn send(&self, frame: &Frame, packets: Range<usize>, lost: &[usize]) -> Result<()> {
        for at in packets.filter(|at| !lost.contains(at)) {
            self.socket.send(&frame.packets[at].1)?;
        }
        Ok(())
    }
}

struct Frame {
    picture: Vec<u8>,
    /// Each with the lines that are whole with it and those before.
    packets: Vec<(usize, Vec<u8>)>,
}

impl Frame {
    fn all(&self) -> usize {
        self.packets.len()
    }

    /// The fewest packets with which so many lines are whole.
    fn packets_of(&self, lines: usize) -> usize {
        1 + self.packets.partition_point(|it| it.0 < lines)
    }

    /// Lines that are whole with so many packets.
    fn lines_in(&self, packets: usize) -> u32 {
        u32::try_from(self.packets[packets - 1].0).unwrap_or(LINES)
    }

    fn bytes_of(&self, lines: u32) -> &[u8] {
        &self.picture[..self.picture.len() / LINES as usize * lines as usize]
    }

    /// Whether so many lines stand in the buffer, and nothing else can be read.
    fn stands(&self, buffer: &Buffer<'_>, lines: u32) -> Result<()> {
        ensure!(buffer.is_open() && buffer.lines() == lines, "{buffer:?}");
        ensure!(**buffer == *self.bytes_of(lines), "other bytes");
        Ok(())
    }
}

fn incomplete(status: Status) -> Result<Incomplete> {
    match status {
        Status::Incomplete(what) => Ok(what),
        Status::Complete => anyhow::bail!("complete"),
    }
}

#[test]
fn lines_of_a_slow_frame_then_had_before_its_last_packet() -> Result<()> {
    let mut slow = Slow::open()?;
    let session = attach_open(&slow.rig)?;
    let mut other = slow.rig.test_client()?;
    other.say("attach cam")?;
    for number in 0..3 {
        let frame = slow.frame()?;
        let (first, second) = (frame.packets_of(100), frame.packets_of(150));
        slow.send(&frame, 0..first, &[])?;
        let buffer = session.buffer_get_open(100, TIMEOUT)?;
        assert_eq!(
            (buffer.number(), buffer.rtp_timestamp()),
            (number, 3600 * u32::try_from(number)?)
        );
        let lines = frame.lines_in(first);
        frame.stands(&buffer, lines)?;
        let rest = incomplete(buffer.status())?;
        ensure!(rest.lines().eq(std::iter::once(lines..LINES)), "{rest:?}");
        // Calls for whole frames wait.
        assert!(matches!(
            session.buffer_get(Timeout::NOW),
            Err(Error::TimedOut)
        ));
        assert_eq!(other.errno("get 0")?, "ETIMEDOUT");
        assert!(matches!(
            buffer.wait_lines(lines + 1, Timeout::NOW),
            Err(Error::TimedOut)
        ));
        slow.send(&frame, first..second, &[])?;
        let lines = frame.lines_in(second);
        assert_eq!(buffer.wait_lines(lines, TIMEOUT)?, lines);
        frame.stands(&buffer, lines)?;
        slow.send(&frame, second..frame.all(), &[])?;
        assert_eq!(buffer.wait_lines(LINES, TIMEOUT)?, LINES);
        assert!(!buffer.is_open() && buffer.status().is_complete());
        assert_eq!(*buffer, frame.picture[..]);
        assert_eq!(other.say("get 30000")?["number"], number);
    }
    drop(session);
    other.leave()?;
    let certificate = slow.control.end("cam")?;
    balanced(&certificate, 0)
}

#[test]
fn pipe_of_slow_frames_then_it_has_each_while_it_comes() -> Result<()> {
    const LOST: usize = 60;
    let mut slow = Slow::open()?;
    let arguments = "cam --format raw --layout yuv422p10le --frames 2";
    let mut child = pipe(&slow.rig, arguments)?.spawn()?;
    let mut output = child.stdout.take().context("its frames")?;
    wait_for("a pipe that waits for frames", 20, || {
        Ok(slow.control.blocking_tids("cam")?.len() == 1)
    })?;
    let (size, layout) = ((RASTER.width, LINES), PixelFormat::Yuv422p10);
    let picture = Picture::new(size.0, size.1, Sampling::YCbCr422, Depth::Ten);
    let picture = picture.context("whole pixel groups")?;
    let planes = layout.planes(&picture);
    for lost in [&[][..], &[LOST]] {
        let frame = slow.frame()?;
        let half = frame.all() / 2;
        slow.send(&frame, 0..half, lost)?;
        slow.control
            .await_view("cam", "a frame that the pipe has", |it| {
                it.attachments[0].lent == 1
            })?;
        slow.send(&frame, half..frame.all(), lost)?;
        if !lost.is_empty() {
            // A later frame ends it.
            let next = slow.frame()?;
            slow.send(&next, 0..1, &[])?;
        }
        let (mut came, mut expected) = (vec![0; planes.bytes], vec![0; planes.bytes]);
        output.read_exact(&mut came)?;
        onair_pixels::unpack(&picture, &frame.picture, layout, &mut expected)?;
        let right = match lost.is_empty() {
            true => LINES,
            false => frame.lines_in(LOST),
        };
        for plane in planes.all() {
            let lines = plane.lines * right as usize / LINES as usize;
            let bytes = plane.offset..plane.offset + lines * plane.stride;
            assert!(came[bytes.clone()] == expected[bytes], "{plane:?}");
        }
    }
    child.stdout = Some(output);
    let (code, summary, said) = ended(child)?;
    assert_eq!((code, &summary["frames"]), (0, &2.into()), "{said}");
    assert_eq!(summary["incomplete_frames"], 1);
    Ok(())
}
