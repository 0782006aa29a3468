//! The functions. Their arguments are those of `mxl/mxl.h` and `mxl/flow.h`.
#![allow(
    non_snake_case,
    missing_docs,
    clippy::missing_safety_doc,
    reason = "the library's headers say what they do"
)]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::flow::{Described, Flow, GRAIN_HEAD, Shape};

const OK: c_int = 0;
const UNKNOWN: c_int = 1;
const NOT_FOUND: c_int = 2;
const TOO_LATE: c_int = 3;
const TOO_EARLY: c_int = 4;
const BAD_ARGUMENT: c_int = 8;
const FLOW_INVALID: c_int = 11;
const LOOK: Duration = Duration::from_micros(200);

pub struct Instance(PathBuf);

pub struct Reader(Flow);

pub struct Writer {
    flow: Flow,
    open: u64,
    grains: u64,
}

#[repr(C)]
pub struct Version {
    numbers: [u16; 4],
    full: *const c_char,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct GrainInfo {
    version: u32,
    size: u32,
    index: u64,
    flags: u32,
    grain_size: u32,
    total_slices: u16,
    valid_slices: u16,
    reserved: [u8; 4068],
}

#[repr(C)]
pub struct MultiSlice {
    fragments: [(*mut u8, usize); 2],
    stride: usize,
    count: usize,
}

fn told(word: &str) -> bool {
    std::env::var("ONAIR_MXL_STUB").is_ok_and(|it| it == word)
}

/// # Safety
/// It is a text that ends with zero.
unsafe fn text<'a>(of: *const c_char) -> Option<&'a str> {
    // SAFETY: the caller's.
    unsafe { CStr::from_ptr(of) }.to_str().ok()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn mxlGetVersion(out: *mut Version) -> c_int {
    let major = if told("version") { 2 } else { 1 };
    let full = c"1.2.0 of the tests".as_ptr();
    // SAFETY: the caller gives a place for it.
    unsafe {
        out.write(Version {
            numbers: [major, 2, 0, 0],
            full,
        })
    };
    OK
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn mxlCreateInstance(
    domain: *const c_char,
    _: *const c_char,
) -> *mut Instance {
    // SAFETY: the caller gives a text.
    let domain = unsafe { text(domain) }
        .map(PathBuf::from)
        .filter(|it| it.is_dir());
    domain.map_or(std::ptr::null_mut(), |it| {
        Box::into_raw(Box::new(Instance(it)))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn mxlDestroyInstance(instance: *mut Instance) -> c_int {
    // SAFETY: of `mxlCreateInstance`.
    drop(unsafe { Box::from_raw(instance) });
    OK
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn mxlCreateFlowWriter(
    instance: *mut Instance,
    definition: *const c_char,
    _options: *const c_char,
    writer: *mut *mut Writer,
    config: *mut c_void,
    created: *mut bool,
) -> c_int {
    // SAFETY: the caller gives an instance and a text.
    let (domain, definition) = unsafe { (&(*instance).0, text(definition)) };
    let Some(definition) = definition else {
        return BAD_ARGUMENT;
    };
    let Some(described) = Described::of(definition) else {
        return UNKNOWN;
    };
    let Ok((flow, is_new)) = Flow::create(domain, definition, &described) else {
        return UNKNOWN;
    };
    let Some(head) = flow.data().at(8, 192) else {
        return UNKNOWN;
    };
    // SAFETY: the caller gives places for all; the config is these 192 bytes.
    unsafe {
        std::ptr::copy_nonoverlapping(head, config.cast(), 192);
        created.write(is_new);
        writer.write(Box::into_raw(Box::new(Writer {
            flow,
            open: u64::MAX,
            grains: 0,
        })));
    }
    OK
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn mxlReleaseFlowWriter(_: *mut Instance, writer: *mut Writer) -> c_int {
    // SAFETY: of `mxlCreateFlowWriter`.
    unsafe { Box::from_raw(writer) }.flow.release();
    OK
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn mxlCreateFlowReader(
    instance: *mut Instance,
    id: *const c_char,
    _: *const c_char,
    reader: *mut *mut Reader,
) -> c_int {
    // SAFETY: the caller gives an instance and a text.
    let (domain, id) = unsafe { (&(*instance).0, text(id)) };
    let Some(id) = id else { return BAD_ARGUMENT };
    match Flow::open(&Flow::folder(domain, id), false) {
        Ok(flow) => {
            // SAFETY: the caller gives a place for it.
            unsafe { reader.write(Box::into_raw(Box::new(Reader(flow)))) };
            OK
        }
        Err(_) => NOT_FOUND,
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn mxlReleaseFlowReader(_: *mut Instance, reader: *mut Reader) -> c_int {
    // SAFETY: of `mxlCreateFlowReader`.
    drop(unsafe { Box::from_raw(reader) });
    OK
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn mxlFlowReaderGetInfo(reader: *mut Reader, info: *mut u8) -> c_int {
    // SAFETY: the caller gives a reader, and a place of 2048 bytes.
    unsafe {
        let Some(data) = (*reader).0.data().at(0, 2048) else {
            return UNKNOWN;
        };
        std::ptr::copy_nonoverlapping(data, info, 2048);
    }
    OK
}

/// Waits until `look` says something else than that it is too early.
fn wait(flow: &Flow, timeout_ns: u64, mut look: impl FnMut() -> c_int) -> c_int {
    let end = Instant::now().checked_add(Duration::from_nanos(timeout_ns));
    loop {
        match look() {
            TOO_EARLY if end.is_some_and(|it| it > Instant::now()) => std::thread::sleep(LOOK),
            TOO_EARLY if !flow.is_valid() => return FLOW_INVALID,
            status => return status,
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn mxlFlowReaderGetGrainSlice(
    reader: *mut Reader,
    index: u64,
    slices: u16,
    timeout_ns: u64,
    info: *mut GrainInfo,
    payload: *mut *mut u8,
) -> c_int {
    // SAFETY: the caller gives a reader.
    let flow = unsafe { &(*reader).0 };
    wait(flow, timeout_ns, || {
        let head = flow.head().load(Ordering::Acquire);
        if index > head {
            return TOO_EARLY;
        }
        if head >= flow.ring() && index <= head - flow.ring() {
            return TOO_LATE;
        }
        let Some(grain) = flow.grain(index) else {
            return UNKNOWN;
        };
        let (Some(place), Some(bytes)) = (grain.at(0, GRAIN_HEAD), grain.at(GRAIN_HEAD, 0)) else {
            return UNKNOWN;
        };
        // SAFETY: a grain begins with its info.
        let found = unsafe { place.cast::<GrainInfo>().read_volatile() };
        if found.valid_slices < slices.min(found.total_slices) && found.flags & 1 == 0 {
            return TOO_EARLY;
        }
        // SAFETY: the caller gives places for both.
        unsafe {
            info.write(found);
            payload.write(bytes);
        }
        OK
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn mxlFlowWriterOpenGrain(
    writer: *mut Writer,
    index: u64,
    info: *mut GrainInfo,
    payload: *mut *mut u8,
) -> c_int {
    // SAFETY: the caller gives a writer.
    let writer = unsafe { &mut *writer };
    writer.grains += 1;
    if told("fail") && writer.grains.is_multiple_of(20) {
        return UNKNOWN;
    }
    let Some(grain) = writer.flow.grain(index) else {
        return UNKNOWN;
    };
    let (Some(place), Some(bytes)) = (grain.at(0, GRAIN_HEAD), grain.at(GRAIN_HEAD, 0)) else {
        return UNKNOWN;
    };
    let place = place.cast::<GrainInfo>();
    // SAFETY: a grain begins with its info, which a writer has mapped writable; the caller gives places for both.
    unsafe {
        (*place).index = index;
        info.write(place.read());
        payload.write(bytes);
    }
    writer.open = index;
    OK
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn mxlFlowWriterCommitGrain(
    writer: *mut Writer,
    info: *const GrainInfo,
) -> c_int {
    // SAFETY: the caller gives a writer and an info.
    let (writer, info) = unsafe { (&mut *writer, &*info) };
    if info.index != writer.open {
        return BAD_ARGUMENT;
    }
    let Some(place) = writer
        .flow
        .grain(info.index)
        .and_then(|it| it.at(0, GRAIN_HEAD))
    else {
        return UNKNOWN;
    };
    // SAFETY: a grain begins with its info, which a writer has mapped writable.
    unsafe { place.cast::<GrainInfo>().write_volatile(*info) };
    writer.flow.head().store(info.index, Ordering::Release);
    if info.valid_slices == info.total_slices {
        writer.open = u64::MAX;
    }
    OK
}

/// The samples before `end` in the buffers of the channels.
fn slices(flow: &Flow, end: u64, count: usize) -> Option<MultiSlice> {
    let (Shape::Samples(channels, samples), Some(buffers)) = (flow.shape, flow.channels()) else {
        return None;
    };
    let samples = samples as usize;
    let start =
        usize::try_from((end + samples as u64).checked_sub(count as u64)? % samples as u64).ok()?;
    let first = count.min(samples - start);
    Some(MultiSlice {
        fragments: [
            (buffers.at(4 * start, 4 * first)?, 4 * first),
            (buffers.at(0, 4 * (count - first))?, 4 * (count - first)),
        ],
        stride: 4 * samples,
        count: channels as usize,
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn mxlFlowReaderGetSamples(
    reader: *mut Reader,
    end: u64,
    count: usize,
    timeout_ns: u64,
    out: *mut MultiSlice,
) -> c_int {
    // SAFETY: the caller gives a reader.
    let flow = unsafe { &(*reader).0 };
    let Shape::Samples(_, samples) = flow.shape else {
        return UNKNOWN;
    };
    wait(flow, timeout_ns, || {
        let head = flow.head().load(Ordering::Acquire);
        if end > head {
            return TOO_EARLY;
        }
        let oldest = head.saturating_sub(u64::from(samples / 2));
        if end < oldest || end - oldest < count as u64 {
            return TOO_LATE;
        }
        let Some(found) = slices(flow, end, count) else {
            return UNKNOWN;
        };
        // SAFETY: the caller gives a place for it.
        unsafe { out.write(found) };
        OK
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn mxlFlowWriterOpenSamples(
    writer: *mut Writer,
    end: u64,
    count: usize,
    out: *mut MultiSlice,
) -> c_int {
    // SAFETY: the caller gives a writer.
    let writer = unsafe { &mut *writer };
    let Shape::Samples(_, samples) = writer.flow.shape else {
        return UNKNOWN;
    };
    let Some(found) = slices(&writer.flow, end, count).filter(|_| count <= samples as usize / 2)
    else {
        return BAD_ARGUMENT;
    };
    // SAFETY: the caller gives a place for it.
    unsafe { out.write(found) };
    writer.open = end;
    OK
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn mxlFlowWriterCommitSamples(writer: *mut Writer) -> c_int {
    // SAFETY: the caller gives a writer.
    let writer = unsafe { &mut *writer };
    let head: &AtomicU64 = writer.flow.head();
    head.store(writer.open, Ordering::Release);
    OK
}
