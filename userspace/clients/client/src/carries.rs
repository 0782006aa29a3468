//! Contents of a session's buffers, by its essence.

use std::fmt::Debug;

use onair_ipc::message::Attached;
use onair_pixels::PixelFormat;

/// Why the daemon's description of a session is inconsistent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LayoutError {
    #[error("it carries {0}")]
    Essence(&'static str),
    #[error("buffers in the layout {layout:?}, which this library does not know")]
    Name { layout: String },
    #[error("{0} in buffers of {1} bytes")]
    Sizes(String, u32),
}

/// Contents of a session's buffers: a [`Layout`](crate::Layout) of video, an [`AudioFormat`](crate::AudioFormat), an
/// [`AncillaryStream`](crate::AncillaryStream), a [`JpegXsStream`](crate::JpegXsStream), or any of them:
/// [`Contents`](crate::Contents).
#[expect(private_bounds, reason = "only this library implements it")]
pub trait Carries: Described {}

impl<L: Described> Carries for L {}

/// The library's questions about it.
pub(crate) trait Described: Debug + Sized + Send + Sync + 'static {
    /// The daemon's description, if it is consistent and of this essence.
    fn of(attached: &Attached) -> Result<Self, LayoutError>;

    /// How many bytes a buffer with this tag has, if they may be fewer than its memory.
    #[inline]
    fn fewer_bytes(&self, _tag: impl FnOnce() -> u32) -> Option<usize> {
        None
    }

    /// Bytes of the smallest part that is listed as missing, and how many it counts for.
    fn row(&self) -> (u32, u32);

    /// So many buffers come in so many seconds.
    fn rate(&self) -> (u32, u32);

    /// Pixel format of a converted session.
    fn pixel_format(&self) -> Option<PixelFormat> {
        None
    }
}

/// How many buffers of `layout` the time `ns` has, to the nearest one.
pub(crate) fn buffers_in(layout: &impl Described, ns: u64) -> u64 {
    let (buffers, seconds) = layout.rate();
    let second = u128::from(seconds) * 1_000_000_000;
    let count = (u128::from(ns) * u128::from(buffers) + second / 2) / second;
    u64::try_from(count).unwrap_or(u64::MAX)
}
