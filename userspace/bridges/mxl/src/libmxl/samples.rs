//! Pieces of the channels of a continuous flow.

use super::layout::MultiSlice;

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
