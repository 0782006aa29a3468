//! A captured frame.

use onair_essence::survey::Link;

/// An Ethernet frame or an IP packet of a capture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame<'a> {
    /// Nanoseconds since the epoch of the capturing machine's clock.
    pub(super) at_ns: u64,
    pub(super) link: Link,
    pub(super) bytes: &'a [u8],
}
