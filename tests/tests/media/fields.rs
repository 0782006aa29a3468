//! Whole frames of real fields: what a client sends in fields or the test sends packet by packet, woven by another client.

use onair_stage::OfVideo as _;

use anyhow::{Result, ensure};
use onair::{Field, Frame, PixelFormat, Session, Timeout};
use onair_api::{Source, SpecDocument};
use onair_essence::video::Scan;
use onair_tests::{Config, Dice, Raster, Rig, receive, send};

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
