//! Watches how often the pollers fault pages in.
//!
//! A client that punches holes in memory that it can write makes the poller that reads there fault
//! the pages in again, some microsecond each, and a frame has hundreds. A poller that faults much is
//! no proof: each page of new memory is faulted in once. So then the memory of the clients is looked at
//! closely for a while: a file that has fewer blocks than it had was punched, for nothing else takes
//! blocks away.

use std::time::{Duration, Instant};

/// Page faults of one poller between two patrols, a second apart, that ask for a closer look: some
/// 1 ms of its time.
const MANY: u64 = 1000;
/// The closer look: how often, and for how long.
const PAUSE: Duration = Duration::from_millis(10);
const SPAN: Duration = Duration::from_secs(1);

/// What is known of each poller, and when to look closely.
#[derive(Debug, Default)]
pub struct FaultWatch {
    /// Faults of each poller at the last patrol.
    seen: Vec<u64>,
    next: Option<Instant>,
    end: Option<Instant>,
}

impl FaultWatch {
    /// Takes what each poller's thread has faulted so far. Once a second.
    pub fn patrol(&mut self, now: Instant, faults: impl Iterator<Item = u64>) {
        for (poller, faults) in faults.enumerate() {
            if poller == self.seen.len() {
                self.seen.push(faults);
            }
            let before = std::mem::replace(&mut self.seen[poller], faults);
            if faults.saturating_sub(before) >= MANY {
                self.next = Some(now);
                self.end = Some(now + SPAN);
            }
        }
    }

    /// When the memory of the clients is to be looked at, if soon.
    pub fn at(&self) -> Option<Instant> {
        self.next
    }

    /// Whether it is to be looked at now.
    pub fn is_due(&mut self, now: Instant) -> bool {
        let due = self.next.is_some_and(|next| next <= now);
        if due {
            self.next = self.end.filter(|end| now < *end).map(|_| now + PAUSE);
        }
        due
    }
}

/// How many times a client's memory was seen to shrink before it is cut off. Once might be the kernel:
/// where it makes huge pages of shared memory it charges a file for all of one, and takes that back if
/// it fails.
const SHRINKS: u32 = 3;

/// The blocks of the memory that one client can write.
#[derive(Debug, Default)]
pub struct Blocks {
    most: u64,
    shrinks: u32,
}

impl Blocks {
    /// Takes how many there are now. Returns true, once, when the client is known to punch holes.
    pub fn are(&mut self, now: u64) -> bool {
        let shrunk = now < self.most;
        self.most = now;
        self.shrinks = self.shrinks.saturating_add(u32::from(shrunk));
        shrunk && self.shrinks == SHRINKS
    }
}

#[cfg(test)]
#[expect(non_snake_case, reason = "subject__action__then_result")]
mod tests {
    use super::*;

    #[test]
    fn blocks__that_grow__then_nothing_and_that_shrink_again_and_again__then_told_once() {
        let mut blocks = Blocks::default();
        assert!([0, 8, 8, 16, 400].iter().all(|now| !blocks.are(*now)));
        assert!([392, 400, 0, 8].iter().all(|now| !blocks.are(*now)));
        assert!(blocks.are(0));
        assert!([8, 0, 8, 0].iter().all(|now| !blocks.are(*now)));
    }

    #[test]
    fn faults__few__then_no_closer_look_and_many__then_for_a_second() {
        let mut watch = FaultWatch::default();
        let mut now = Instant::now();
        watch.patrol(now, [5000, 0].into_iter());
        watch.patrol(now, [5000 + MANY - 1, 0].into_iter());
        assert!(watch.at().is_none() && !watch.is_due(now));
        watch.patrol(now, [5000 + MANY, MANY].into_iter());
        let mut looks = 0;
        while let Some(at) = watch.at() {
            now = at;
            assert!(watch.is_due(now) && !watch.is_due(now));
            looks += 1;
        }
        assert_eq!(looks, 101);
    }
}
