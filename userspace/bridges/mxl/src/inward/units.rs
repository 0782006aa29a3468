//! One unit becomes a grain.

use onair::{AudioView, Contents, Error, Field, Layout, OwnedBuffer, PixelFormat, Status, Timeout};
use onair_essence::ancillary::rfc8331;
use onair_essence::ancillary::unit::Signalled;
use onair_pixels::{Lines, unpack_rows};

use super::{OutFlow, UnitError};
use crate::flow::Rate;
use crate::totals::Totals;

/// How long lines of a picture may be away before it is taken as ended.
const STALL: Timeout = Timeout::millis(500);

/// Writes a unit whose time is `ns`.
pub(super) fn write(
    unit: &OwnedBuffer<Contents>,
    ns: u64,
    flow: &mut OutFlow,
    totals: &mut Totals,
) -> Result<(), UnitError> {
    let rate = flow.definition().format.rate();
    match unit.layout() {
        Contents::Video(layout) => video(unit, layout, (rate, ns), flow, totals),
        Contents::Audio(format) => {
            whole(unit);
            let block = AudioView::new(format, unit);
            let first = rate.index(ns);
            let missing = match unit.status() {
                Status::Complete => Vec::new(),
                Status::Incomplete(what) => what.ranges().collect(),
            };
            let is_missing = |sample: usize| {
                let byte = sample * format.sample_bytes();
                missing.iter().any(|it| {
                    let start = it.offset as usize;
                    (start..start + it.len as usize).contains(&byte)
                })
            };
            let mut channel = vec![0.0; block.samples()];
            let mut at = None;
            flow.samples(first, channel.len(), |of, from, piece| {
                if at.replace(of) != Some(of) {
                    block.channel(u32::try_from(of).unwrap_or(u32::MAX), &mut channel);
                }
                piece.copy_from_slice(&channel[from..from + piece.len()]);
                for (place, sample) in piece.iter_mut().zip(from..) {
                    if !missing.is_empty() && is_missing(sample) {
                        *place = 0.0;
                    }
                }
            })?;
            totals.grains += u64::from(missing.is_empty());
            totals.invalid += u64::from(!missing.is_empty());
            Ok(())
        }
        Contents::Ancillary(stream) => {
            whole(unit);
            ancillary(unit, (rate.index(ns), stream.interlaced), flow, totals)
        }
        Contents::JpegXs(_) => Ok(()),
    }
}

/// Waits for the unit's end: its status tells what came.
fn whole(unit: &OwnedBuffer<Contents>) {
    // The session may stop meanwhile: what came then is there.
    let _: Result<u32, Error> = unit.wait_for(u32::MAX, STALL);
}

/// The index of a unit, by its time.
fn index(rate: Rate, ns: u64, field: Option<Field>) -> u64 {
    match field {
        None => rate.index(ns),
        Some(field) => rate.index_of_field(ns, field == Field::Second),
    }
}

fn video(
    unit: &OwnedBuffer<Contents>,
    layout: &Layout,
    (rate, ns): (Rate, u64),
    flow: &mut OutFlow,
    totals: &mut Totals,
) -> Result<(), UnitError> {
    let picture = layout.picture(unit.field());
    let row = picture.row_bytes();
    let index = index(rate, ns, unit.field());
    // The grain is opened with its first lines, not before: this thread sleeps at once, and the reader that it woke with
    // the grain before has the core.
    let (mut flow, mut opened) = (Some(flow), None);
    let came = unit.each_part::<UnitError>(STALL, |start, bytes| {
        if let Some(flow) = flow.take() {
            opened = Some(flow.grain(index)?);
        }
        let Some(grain) = &mut opened else {
            return Ok(());
        };
        let slices = usize::from(grain.slices());
        let (first, end) = (start / row, (start + bytes.len()) / row);
        let format = PixelFormat::V210;
        unpack_rows(
            &picture,
            (Lines::All, first),
            bytes,
            format,
            grain.payload(),
        )?;
        // The last part may have lines that did not come: the end shows it.
        if end < slices {
            let end = u16::try_from(end).unwrap_or(u16::MAX);
            grain.commit(end).map_err(super::FlowError::Grain)?;
        }
        Ok(())
    });
    // None came.
    if let Some(flow) = flow {
        opened = Some(flow.grain(index)?);
    }
    let Some(grain) = opened else {
        return came;
    };
    let is_whole = came.is_ok() && matches!(unit.status(), Status::Complete);
    grain.finish(is_whole).map_err(super::FlowError::Grain)?;
    totals.grains += u64::from(is_whole);
    totals.invalid += u64::from(!is_whole);
    match came {
        // The session's end: the next call tells it.
        Err(UnitError::Session(_)) | Ok(()) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Bytes of a payload that MXL leaves out: the extended sequence number.
const BEFORE: usize = 2;

fn ancillary(
    unit: &OwnedBuffer<Contents>,
    (index, is_interlaced): (u64, bool),
    flow: &mut OutFlow,
    totals: &mut Totals,
) -> Result<(), UnitError> {
    let mut grain = flow.grain(index)?;
    let room = grain.payload();
    let bytes: &[u8] = unit;
    let signalled = match (is_interlaced, index % 2) {
        (false, _) => Signalled::Frame,
        (true, 0) => Signalled::First,
        (true, _) => Signalled::Second,
    };
    let mut payload = Vec::new();
    let left = match onair_essence::ancillary::unit::Unit::parse(bytes) {
        Ok(packets) => {
            let right = packets.iter().filter(|it| !it.record.is_wrong());
            let left = rfc8331::write(right, signalled, room.len() + BEFORE, &mut payload);
            left as u64 + u64::from(packets.wrong())
        }
        Err(_) => 1,
    };
    let is_whole = left == 0 && matches!(unit.status(), Status::Complete);
    let payload = payload.get(BEFORE..).unwrap_or_default();
    room[..payload.len()].copy_from_slice(payload);
    room[payload.len()..].fill(0);
    grain.finish(is_whole).map_err(super::FlowError::Grain)?;
    totals.grains += u64::from(is_whole);
    totals.invalid += u64::from(!is_whole);
    totals.packets += left;
    Ok(())
}
