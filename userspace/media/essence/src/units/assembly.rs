//! An essence's own rules for its packets and units.

use crate::receive::{Sink, UnitReport};
use crate::rtp::RtpReject;

/// Why an essence calls a packet malformed.
pub trait Reason: Copy + Into<usize> + From<RtpReject> {
    /// Another payload type than the session's.
    const PAYLOAD_TYPE: Self;

    /// Whether packets of another format cause it.
    fn is_of_other_format(self) -> bool;

    /// Whether its standard says that such a packet is ignored: its unit is whole without it.
    fn is_ignored(self) -> bool {
        false
    }
}

/// The packets of one unit. The next unit reuses its memory: only its constructor allocates.
pub trait Assembly {
    /// A payload that was checked.
    type Part<'a>: Copy;
    /// Why a packet is malformed.
    type Malformed: Reason;

    /// Only markers and timestamps show where a unit ends.
    const ENDS_BY_MARKER: bool = true;

    /// Sequence numbers that may be missing between two units of one source.
    fn gap(&self) -> u64;

    /// Checks the payload of a packet that has a marker or not.
    ///
    /// # Errors
    /// The first reason that applies.
    fn parse<'a>(&self, payload: &'a [u8], marker: bool)
    -> Result<Self::Part<'a>, Self::Malformed>;

    /// Begins the unit of this packet.
    fn begin(&mut self, first: Self::Part<'_>);

    /// The unwrapped sequence number of a unit's first packet, if this packet, which has `number`, shows it.
    fn first_number(&self, _part: Self::Part<'_>, _number: u64) -> Option<u64> {
        None
    }

    /// Whether a packet can have this unwrapped sequence number, as far as its place in the unit says.
    ///
    /// # Errors
    /// Why it cannot: its number is of another packet.
    fn check(&self, _part: Self::Part<'_>, _number: u64) -> Result<(), Self::Malformed> {
        Ok(())
    }

    /// Whether a packet ends its unit, as far as it says.
    fn ends(&self, _part: Self::Part<'_>, marker: bool) -> bool {
        marker
    }

    /// Whether all of the unit came, if it says how much that is: then no marker says more of its end.
    fn is_all(&self) -> Option<bool> {
        None
    }

    /// Takes a packet, which did not arrive before, with its unwrapped sequence number, and whether it has the marker.
    ///
    /// # Errors
    /// Why it does not fit the unit, which is as before then.
    fn take<S: Copy>(
        &mut self,
        part: Self::Part<'_>,
        packet: (u64, bool),
        slot: S,
        sink: &mut impl Sink<Slot = S>,
    ) -> Result<(), Self::Malformed>;

    /// Bytes of the unit that are right and are not written again; those of an essence that writes a unit when it is over:
    /// none.
    fn stands(&self) -> usize {
        0
    }

    /// The value of [`UnitReport::tag`], as far as it is known.
    fn tag(&self) -> u32;

    /// The unit is over. `report` says whether it is complete as far as the sequence numbers show it: the packets of the
    /// unit before it came, too. `is_whole`: none is missing from its first packet that came to the marker.
    fn finish<S: Copy>(
        &mut self,
        report: &mut UnitReport,
        is_whole: bool,
        slot: S,
        sink: &mut impl Sink<Slot = S>,
    );
}
