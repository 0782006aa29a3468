//! Whole frames of real fields: what a client sends in fields or the test sends packet by packet, woven by another client.

use onair_stage::OfVideo as _;
use std::net::UdpSocket;

use anyhow::{Context as _, Result, ensure};
use onair::{Error, Field, Frame, PixelFormat, Session, Timeout};
use onair_api::{Source, SpecDocument};
use onair_essence::send::{PacketPlan as _, StreamHeader};
use onair_essence::video::st2110_20::Packetiser;
use onair_essence::video::st2110_20::STANDARD_RTP_BYTES;
use onair_essence::video::{Depth, FrameRate, Packing, Sampling, Scan, VideoFormat};
use onair_tests::{Config, Dice, Raster, Rig, receive, resolve, send};

const UDP: u16 = 5004;
/// 25 frames, 50 fields a second: 8-bit 4:2:2, whose pixel groups are UYVY. An odd line is the first field's.
const RASTER: Raster = Raster::new(320, 181, 25, 8);
const LINE: usize = 640;
const TIMEOUT: Timeout = Timeout::millis(20_000);

/// A field of noise.
fn noise(dice: &mut Dice, second: bool) -> Vec<u8> {
    let lines = (RASTER.height as usize).div_ceil(2) - usize::from(second);
    let byte = |dice: &mut Dice| dice.roll(256).to_le_bytes()[0];
    (0..lines * LINE).map(|_| byte(dice)).collect()
}

/// Lines 0, 2, 4 … of the first field, the others of the second; lines of one that is missing as `before`.
fn woven(first: Option<&[u8]>, second: Option<&[u8]>, before: u8) -> Vec<u8> {
    let lines = (0..RASTER.height as usize).flat_map(|line| {
        let field = if line % 2 == 0 { first } else { second };
        let at = line / 2 * LINE;
        field.map_or_else(|| vec![before; LINE], |field| field[at..at + LINE].to_vec())
    });
    lines.collect()
}

/// The frame as pixels, over `before`.
fn unpacked(session: &Session, frame: &Frame<'_>, before: u8) -> Result<Vec<u8>> {
    let planes = PixelFormat::Uyvy.planes(&session.layout().frame_picture());
    let mut pixels = vec![before; planes.bytes];
    frame.unpack(PixelFormat::Uyvy, &mut pixels)?;
    Ok(pixels)
}

fn of_fields(spec: SpecDocument) -> SpecDocument {
    let mut spec = SpecDocument {
        quota: Some(16),
        ..spec
    };
    spec.format.video_mut().scan = Some(Scan::Interlaced);
    spec
}

#[test]
fn client_sends_fields_then_another_gets_the_frames_of_them() -> Result<()> {
    const FRAMES: usize = 12;
    let rig = Rig::rings()?;
    let mut control = rig.control()?;
    control.create(&of_fields(receive("in", RASTER, UDP)))?;
    let receiver = Session::attach(Config::attach_socket(rig.stage()), "in")?;
    control.create(&of_fields(send("out", RASTER, UDP, Source::Client)))?;
    let sender = Session::attach(Config::attach_socket(rig.stage()), "out")?;

    let mut dice = Dice::new(7);
    let mut sent = vec![];
    for _ in 0..FRAMES {
        let fields = [false, true].map(|second| noise(&mut dice, second));
        for field in &fields {
            let mut buffer = sender.buffer_get_mut(TIMEOUT)?;
            buffer[..field.len()].copy_from_slice(field);
            buffer.submit()?;
        }
        sent.push(fields);
    }
    let mut frames = receiver.frames()?;
    for [first, second] in &sent {
        let frame = frames.get(TIMEOUT)?;
        ensure!(frame.is_complete(), "{frame:?}");
        assert_eq!(frame.missing(), None);
        let fields: Vec<_> = frame.buffers().map(|it| it.field()).collect();
        assert_eq!(fields, [Some(Field::First), Some(Field::Second)]);
        let pixels = unpacked(&receiver, &frame, 0)?;
        assert!(pixels == woven(Some(first), Some(second), 0), "{frame:?}");
    }
    drop(frames);
    sender.detach()?;
    receiver.detach()?;
    for name in ["out", "in"] {
        control.end(name)?;
    }
    Ok(())
}

/// The packets of a field, as another sender would make them.
fn packets(frame: u32, second: bool, field: &[u8], sequence: &mut u32) -> Result<Vec<Vec<u8>>> {
    let rate = FrameRate::new(RASTER.rate, 1)?;
    let size = (RASTER.width, RASTER.height);
    let samples = (Sampling::YCbCr422, Depth::Eight);
    let format = VideoFormat::of(size, samples, Scan::Interlaced, rate)?;
    let packetiser = Packetiser::of(format, second, Packing::General, STANDARD_RTP_BYTES)?;
    let stream = StreamHeader {
        payload_type: 96,
        timestamp: frame * 3600 + if second { 1800 } else { 0 },
        ssrc: 0xdead_beef,
    };
    let all = (0..packetiser.packets()).map(|index| {
        let packet = packetiser.packet(index).context("below the count")?;
        let mut bytes = vec![0; packet.header_bytes()];
        packet.write_headers(&stream, *sequence, &mut bytes);
        packet
            .ranges()
            .for_each(|range| bytes.extend(&field[range]));
        *sequence += 1;
        Ok(bytes)
    });
    all.collect()
}

#[test]
fn fields_lost_on_the_wire_then_the_frame_names_the_missing_one() -> Result<()> {
    // Of frame 2 the second field does not come, of frame 5 the first one.
    const LOST: [(u32, bool); 2] = [(2, true), (5, false)];
    const FRAMES: u32 = 9;
    let rig = Rig::beside_the_kernel()?;
    let mut control = rig.control()?;
    resolve(rig.stage(), "10.77.0.2")?;
    control.create(&of_fields(receive("in", RASTER, UDP)))?;
    let receiver = Session::attach(Config::attach_socket(rig.stage()), "in")?;
    let socket = rig.stage().inside(|| {
        let socket = UdpSocket::bind("10.77.0.9:0")?;
        socket.connect(("10.77.0.2", UDP))?;
        Ok(socket)
    })?;

    let mut dice = Dice::new(11);
    let mut sequence = 65_500;
    let mut frames = receiver.frames()?;
    let mut sent = vec![];
    let mut next = 0;
    for frame in 0..FRAMES {
        let fields = [false, true].map(|second| noise(&mut dice, second));
        for (field, second) in fields.iter().zip([false, true]) {
            let packets = packets(frame, second, field, &mut sequence)?;
            if LOST.contains(&(frame, second)) {
                continue;
            }
            for packet in packets {
                socket.send(&packet)?;
            }
        }
        sent.push(fields);
        // What there is by now; a frame that lacks a field comes with the field after it.
        while let Some(frame) = got(frames.get(Timeout::millis(500)))? {
            check(&receiver, &frame, next, &sent, &LOST)?;
            next += 1;
        }
    }
    assert_eq!(next, FRAMES);
    let counters = control.show("in")?.counters;
    assert_eq!(
        counters.frames_complete,
        u64::from(2 * FRAMES) - 2,
        "{counters:?}"
    );
    drop(frames);
    receiver.detach()?;
    control.end("in")?;
    Ok(())
}

fn got(frame: Result<Frame<'_>, Error>) -> Result<Option<Frame<'_>>> {
    match frame {
        Ok(frame) => Ok(Some(frame)),
        Err(Error::TimedOut) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn check(
    receiver: &Session,
    frame: &Frame<'_>,
    number: u32,
    sent: &[[Vec<u8>; 2]],
    lost: &[(u32, bool)],
) -> Result<()> {
    let [first, second] = sent.get(number as usize).context("it was sent")?;
    let came = |second| !lost.contains(&(number, second));
    let missing = match (came(false), came(true)) {
        (true, true) => None,
        (false, _) => Some(Field::First),
        (_, false) => Some(Field::Second),
    };
    assert_eq!(frame.missing(), missing, "frame {number}");
    assert_eq!(frame.is_complete(), missing.is_none(), "frame {number}");
    let stamps: Vec<_> = frame
        .buffers()
        .map(|it| it.rtp_timestamp() / 3600)
        .collect();
    assert!(
        stamps.iter().all(|it| *it == number),
        "{stamps:?} of {number}"
    );
    let first = Some(&first[..]).filter(|_| came(false));
    let second = Some(&second[..]).filter(|_| came(true));
    let pixels = unpacked(receiver, frame, 0x5a)?;
    assert!(pixels == woven(first, second, 0x5a), "frame {number}");
    Ok(())
}
