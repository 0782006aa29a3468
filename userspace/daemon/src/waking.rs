//! Sleepers that are to be woken, some at a time, so that others are served between.
//!
//! Waking thousands takes milliseconds. Whoever closes a gate or moves a bell enters the attachment
//! here; the first some are woken at once, the others in the turns of the actor.

use std::collections::VecDeque;
use std::sync::Arc;

use onair_ipc::memory::AttachmentMemory;

/// Sleepers woken in one turn, some 2 µs each.
const CHUNK: u32 = 64;
/// Sleepers of one attachment that are woken at most: its client says how many there are.
const MOST: u32 = 1 << 16;

/// Attachments whose bells were moved, each with the number of those that may still sleep.
#[derive(Debug, Default)]
pub struct Waking {
    rest: VecDeque<(Arc<AttachmentMemory>, u32)>,
}

impl Waking {
    /// Enters an attachment whose bells were moved.
    ///
    /// As many are woken as slept at that moment. Without that limit a thread that wakes and sleeps
    /// again, which the kernel then counts among the woken, would keep it here for ever.
    pub fn enter(&mut self, memory: &Arc<AttachmentMemory>) {
        let sleepers = memory.sleepers().min(MOST);
        if sleepers == 0 {
            return;
        }
        let entered = self
            .rest
            .iter_mut()
            .find(|(other, _)| other.attachment() == memory.attachment());
        match entered {
            Some((_, left)) => *left = sleepers.max(*left),
            None => self.rest.push_back((Arc::clone(memory), sleepers)),
        }
    }

    /// Wakes the next some. An attachment that has more goes to the end of the line.
    pub fn turn(&mut self) {
        let mut budget = CHUNK;
        while budget > 0
            && let Some((memory, left)) = self.rest.pop_front()
        {
            let some = budget.min(left);
            let more = memory.wake_some(u16::try_from(some).unwrap_or(u16::MAX));
            if more && left > some {
                self.rest.push_back((memory, left - some));
            }
            budget -= some;
        }
    }

    /// Whether all are awake.
    pub fn is_done(&self) -> bool {
        self.rest.is_empty()
    }

    /// Wakes all: nobody is to be served any more.
    pub fn finish(&mut self) {
        while !self.is_done() {
            self.turn();
        }
    }
}

#[cfg(test)]
#[expect(non_snake_case, reason = "subject__action__then_result")]
mod tests {
    use std::os::fd::OwnedFd;
    use std::thread::JoinHandle;

    use onair_ipc::caller::{Attachment, Deadline, Lease, Refusal};
    use onair_ipc::frames::FrameMemory;
    use onair_ipc::layout::{Geometry, VERSION};
    use onair_ipc::message::Attached;
    use onair_ipc::sys;

    use super::*;

    /// An attachment that runs, and its client, which is this process.
    fn attachment(number: u64) -> (Arc<AttachmentMemory>, Arc<Attachment>) {
        let geometry = Geometry::new(2, 4096).unwrap();
        let memory = Arc::new(AttachmentMemory::create(1, number, geometry).unwrap());
        let frames = FrameMemory::create(geometry, true).unwrap();
        memory.open();
        memory.start();
        let attached = Attached {
            session: String::new(),
            name: String::new(),
            attachment: number,
            owner: false,
            sends: false,
            version: VERSION,
            geometry,
            width: 2,
            height: 2,
            depth: 8,
            rate_numerator: 60,
            rate_denominator: 1,
            watched: false,
        };
        let (ctl, seg) = memory.for_client().unwrap();
        let files = [ctl, seg, frames.for_client().unwrap()];
        let socket = OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        let plain = sys::membarrier_register();
        let client = Attachment::map(&attached, 1, files, socket, plain).unwrap();
        (memory, client)
    }

    fn sleep(client: &Arc<Attachment>, count: u32) -> Vec<JoinHandle<Result<Lease, Refusal>>> {
        let callers = (0..count).map(|_| {
            let client = Arc::clone(client);
            std::thread::spawn(move || client.get(Deadline::Never))
        });
        callers.collect()
    }

    fn asleep(memory: &AttachmentMemory, count: u32) {
        while memory.sleepers() != count {
            std::thread::yield_now();
        }
    }

    #[test]
    fn waking__more_than_a_chunk_in_two_attachments__then_in_turns_and_all() {
        let (one, other) = (attachment(1), attachment(2));
        let mut callers = sleep(&one.1, 150);
        callers.extend(sleep(&other.1, 10));
        asleep(&one.0, 150);
        asleep(&other.0, 10);
        let mut waking = Waking::default();
        for memory in [&one.0, &other.0] {
            memory.stop();
            waking.enter(memory);
            waking.enter(memory);
        }
        let mut turns = 0;
        while !waking.is_done() {
            waking.turn();
            turns += 1;
        }
        assert_eq!(turns, 3, "64 of the one; 10 of the other and 54; 32");
        for caller in callers {
            assert_eq!(caller.join().unwrap(), Err(Refusal::Again));
        }
    }

    #[test]
    fn waking__sleepers_that_sleep_again__then_it_ends() {
        let (memory, client) = attachment(1);
        let callers = sleep(&client, 100);
        asleep(&memory, 100);
        let mut waking = Waking::default();
        for _ in 0..20 {
            // No gate is closed: each of them looks, and sleeps again.
            memory.strike_all();
            waking.enter(&memory);
            waking.finish();
        }
        memory.stop();
        waking.enter(&memory);
        waking.finish();
        for caller in callers {
            assert_eq!(caller.join().unwrap(), Err(Refusal::Again));
        }
    }
}
