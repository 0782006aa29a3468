//! The structures of libmxl's C interface (`mxl/flow.h`, `mxl/flowinfo.h`), as versions 1.x have them.

use std::ffi::{c_char, c_void};

/// `mxlVersionType`.
#[repr(C)]
#[derive(Debug)]
pub(super) struct VersionType {
    pub(super) major: u16,
    pub(super) minor: u16,
    pub(super) bugfix: u16,
    pub(super) build: u16,
    pub(super) full: *const c_char,
}

/// `mxlFlowConfigInfo`: of the union only words are named, for it depends on the format.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct FlowConfigInfo {
    pub(super) id: [u8; 16],
    pub(super) format: u32,
    pub(super) flags: u32,
    pub(super) rate: [i64; 2],
    pub(super) most_commit: u32,
    pub(super) most_sync: u32,
    pub(super) payload_location: u32,
    pub(super) device: i32,
    pub(super) reserved: [u8; 72],
    /// Discrete: bytes of a slice in each of four planes, grains. Continuous: channels, samples of a buffer.
    pub(super) words: [u32; 16],
}

/// `mxlFlowInfo`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct FlowInfo {
    pub(super) version: u32,
    pub(super) size: u32,
    pub(super) config: FlowConfigInfo,
    pub(super) head: u64,
    pub(super) last_write: u64,
    pub(super) last_read: u64,
    pub(super) reserved: [u8; 40 + 1784],
}

/// `mxlGrainInfo`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct GrainInfo {
    pub(super) version: u32,
    pub(super) size: u32,
    pub(super) index: u64,
    pub(super) flags: u32,
    pub(super) grain_size: u32,
    pub(super) total_slices: u16,
    pub(super) valid_slices: u16,
    pub(super) reserved: [u8; 4068],
}

/// `MXL_GRAIN_FLAG_INVALID`.
pub(super) const INVALID: u32 = 1;

/// `mxlBufferSlice`, and the mutable one.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct BufferSlice {
    pub(super) pointer: *mut c_void,
    pub(super) size: usize,
}

/// `mxlWrappedMultiBufferSlice`, and the mutable one.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct MultiSlice {
    pub(super) fragments: [BufferSlice; 2],
    /// Bytes from a channel to the next.
    pub(super) stride: usize,
    /// Channels.
    pub(super) count: usize,
}

const _: () = {
    assert!(size_of::<FlowConfigInfo>() == 192);
    assert!(size_of::<FlowInfo>() == 2048);
    assert!(size_of::<GrainInfo>() == 4096);
    assert!(size_of::<MultiSlice>() == 48);
};

/// All zeros: what the library fills.
macro_rules! empty {
    ($kind:ty) => {{
        // SAFETY: integers, arrays of them and pointers, of which zero is a value.
        unsafe { std::mem::zeroed::<$kind>() }
    }};
}
pub(super) use empty;

/// The library's answer: up to two pieces of each channel, those of the first channel here.
pub(super) struct Fragments {
    pub(super) pieces: [(*mut f32, usize); 2],
    /// Bytes from a channel to the next.
    pub(super) stride: usize,
    pub(super) channels: usize,
}

pub(super) fn fragments(slices: &MultiSlice) -> Fragments {
    Fragments {
        pieces: slices.fragments.map(|it| {
            let start = it.pointer.cast::<f32>();
            // One that is no place of a sample has none.
            match start.is_null() || !start.is_aligned() {
                true => (std::ptr::dangling_mut(), 0),
                false => (start, it.size / size_of::<f32>()),
            }
        }),
        stride: slices.stride,
        channels: slices.count,
    }
}
