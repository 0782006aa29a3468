//! Units of ANC packets from RTP packets.

mod assembly;
mod malformed;

use crate::units::UnitReceiver;
use crate::video::FrameRate;

pub use assembly::AncillaryAssembly;
pub use malformed::Malformed;

/// Packets of a unit: nearly all units have one.
pub(super) const PACKETS: u64 = 4;

/// Makes the units of one flow. Allocates only in its constructor.
pub type AncillaryReceiver<S> = UnitReceiver<S, AncillaryAssembly>;

impl<S: Copy> AncillaryReceiver<S> {
    /// For so many units a second, in packets of this payload type, 0 to 127. A unit is closed after `timeout_ns` nanoseconds without a packet.
    #[must_use]
    pub fn new(rate: FrameRate, payload_type: u8, timeout_ns: u64) -> Self {
        let rate = (rate.numerator(), rate.denominator());
        Self::of(
            (rate, PACKETS),
            (payload_type, timeout_ns),
            AncillaryAssembly::default,
        )
    }
}
