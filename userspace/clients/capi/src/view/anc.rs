//! The view of buffers with ANC packets.

use std::ffi::c_int;

use onair::{
    AncPacket, AncillaryStream, AncillaryView, AnySession, Contents, Field, Place, UnitWriter,
};

use super::fill;
use crate::attached::{Attached, onair_session};
use crate::border::{Fault, call, invalid};
use crate::buffer::{loan, onair_buffer};
use crate::structs::{Grows, ResultPlace, read};

versions! { "ONAIR_1.0":
    onair_anc_pack
    onair_anc_unpack
    onair_anc_view
}

const ONAIR_ANC_ANY_LINE: u32 = 0x7ff;
const ONAIR_ANC_ANY_OFFSET: u32 = 0xfff;

#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct onair_anc {
    size: u32,
    rate_numerator: u32,
    rate_denominator: u32,
    has_fields: u32,
    is_sender: u32,
}

// SAFETY: `repr(C)`, with its size in front; all fields take any bytes.
unsafe impl Grows for onair_anc {
    const FIRST: usize = 20;
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct onair_anc_packet {
    size: u32,
    field: u32,
    line: u32,
    offset: u32,
    is_chroma: u32,
    has_stream: u32,
    stream: u32,
    did: u32,
    sdid: u32,
    is_parity_wrong: u32,
    is_checksum_wrong: u32,
    checksum: u32,
    word_count: u32,
    words: [u16; 256],
}

// SAFETY: `repr(C)`, with its size in front; all fields take any bytes.
unsafe impl Grows for onair_anc_packet {
    const FIRST: usize = 564;
}

impl onair_anc_packet {
    const NONE: Self = Self {
        size: 0,
        field: 0,
        line: ONAIR_ANC_ANY_LINE,
        offset: ONAIR_ANC_ANY_OFFSET,
        is_chroma: 0,
        has_stream: 0,
        stream: 0,
        did: 0,
        sdid: 0,
        is_parity_wrong: 0,
        is_checksum_wrong: 0,
        checksum: 0,
        word_count: 0,
        words: [0; 256],
    };

    fn of(packet: &AncPacket<'_>) -> Self {
        let (record, (did, sdid)) = (&packet.record, packet.kind());
        let mut result = Self {
            field: match record.field.field() {
                None => 0,
                Some(Field::First) => 1,
                Some(Field::Second) => 2,
            },
            line: record.place.line.into(),
            offset: record.place.offset.into(),
            is_chroma: record.place.is_chroma.into(),
            has_stream: record.place.stream.is_some().into(),
            stream: record.place.stream.unwrap_or_default().into(),
            did: did.into(),
            sdid: sdid.into(),
            is_parity_wrong: record.is_parity_wrong.into(),
            is_checksum_wrong: record.is_checksum_wrong.into(),
            checksum: record.checksum.into(),
            ..Self::NONE
        };
        for (to, word) in result.words.iter_mut().zip(packet.words()) {
            *to = word;
            result.word_count += 1;
        }
        result
    }

    /// Appends it to a unit.
    fn write(&self, unit: &mut UnitWriter<'_>) -> Result<(), Fault> {
        let small = |number: u32, most: u32| {
            let number = u16::try_from(number).ok().filter(|_| number <= most);
            number.ok_or(invalid("a number of an ANC packet is too large"))
        };
        let low = |number: u32| Ok::<_, Fault>(small(number, 0xff)?.to_le_bytes()[0]);
        let stream = match self.has_stream {
            0 => None,
            _ => Some(small(self.stream, 0x7f)?.to_le_bytes()[0]),
        };
        let place = Place {
            is_chroma: self.is_chroma != 0,
            line: small(self.line, ONAIR_ANC_ANY_LINE)?,
            offset: small(self.offset, ONAIR_ANC_ANY_OFFSET)?,
            stream,
        };
        let kind = (low(self.did)?, low(self.sdid)?);
        let count = usize::from(low(self.word_count)?);
        let data = self.words.map(|word| word.to_le_bytes()[0]);
        let pushed = unit.push(place, kind, &data[..count]);
        pushed.map_err(|_| invalid("the buffer has no room for the ANC packets"))
    }
}

/// The format of what has ancillary data.
fn stream(contents: &Contents) -> Result<&AncillaryStream, Fault> {
    match contents {
        Contents::Ancillary(stream) => Ok(stream),
        _ => Err(invalid("the session carries no ancillary data")),
    }
}

/// Describes the buffers of a session.
pub(crate) fn describe(session: &AnySession) -> Result<onair_anc, Fault> {
    let stream = stream(session.layout())?;
    Ok(onair_anc {
        size: 0,
        rate_numerator: stream.rate.numerator(),
        rate_denominator: stream.rate.denominator(),
        has_fields: stream.interlaced.into(),
        is_sender: session.is_sender().into(),
    })
}

/// # Safety
/// See `onair.h`.
#[unsafe(no_mangle)]
unsafe extern "C" fn onair_anc_view(session: onair_session, view: *mut onair_anc) -> c_int {
    call(|| {
        let attached = Attached::of(session)?;
        // SAFETY: the caller's promise.
        let place = unsafe { ResultPlace::new(view)? };
        place.write(&describe(&attached.session)?);
        Ok(0)
    })
}

/// # Safety
/// See `onair.h`.
#[unsafe(no_mangle)]
unsafe extern "C" fn onair_anc_unpack(
    session: onair_session,
    buffer: *const onair_buffer,
    packets: *mut onair_anc_packet,
    count: usize,
) -> c_int {
    call(|| {
        let attached = Attached::of(session)?;
        // SAFETY: the caller's promise.
        let loan = unsafe { loan(session, buffer)? };
        attached.with_buffer(loan, |buffer| {
            // SAFETY: the caller's promise.
            let written = unsafe { unpack(attached.session.layout(), &buffer, packets, count) };
            (buffer, written)
        })?
    })
}

/// Writes as many of a unit's packets as there is room for; how many it has.
///
/// # Safety
/// `packets` is null, or points to `count` writable structs with their size in front of the first.
pub(crate) unsafe fn unpack(
    contents: &Contents,
    bytes: &[u8],
    packets: *mut onair_anc_packet,
    count: usize,
) -> Result<c_int, Fault> {
    stream(contents)?;
    // SAFETY: the caller's promise.
    let size = unsafe { size(packets, count)? };
    let no_unit = |_| invalid("the buffer has no ANC packets yet: pack some first");
    let unit = AncillaryView::parse(bytes).map_err(no_unit)?;
    for (index, packet) in unit.iter().take(count).enumerate() {
        // SAFETY: the caller's promise. The size is in front of each.
        let place = unsafe {
            let at = packets.byte_add(index * size);
            at.cast::<u32>().write(u32::try_from(size).unwrap_or(0));
            ResultPlace::new(at)?
        };
        place.write(&onair_anc_packet::of(&packet));
    }
    Ok(c_int::try_from(unit.packets()).unwrap_or(c_int::MAX))
}

/// # Safety
/// See `onair.h`.
#[unsafe(no_mangle)]
unsafe extern "C" fn onair_anc_pack(
    session: onair_session,
    buffer: *const onair_buffer,
    packets: *const onair_anc_packet,
    count: usize,
) -> c_int {
    call(|| {
        let attached = Attached::of(session)?;
        // SAFETY: the caller's promise.
        let loan = unsafe { loan(session, buffer)? };
        stream(attached.session.layout())?;
        // SAFETY: the caller's promise.
        let size = unsafe { size(packets, count)? };
        attached.with_buffer(loan, |buffer| {
            // SAFETY: the caller's promise: `count` structs of this size may be read.
            fill(buffer, |bytes| unsafe {
                pack(bytes, packets, (count, size))
            })
        })?
    })
}

/// Writes a unit.
///
/// # Safety
/// `packets` points to `count` structs of `size` bytes.
unsafe fn pack(
    bytes: &mut [u8],
    packets: *const onair_anc_packet,
    (count, size): (usize, usize),
) -> Result<c_int, Fault> {
    let no_room = |_| invalid("the buffer has no room for ANC packets");
    let mut unit = UnitWriter::new(bytes).map_err(no_room)?;
    for index in 0..count {
        // SAFETY: the caller's promise.
        let (at, own) = unsafe {
            let at = packets.byte_add(index * size);
            (at, at.cast::<u32>().read())
        };
        if own as usize != size {
            return Err(invalid("the structs of an array have different sizes"));
        }
        // SAFETY: the caller's promise.
        unsafe { read(at, onair_anc_packet::NONE)? }.write(&mut unit)?;
    }
    Ok(0)
}

/// Bytes of each struct of an array, by the first.
///
/// # Safety
/// `packets` is null, or points to `count` structs with their size in front of the first.
unsafe fn size(packets: *const onair_anc_packet, count: usize) -> Result<usize, Fault> {
    if count == 0 {
        return Ok(0);
    }
    // SAFETY: the caller's promise; this checks the first.
    let first = unsafe { read(packets, onair_anc_packet::NONE)? };
    let size = first.size as usize;
    let is_whole = size.is_multiple_of(align_of::<onair_anc_packet>());
    let fits = count
        .checked_mul(size)
        .is_some_and(|it| isize::try_from(it).is_ok());
    match is_whole && fits {
        true => Ok(size),
        false => Err(invalid("a struct's size is wrong, or there are too many")),
    }
}
