//! Gaps between blocks of samples, by their timestamps.

/// Gap between a block and the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Between {
    /// Nothing: it follows.
    Nothing,
    /// So many samples did not come.
    Samples(u32),
    /// The timestamps are of another time: they go back, or too far ahead.
    Jump,
}

/// The timestamps of blocks, one after the other.
#[derive(Debug, Clone, Copy, Default)]
pub struct Timeline {
    /// Timestamp of the sample that follows.
    next: Option<u32>,
}

impl Timeline {
    /// Adds a block of so many samples. A gap of more than `longest` samples is a jump.
    pub fn add(&mut self, timestamp: u32, samples: u32, longest: u64) -> Between {
        let next = self.next.replace(timestamp.wrapping_add(samples));
        match timestamp.wrapping_sub(next.unwrap_or(timestamp)) {
            0 => Between::Nothing,
            gap if u64::from(gap) <= longest => Between::Samples(gap),
            _ => Between::Jump,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_across_the_wrap_then_gaps_and_jumps_told_apart() {
        let mut timeline = Timeline::default();
        let mut add = |timestamp| timeline.add(timestamp, 10, 100);
        assert_eq!(add(u32::MAX - 14), Between::Nothing);
        assert_eq!(add(u32::MAX - 4), Between::Nothing);
        assert_eq!(add(105), Between::Samples(100));
        assert_eq!(add(216), Between::Jump);
        assert_eq!(add(225), Between::Jump);
        assert_eq!(add(235), Between::Nothing);
    }
}
