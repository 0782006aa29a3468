//! Sessions of ancillary data in pipelines of GStreamer.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use onair::{Place, UnitWriter, st2038};
use onair_api::{Source, SpecDocument};
use onair_essence::ancillary::unit::Unit;
use onair_tests::Rig;

use super::gstreamer::{file, launched, plays};
use crate::ancillary::{ancillary, attach, into_b, next, out_of_a};

/// Frames that pass.
const FRAMES: usize = 12;
const CAPS: &str = "meta/x-st-2038,alignment=frame,framerate=25/1";

/// A source writes the packets of the pattern.
pub(super) fn source(rig: &Rig) -> Result<()> {
    let mut control = rig.control()?;
    let (path, to) = file(rig, "packets")?;
    let data = ancillary("25", false);
    control.create(&into_b(&data, 5004))?;
    control.create(&out_of_a(&data, 5004, Source::Pattern))?;
    plays(
        rig,
        &format!("onairsrc session=in num-buffers={FRAMES} ! {CAPS} ! filesink location={to}"),
    )?;
    let packets = st2038::read(&fs::read(path)?)?;
    ensure!(packets.iter().all(|it| !it.is_wrong), "{packets:?}");
    let timecodes = packets.iter().filter(|it| it.kind == (0x60, 0x60));
    let count = timecodes.count();
    // The first frame of a source may be incomplete.
    ensure!((FRAMES - 1..=FRAMES).contains(&count), "{count} timecodes");
    control.end("out")?;
    control.end("in")?;
    Ok(())
}

/// By packets or lines a buffer has its part, and a sink makes frames of them again.
pub(super) fn parts(rig: &Rig) -> Result<()> {
    let mut control = rig.control()?;
    let data = ancillary("25", false);
    let named = |name: &str, spec: SpecDocument| SpecDocument {
        name: name.to_owned(),
        ..spec
    };
    control.create(&into_b(&data, 5004))?;
    control.create(&out_of_a(&data, 5004, Source::Pattern))?;
    control.create(&named("in2", into_b(&data, 5006)))?;
    control.create(&named("out2", out_of_a(&data, 5006, Source::Client)))?;
    let receiver = attach(rig, "in2")?;
    for alignment in ["packet", "line"] {
        let folder = rig.stage().directory().join(alignment);
        fs::create_dir(&folder)?;
        let to = folder.to_str().context("a path of UTF-8")?;
        plays(
            rig,
            &format!(
                "onairsrc session=in num-buffers={FRAMES} ! meta/x-st-2038,alignment={alignment} ! tee name=t ! queue \
                 ! multifilesink location={to}/%d t. ! queue ! onairsink session=out2"
            ),
        )?;
        let mut kinds = Vec::new();
        for file in fs::read_dir(folder)? {
            let packets = st2038::read(&fs::read(file?.path())?)?;
            // Both packets of the pattern are on one line.
            let count = if alignment == "packet" { 1 } else { 2 };
            assert_eq!(packets.len(), count, "{alignment}");
            kinds.extend(packets.into_iter().map(|it| it.kind));
        }
        let of = |kind| kinds.iter().filter(|it| **it == kind).count();
        assert_eq!(of((0x60, 0x60)), of((0x61, 0x02)), "{alignment}");
        ensure!(of((0x60, 0x60)) + 1 >= FRAMES, "{alignment}: {kinds:?}");
        let mut frames = 0;
        // A sink drops what is late.
        while frames < FRAMES / 2 {
            let came = next(&receiver)?;
            ensure!(
                [0, 2].contains(&came.packets.len()),
                "{alignment}: {came:?}"
            );
            frames += usize::from(!came.packets.is_empty());
        }
        while receiver.buffer_get(onair::Timeout::NOW).is_ok() {}
    }
    let packet = rig.stage().directory().join("packet/0");
    let from = packet.to_str().context("a path of UTF-8")?;
    let caps = "meta/x-st-2038,alignment=packet,framerate=50/1";
    let (code, said) = launched(
        rig,
        &format!("filesrc location={from} ! {caps} ! onairsink session=out2"),
    )?;
    ensure!(code != 0 && said.contains("another frame rate"), "{said}");
    drop(receiver);
    for name in ["out2", "in2", "out", "in"] {
        control.end(name)?;
    }
    Ok(())
}

/// A frame of two packets with this number, as ST 2038 has it, and their data.
fn frame(number: u8) -> Result<(Vec<u8>, [Vec<u8>; 2])> {
    let data = [vec![number, 1, 2], vec![number; 5]];
    let mut unit = vec![0; 1024];
    let mut writer = UnitWriter::new(&mut unit)?;
    let place = Place {
        line: 9,
        ..Place::default()
    };
    writer.push(place, (0x61, 0x02), &data[0])?;
    writer.push(Place::default(), (0x41, 0x05), &data[1])?;
    Ok((st2038::write(&Unit::parse(&unit)?), data))
}

/// The packets of a file are received as they were.
pub(super) fn sink(rig: &Rig) -> Result<()> {
    let mut control = rig.control()?;
    let data = ancillary("25", false);
    control.create(&into_b(&data, 5004))?;
    control.create(&out_of_a(&data, 5004, Source::Client))?;
    let receiver = attach(rig, "in")?;
    let (path, from) = file(rig, "packets")?;
    let frames = (1..=12).map(frame).collect::<Result<Vec<_>>>()?;
    let size = frames[0].0.len();
    let bytes: Vec<_> = frames.iter().flat_map(|it| it.0.clone()).collect();
    fs::write(&path, &bytes)?;
    let sends =
        format!("filesrc location={from} blocksize={size} ! {CAPS} ! onairsink session=out");
    plays(rig, &sends)?;
    for (_, data) in &frames {
        // Frames without packets keep the stream alive.
        let came = loop {
            let came = next(&receiver)?;
            if !came.packets.is_empty() {
                break came;
            }
        };
        assert_eq!(came.packets.len(), 2);
        assert_eq!(
            (came.packets[0].kind, came.packets[0].place.line),
            ((0x61, 2), 9)
        );
        assert!(came.packets.iter().map(|it| &it.data).eq(data));
    }
    let mut wrong = bytes;
    *wrong.get_mut(8).context("a word of data")? ^= 4;
    fs::write(&path, &wrong)?;
    let (code, said) = launched(rig, &sends)?;
    ensure!(
        code != 0 && said.contains("wrong parity or checksum"),
        "{said}"
    );
    drop(receiver);
    control.end("out")?;
    control.end("in")?;
    Ok(())
}
