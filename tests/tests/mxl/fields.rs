//! Interlaced sessions and flows: a grain is a field, the first one of a frame has an even index.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use onair::{Error, Field, PixelFormat, Session, Timeout};
use onair_api::{Source, SpecDocument};
use onair_essence::video::Scan;
use onair_essence::video::pattern::verify;
use onair_mxl::flow::Definition;
use onair_mxl::libmxl::Status;
use onair_stage::OfVideo as _;
use onair_tests::{Config, QUOTA, Raster, Rig, receive, send};

use super::outward::Writer;
use super::{Domain, FLOW, RASTER, definition, end, reader};

/// As `RASTER`: 50 fields a second.
const FRAMES: Raster = Raster::new(RASTER.width, RASTER.height, RASTER.rate / 2, 10);

/// Sessions `in` that receives and `out` that sends.
fn lab(source: Source) -> Result<Rig> {
    let (rig, mut control) = Rig::with_control()?;
    for mut spec in [
        receive("in", FRAMES, 5000),
        send("out", FRAMES, 5000, source),
    ] {
        spec.format.video_mut().scan = Some(Scan::Interlaced);
        control.create(&SpecDocument {
            quota: Some(QUOTA),
            ..spec
        })?;
    }
    Ok(rig)
}

fn interlaced() -> Definition {
    let mut definition = definition();
    if let onair_mxl::flow::Format::Video { is_interlaced, .. } = &mut definition.format {
        *is_interlaced = true;
    }
    definition
}

#[test]
fn interlaced_session_then_each_grain_is_its_field() -> Result<()> {
    let rig = lab(Source::Pattern)?;
    let domain = Domain::new(&rig, 64)?;
    let carrier = domain.carry(&rig, &["--in", &format!("in={FLOW}")])?;
    let instance = domain.instance()?;
    let reader = reader(&domain, &instance)?;
    let lines = RASTER.height / 2;
    let ten = (onair::Sampling::YCbCr422, onair::Depth::Ten);
    let picture = onair::Picture::new(RASTER.width, lines, ten.0, ten.1).context("whole groups")?;
    let (mut index, mut valid) = (reader.head()?.index, 0);
    for _ in 0..1000 {
        index += 1;
        let wait = (u16::MAX, Duration::from_secs(10));
        let (head, pixels) = match reader.grain(index, wait, interlaced().format.bytes()) {
            Err(Status::TooLate) => {
                index = reader.head()?.index;
                continue;
            }
            grain => grain?,
        };
        if !head.is_valid || head.index != index {
            continue;
        }
        let mut pgroups = vec![0; picture.bytes()];
        onair_pixels::pack(&picture, PixelFormat::V210, pixels, &mut pgroups)?;
        let number = verify(&pgroups)?;
        ensure!(number % 2 == index % 2, "{number} {head:?}");
        valid += 1;
        if valid == 40 {
            break;
        }
    }
    assert_eq!(valid, 40);
    drop(reader);
    end(carrier)
}

#[test]
fn field_of_a_flow_missing_then_the_fields_stay_in_turn() -> Result<()> {
    let rig = lab(Source::Client)?;
    let domain = Domain::new(&rig, 64)?;
    let carrier = domain.carry(&rig, &["--out", &format!("{FLOW}=out")])?;
    let mut writer = Writer::of(&domain, &interlaced().document(), Scan::Interlaced)?;
    // A pattern's first fields have even numbers.
    writer.number = writer.index;
    let session = Session::attach(Config::attach_socket(rig.stage()), "in")?;
    let mut numbers: Vec<u64> = Vec::new();
    for at in 0..1500 {
        // Its index jumps over a first field, then over a second one.
        let is_there = writer.index % 40 != 10 && writer.index % 40 != 31;
        writer.write(1, is_there)?;
        let buffer = match session.buffer_get(Timeout::NOW) {
            Err(Error::TimedOut) if at < 1499 => continue,
            buffer => buffer?,
        };
        if !buffer.status().is_complete() {
            continue;
        }
        let number = verify(&buffer)?;
        let field = buffer.field().context("a field")?;
        ensure!(
            (number % 2 == 0) == (field == Field::First),
            "{number} {field:?}"
        );
        numbers.push(number);
        if numbers.len() == 120 {
            break;
        }
    }
    assert_eq!(numbers.len(), 120);
    drop(session);
    end(carrier)
}
