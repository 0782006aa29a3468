//! Which fields are of one frame.

use onair_essence::video::FrameRate;
use onair_pixels::are_of_one_frame;

use crate::{Field, Layout};

/// Fields of one frame, or one whose other one did not come.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Pair<B> {
    Both(B, B),
    First(B),
    Second(B),
}

/// Puts fields together, in the order in which they come.
#[derive(Debug)]
pub(crate) struct Pairing<B> {
    rate: FrameRate,
    /// A first field with its RTP timestamp.
    first: Option<(u32, B)>,
    /// A second field without its first one, which came behind another frame's first one.
    second: Option<B>,
}

impl<B> Pairing<B> {
    pub(crate) fn new(rate: FrameRate) -> Self {
        Self {
            rate,
            first: None,
            second: None,
        }
    }

    pub(crate) fn of(layout: &Layout) -> Self {
        Self::new(layout.video.rate())
    }

    /// Takes the next field, whose RTP timestamp is `ticks`. Returns the frame that is finished by it.
    pub(crate) fn push(&mut self, field: Field, ticks: u32, buffer: B) -> Option<Pair<B>> {
        let before = self.first.take();
        match (field, before) {
            (Field::First, before) => {
                self.first = Some((ticks, buffer));
                before.map(|(_, alone)| Pair::First(alone))
            }
            (Field::Second, None) => Some(Pair::Second(buffer)),
            (Field::Second, Some((at, first))) => {
                if are_of_one_frame(self.rate, at, ticks) {
                    return Some(Pair::Both(first, buffer));
                }
                self.second = Some(buffer);
                Some(Pair::First(first))
            }
        }
    }

    /// A frame that was finished together with the last one.
    pub(crate) fn take_waiting(&mut self) -> Option<Pair<B>> {
        self.second.take().map(Pair::Second)
    }

    /// Drops the fields that it holds.
    pub(crate) fn clear(&mut self) {
        (self.first, self.second) = (None, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fields by parity and time, in units of half a frame time at 25 frames a second.
    fn pairs(fields: &[(Field, u32)]) -> Vec<Pair<u32>> {
        let (mut pairing, mut out) = (Pairing::new("25".parse().unwrap()), Vec::new());
        for (field, at) in fields {
            // So that the timestamps wrap.
            let ticks = (at * 1_800).wrapping_sub(4_000);
            out.extend(pairing.push(*field, ticks, *at));
            out.extend(pairing.take_waiting());
        }
        out
    }

    #[test]
    fn fields_in_turn_then_pairs() {
        use Field::{First, Second};
        let fields = [(First, 0), (Second, 1), (First, 2), (Second, 3)];
        assert_eq!(pairs(&fields), [Pair::Both(0, 1), Pair::Both(2, 3)]);
        // Both of one time, as some senders have it.
        assert_eq!(pairs(&[(First, 4), (Second, 4)]), [Pair::Both(4, 4)]);
    }

    #[test]
    fn fields_lost_then_the_others_alone_and_never_of_two_frames() {
        use Field::{First, Second};
        assert_eq!(pairs(&[(Second, 1)]), [Pair::Second(1)]);
        assert_eq!(
            pairs(&[(First, 0), (First, 2), (Second, 3)]),
            [Pair::First(0), Pair::Both(2, 3)]
        );
        assert_eq!(
            pairs(&[(First, 0), (Second, 3), (First, 4), (Second, 5)]),
            [Pair::First(0), Pair::Second(3), Pair::Both(4, 5)]
        );
        // A sender that began anew, earlier.
        assert_eq!(
            pairs(&[(First, 9), (Second, 1), (Second, 2)]),
            [Pair::First(9), Pair::Second(1), Pair::Second(2)]
        );
    }

    #[test]
    fn fields_of_59_94_then_pairs_however_their_times_are_rounded() {
        let mut pairing = Pairing::new("30000/1001".parse().unwrap());
        for (first, second) in [(0_u32, 1_501), (3_003, 4_505), (6_006, 7_507)] {
            assert_eq!(pairing.push(Field::First, first, first), None);
            let pair = pairing.push(Field::Second, second, second);
            assert_eq!(pair, Some(Pair::Both(first, second)));
        }
        pairing.push(Field::First, 9_009, 1);
        let pair = pairing.push(Field::Second, 9_009 + 4_504, 2);
        assert_eq!(pair, Some(Pair::First(1)));
    }
}
