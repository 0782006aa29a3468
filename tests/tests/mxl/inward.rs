//! Sessions as flows.

use std::net::UdpSocket;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use onair_api::Source;
use onair_essence::send::{PacketPlan as _, StreamHeader};
use onair_essence::video::pattern::PatternWriter;
use onair_essence::video::st2110_20::{Packetiser, STANDARD_RTP_BYTES};
use onair_essence::video::{Depth, FrameRate, VideoFormat};
use onair_mxl::libmxl::Status;
use onair_tests::{Rig, program, resolve, wait_for};
use rustix::time::{DynamicClockId, clock_gettime_dynamic};

use super::{Domain, FLOW, RASTER, Viewer, definition, end, now, reader};
use crate::tools::lab;

#[test]
fn session_into_a_flow_then_each_grain_is_its_pattern() -> Result<()> {
    let (rig, _control) = lab(Source::Pattern)?;
    let domain = Domain::new(&rig, 64)?;
    let carrier = domain.carry(&rig, &["--in", &format!("cam={FLOW}")])?;
    let mut viewer = Viewer::new(&domain)?;
    let first = viewer.valid()?;
    let mut last = first;
    for _ in 0..60 {
        let seen = viewer.valid()?;
        // A slot that the sender left out has no number; an index is a time.
        ensure!(seen.0 - last.0 >= seen.1 - last.1, "{last:?} {seen:?}");
        last = seen;
    }
    assert_eq!(viewer.reopened, 0);
    drop(viewer);
    let instance = domain.instance()?;
    let reader = reader(&domain, &instance)?;
    let bytes = definition().format.bytes();
    let (mut index, mut in_part) = (reader.head()?.index, 0);
    while in_part < 5 {
        index += 1;
        let wait = (40, Duration::from_secs(10));
        match reader.grain(index, wait, bytes) {
            Err(Status::TooLate) => index = reader.head()?.index,
            grain => {
                let (head, _) = grain?;
                ensure!(!head.is_valid || head.slices.0 >= 40, "{head:?}");
                in_part += u32::from(head.is_valid && head.slices.0 < head.slices.1);
            }
        }
    }
    drop(reader);
    end(carrier)?;
    assert!(!domain.flow().exists(), "its last writer removes a flow");
    Ok(())
}

#[test]
fn grain_that_the_library_refuses_then_invalid_for_readers() -> Result<()> {
    let (rig, _control) = lab(Source::Pattern)?;
    let domain = Domain::new(&rig, 64)?;
    let carrier = domain.carry_with(&rig, &["--in", &format!("cam={FLOW}")], "fail")?;
    let mut viewer = Viewer::new(&domain)?;
    let (mut invalid, mut valid) = (0, 0);
    while valid < 60 {
        match viewer.next()? {
            (_, Some(_)) => valid += 1,
            (_, None) => invalid += 1,
        }
    }
    // The library itself refuses none.
    let is_stub = std::env::var_os("ONAIR_LIBMXL").is_none();
    ensure!(!is_stub || invalid >= 2, "{invalid} of {valid}");
    drop(viewer);
    end(carrier)
}

/// Sends frames of the pattern to a session, each with the time of its index.
struct Host {
    socket: UdpSocket,
    packetiser: Packetiser,
    pattern: PatternWriter,
    sequence: u32,
}

impl Host {
    fn new(rig: &Rig) -> Result<Self> {
        resolve(rig.stage(), "10.77.0.2")?;
        let socket = rig.stage().inside(|| {
            let socket = UdpSocket::bind("10.77.0.9:0")?;
            socket.connect(("10.77.0.2", 5000))?;
            Ok(socket)
        })?;
        let rate = FrameRate::new(RASTER.rate, 1)?;
        let format = VideoFormat::new(RASTER.width, RASTER.height, Depth::Ten, rate)?;
        Ok(Self {
            socket,
            packetiser: Packetiser::new(format, STANDARD_RTP_BYTES)?,
            pattern: PatternWriter::new(&format)?,
            sequence: 0,
        })
    }

    /// Sends the frame of an index, without a packet of it if `is_cut`.
    fn frame(&mut self, index: u64, is_cut: bool) -> Result<()> {
        let mut picture = vec![0; RASTER.frame_bytes()];
        self.pattern.start(index);
        self.pattern.fill(&mut picture);
        let ticks = index * 90_000 / u64::from(RASTER.rate) % (1 << 32);
        let stream = StreamHeader {
            payload_type: 96,
            timestamp: u32::try_from(ticks)?,
            ssrc: 7,
        };
        for at in 0..self.packetiser.packets() {
            let packet = self.packetiser.packet(at).context("below the count")?;
            let mut bytes = vec![0; packet.header_bytes()];
            packet.write_headers(&stream, self.sequence, &mut bytes);
            packet.ranges().for_each(|it| bytes.extend(&picture[it]));
            self.sequence = self.sequence.wrapping_add(1);
            if !(is_cut && at == 3) {
                self.socket.send(&bytes)?;
            }
        }
        Ok(())
    }
}

/// Of so many frames one lacks a packet.
const CUT: u64 = 8;

#[test]
fn packet_lost_then_the_grain_of_its_frame_is_invalid() -> Result<()> {
    let rig = Rig::beside_the_kernel()?;
    rig.control()?.ample("cam", RASTER, 5000)?;
    let domain = Domain::new(&rig, 64)?;
    let carrier = domain.carry(&rig, &["--in", &format!("cam={FLOW}")])?;
    let mut host = Host::new(&rig)?;
    // The first frame begins the flow once the session is attached to.
    wait_for("the flow", 20, || {
        let index = now();
        host.frame(index, index.is_multiple_of(CUT))?;
        Ok(domain.flow().exists())
    })?;
    let mut viewer = Viewer::new(&domain)?;
    let is_over = AtomicBool::new(false);
    let (mut cut, mut whole) = (0, 0);
    std::thread::scope(|scope| -> Result<()> {
        let sender = scope.spawn(|| -> Result<()> {
            let mut last = now();
            while !is_over.load(Ordering::Relaxed) {
                wait_for("the next frame's time", 5, || Ok(now() > last))?;
                last = now();
                host.frame(last, last.is_multiple_of(CUT))?;
            }
            Ok(())
        });
        let read = (|| {
            while cut < 4 || whole < 20 {
                match viewer.next()? {
                    (index, None) => cut += u64::from(index.is_multiple_of(CUT)),
                    (index, number) => {
                        ensure!(
                            number == Some(index) && !index.is_multiple_of(CUT),
                            "{number:?}"
                        );
                        whole += 1;
                    }
                }
            }
            Ok(())
        })();
        is_over.store(true, Ordering::Relaxed);
        sender.join().expect("it does not panic")?;
        read
    })?;
    let counted = rig.control()?.show("cam")?.counters;
    // A host that is late leaves out a frame: not each of these was sent.
    ensure!(counted.frames_incomplete > 0, "{counted:?}");
    end(carrier)
}

#[test]
fn kernel_without_tai_then_no_flow_and_told_why() -> Result<()> {
    let (rig, _control) = lab(Source::Pattern)?;
    let domain = Domain::new(&rig, 64)?;
    let mut carrier = domain.start(&rig, &["--in", &format!("cam={FLOW}")], "")?;
    let clock = |id| clock_gettime_dynamic(id).map(|it| it.tv_sec);
    let (tai, utc) = (clock(DynamicClockId::Tai)?, now() / u64::from(RASTER.rate));
    // Some machines are told.
    if tai.unsigned_abs().abs_diff(utc) > 1 {
        carrier.says("writes")?;
    } else {
        carrier.says("CLOCK_TAI shows UTC")?;
        assert!(!domain.flow().exists());
    }
    end(carrier)
}

#[test]
fn library_absent_or_of_another_kind_then_one_line_and_exit_1() -> Result<()> {
    let stub = program("deps/libonair_mxl_stub.so")?;
    let stub = stub.to_string_lossy();
    for (library, told, expected) in [
        ("libmxl-of-no-one.so.1", "", "cannot load libmxl"),
        ("libc.so.6", "", "no libmxl of version 1"),
        (&*stub, "version", "version 2.x: onair-mxl knows 1.x"),
    ] {
        let mut command = Command::new(program("onair-mxl")?);
        command.args(["--check", "--in", "cam", "--library", library]);
        command.env("ONAIR_MXL_STUB", told).stdin(Stdio::null());
        let output = command.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{library}: {said}");
        ensure!(
            said.contains(expected) && said.lines().count() == 1,
            "{library}: {said}"
        );
    }
    Ok(())
}
