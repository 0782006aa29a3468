//! Units from RTP packets.

mod assembly;
mod compare;
mod malformed;
mod staged;

use crate::essence::Essence as _;
use crate::jpeg_xs::JpegXsStream;
use crate::units::UnitReceiver;

pub use assembly::CodestreamAssembly;
pub(crate) use compare::contradiction;
pub use malformed::Malformed;

/// Makes the units of one flow. Allocates only in its constructor.
pub type CodestreamReceiver<S> = UnitReceiver<S, CodestreamAssembly>;

impl<S: Copy> CodestreamReceiver<S> {
    /// For a format, and packets of this payload type, 0 to 127. A unit is closed after `timeout_ns` nanoseconds without a
    /// packet.
    #[must_use]
    pub fn new(stream: &JpegXsStream, payload_type: u8, timeout_ns: u64) -> Self {
        let rate = stream.unit_rate();
        let rate = (rate.numerator(), rate.denominator());
        Self::of(
            (rate, stream.packets_a_unit()),
            (payload_type, timeout_ns),
            || CodestreamAssembly::new(stream),
        )
    }
}
