//! Limits of ST 2110-21 for a sender.

use crate::video::{STANDARD_MAX_UDP, SenderType};

use super::schedule::{Reads, Stream, active};

/// Bytes of the largest IP packet, as EBU LIST takes it for every stream. The standard takes MAXUDP, which is known only of
/// a sender that says it: it counts where it is above the standard limit.
const MAX_IP: u64 = 1500;

/// The limits of one stream: largest levels of the two models (§6.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// CMAX of a narrow sender, gapped or linear as the stream is.
    pub cmax_narrow: u64,
    /// CMAX of a wide sender.
    pub cmax_wide: u64,
    /// `VRX_FULL` of a narrow sender.
    pub vrx_full_narrow: u64,
    /// `VRX_FULL` of a wide sender.
    pub vrx_full_wide: u64,
}

impl Limits {
    /// The limits of `stream`; its schedule must be valid.
    #[must_use]
    pub fn new(stream: &Stream) -> Self {
        let extended = stream.max_udp.filter(|it| *it > STANDARD_MAX_UDP);
        Self::of_packets(stream, extended.map_or(MAX_IP, u64::from))
    }

    /// The limits as the standard has them for a sender of datagrams of at most `max_udp` bytes
    /// (`MAXUDP`), where a size below the standard one counts as that.
    #[must_use]
    pub fn of_sender(stream: &Stream, max_udp: u16) -> Self {
        Self::of_packets(stream, max_udp.max(STANDARD_MAX_UDP).into())
    }

    fn of_packets(stream: &Stream, max_bytes: u64) -> Self {
        let (active, lines) = active(stream);
        // Units a second: the standard counts packets of a unit over its period.
        let units = u128::from(stream.rate.0) * u128::from(stream.units_a_frame());
        let packets = u128::from(stream.packets) * units;
        let whole = |over: u64, (num, den): (u64, u64)| {
            let den = u128::from(over) * u128::from(stream.rate.1.max(1)) * u128::from(den);
            u64::try_from(packets * u128::from(num) / den).unwrap_or(u64::MAX)
        };
        Self {
            cmax_narrow: whole(43_200, (lines, active)).max(4),
            cmax_wide: whole(21_600, (1, 1)).max(16),
            vrx_full_narrow: whole(27_000, (1, 1)).max(1500 * 8 / max_bytes),
            vrx_full_wide: whole(300, (1, 1)).max(1500 * 720 / max_bytes),
        }
    }

    /// CMAX of a narrow and a narrow linear sender, whatever schedule the stream follows.
    #[must_use]
    pub fn cmax_of_both(stream: &Stream) -> (u64, u64) {
        let of = |reads| Self::new(&Stream { reads, ..*stream }).cmax_narrow;
        (of(Reads::Gapped), of(Reads::Linear))
    }

    /// CMAX of a sender of this type.
    #[must_use]
    pub const fn cmax_of(&self, sender: SenderType) -> u64 {
        match sender {
            SenderType::Narrow | SenderType::NarrowLinear => self.cmax_narrow,
            SenderType::Wide => self.cmax_wide,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::video::Scan;

    #[test]
    fn limits_of_common_formats_are_those_of_the_standard() {
        let ntsc = (60_000, 1001);
        for (height, rate, packets, narrow, wide, vrx) in [
            (1080, ntsc, 4320, (6, 5), 16, (9, 863)),
            (1080, (50, 1), 4320, (5, 5), 16, (8, 720)),
            (720, (50, 1), 1920, (4, 4), 16, (8, 720)),
            (2160, ntsc, 17_280, (24, 23), 47, (38, 3452)),
        ] {
            let stream = Stream {
                height,
                scan: Scan::Progressive,
                rate,
                packets,
                reads: Reads::Gapped,
                offset_ns: None,
                max_udp: None,
            };
            let limits = Limits::new(&stream);
            assert_eq!(Limits::cmax_of_both(&stream), narrow);
            assert_eq!(limits.cmax_narrow, narrow.0);
            assert_eq!(limits.cmax_wide, wide);
            assert_eq!((limits.vrx_full_narrow, limits.vrx_full_wide), vrx);
        }
    }

    #[test]
    fn limits_of_large_datagrams_then_vrx_full_is_less() {
        let full = |max_udp| {
            let limits = Limits::new(&Stream {
                height: 1080,
                scan: Scan::Progressive,
                rate: (50, 1),
                packets: 800,
                reads: Reads::Gapped,
                offset_ns: None,
                max_udp,
            });
            (limits.vrx_full_narrow, limits.vrx_full_wide)
        };
        assert_eq!(full(Some(8960)), (1, 133));
        // As EBU LIST has it.
        assert_eq!(full(Some(1460)), (8, 720));
        assert_eq!(full(None), (8, 720));
    }

    #[test]
    fn limits_of_interlaced_video_count_fields() {
        let stream = Stream {
            height: 1080,
            scan: Scan::Interlaced,
            rate: (30_000, 1001),
            packets: 2160,
            reads: Reads::Gapped,
            offset_ns: None,
            max_udp: None,
        };
        let limits = Limits::new(&stream);
        assert_eq!((limits.cmax_narrow, limits.cmax_wide), (4, 16));
        assert_eq!((limits.vrx_full_narrow, limits.vrx_full_wide), (8, 720));
    }
}
