//! Ancillary timecode (ST 12-2): the time of a frame, and 32 bits of the user.

use std::fmt;

/// Words of user data of a timecode packet.
const WORDS: usize = 16;

/// Origin of a timecode packet (distributed binary bits, group 1; ST 12-2 §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimecodeSource {
    /// Linear timecode.
    Linear,
    /// Vertical interval timecode of the first field.
    FirstField,
    /// Vertical interval timecode of the second field.
    SecondField,
    /// Any other value.
    Other(u8),
}

impl TimecodeSource {
    const fn of_bits(bits: u8) -> Self {
        match bits {
            0 => Self::Linear,
            1 => Self::FirstField,
            2 => Self::SecondField,
            other => Self::Other(other),
        }
    }

    const fn bits(self) -> u8 {
        match self {
            Self::Linear => 0,
            Self::FirstField => 1,
            Self::SecondField => 2,
            Self::Other(bits) => bits,
        }
    }
}

/// A time of day in frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Timecode {
    /// 0 to 23.
    pub hours: u8,
    /// 0 to 59.
    pub minutes: u8,
    /// 0 to 59.
    pub seconds: u8,
    /// Frames; above 30 a second, pairs of them. 0 to 29.
    pub frames: u8,
    /// Frame numbers are dropped to follow the clock (ST 12-1 §7).
    pub drop_frame: bool,
    /// Its origin.
    pub source: TimecodeSource,
    /// The user's bits: binary group 1 is the lowest.
    pub user: u32,
}

impl Timecode {
    /// The timecode of a packet's user data; `None` if that is too short or names no time.
    #[must_use]
    pub fn of_data(data: impl IntoIterator<Item = u8>) -> Option<Self> {
        let mut words = [0; WORDS];
        let mut data = data.into_iter();
        for word in &mut words {
            *word = data.next()?;
        }
        let nibble = |at: usize| words[at] >> 4;
        let two = |units: usize, tens: usize, mask: u8| {
            let units = nibble(units);
            (units < 10).then_some((nibble(tens) & mask) * 10 + units)
        };
        let user = (0..8).fold(0, |all, group| {
            all | u32::from(nibble(2 * group + 1)) << (4 * group)
        });
        let source = (0..8).fold(0, |all, bit| all | (words[bit] >> 3 & 1) << bit);
        Some(Self {
            frames: two(0, 2, 3).filter(|it| *it < 30)?,
            seconds: two(4, 6, 7).filter(|it| *it < 60)?,
            minutes: two(8, 10, 7).filter(|it| *it < 60)?,
            hours: two(12, 14, 3).filter(|it| *it < 24)?,
            drop_frame: nibble(2) & 4 != 0,
            source: TimecodeSource::of_bits(source),
            user,
        })
    }

    /// The user data of a packet.
    #[must_use]
    pub fn to_data(self) -> [u8; WORDS] {
        let times = [self.frames, self.seconds, self.minutes, self.hours];
        let mut data = [0; WORDS];
        for (at, time) in times.into_iter().enumerate() {
            data[4 * at] = (time % 10) << 4;
            data[4 * at + 2] = (time / 10) << 4;
        }
        data[2] |= u8::from(self.drop_frame) << 6;
        for (group, word) in data.iter_mut().skip(1).step_by(2).enumerate() {
            let [nibble, ..] = (self.user >> (4 * group) & 0xf).to_le_bytes();
            *word |= nibble << 4;
        }
        for (bit, word) in data.iter_mut().take(8).enumerate() {
            *word |= (self.source.bits() >> bit & 1) << 3;
        }
        data
    }
}

/// `10:00:00:00`, or with dropped frame numbers `10:00:00;00`.
impl fmt::Display for Timecode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            hours,
            minutes,
            seconds,
            frames,
            ..
        } = self;
        let mark = if self.drop_frame { ';' } else { ':' };
        write!(f, "{hours:02}:{minutes:02}:{seconds:02}{mark}{frames:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn timecode_of_a_camera_then_its_text() {
        // 01:23:45;29, of linear timecode.
        let data = [
            0x90, 0, 0x60, 0, 0x50, 0, 0x40, 0, 0x30, 0, 0x20, 0, 0x10, 0, 0, 0,
        ];
        let timecode = Timecode::of_data(data).unwrap();
        assert_eq!(timecode.to_string(), "01:23:45;29");
        assert_eq!(
            (timecode.source, timecode.user),
            (TimecodeSource::Linear, 0)
        );
        assert_eq!(Timecode::of_data([0; 15]), None);
    }

    #[test]
    fn digits_of_no_time_then_no_timecode() {
        for (word, value) in [(0, 0xa0), (2, 0x30), (6, 0x60), (10, 0x60), (14, 0x30)] {
            let mut data = [0; WORDS];
            data[word] = value;
            assert_eq!(Timecode::of_data(data), None, "word {word}");
        }
    }

    proptest! {
        #[test]
        fn timecode_of_any_words_then_written_to_the_same_time(
            data in prop::array::uniform16(any::<u8>()),
        ) {
            if let Some(timecode) = Timecode::of_data(data) {
                prop_assert_eq!(Timecode::of_data(timecode.to_data()), Some(timecode));
            }
        }
    }
}
