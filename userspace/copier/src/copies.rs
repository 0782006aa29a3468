//! Copies under way.

use std::collections::VecDeque;
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use arrayvec::ArrayVec;
use onair_dpdk::{Burst, DmaChannel, Mbuf};
use onair_ipc::frames::FrameMemory;
use onair_mutant::mutant;

use crate::Channel;

/// Bytes of the least copy that an engine makes: the core is faster with less.
const LEAST_BYTES: usize = 256;
/// Most memories whose frames are written at once.
const MOST_MEMORIES: usize = 256;
/// How long a wait spins before it gives the core to others: an engine in software may need it. An engine reports
/// nothing (`rte_dmadev` has no interrupts), it is asked.
const SPIN: Duration = Duration::from_micros(50);
const PAUSE: Duration = Duration::from_micros(20);
/// An engine that ends nothing for so long is given up.
const PATIENCE: Duration = Duration::from_millis(100);

/// What was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counted {
    /// Copies that an engine made.
    pub by_engine: u64,
    /// Copies that an engine failed to make, and that the core made again.
    pub failed: u64,
    /// Whether the engine was given up.
    pub is_given_up: bool,
}

/// A copy that the engine has taken.
#[derive(Debug, Clone, Copy)]
struct Job {
    from: *const u8,
    to: *mut u8,
    length: u32,
}

impl Job {
    fn by_core(self) {
        // SAFETY: as for the engine, which has ended this copy, or all: the packet is in the copier's bursts and the
        // frame's memory in `memories` until no job is left.
        unsafe {
            self.to
                .copy_from_nonoverlapping(self.from, self.length as usize)
        };
    }
}

/// Begins copies of the packets that were lent. The engine may end them later.
#[derive(Debug)]
pub struct Copies<C: Channel = DmaChannel> {
    /// `None`: it was given up.
    engine: Option<C>,
    /// Under way, in their order.
    jobs: VecDeque<Job>,
    /// They stay mapped while jobs write into them.
    memories: Vec<FrameMemory>,
    /// Where the packets of the burst lie that is lent.
    packets: ArrayVec<(usize, usize), { Burst::CAPACITY }>,
    /// The packet of the last copy.
    at: usize,
    /// The engine has jobs that it may not begin yet.
    has_new: bool,
    counted: Counted,
}

// SAFETY: the pointers in its jobs are to memory that it owns a share of, or that its copier owns.
unsafe impl<C: Channel + Send> Send for Copies<C> {}

impl<C: Channel> Copies<C> {
    pub(crate) fn new(engine: C) -> Self {
        Self {
            engine: Some(engine),
            jobs: VecDeque::with_capacity(DmaChannel::DEPTH.into()),
            memories: Vec::with_capacity(MOST_MEMORIES),
            packets: ArrayVec::new_const(),
            at: 0,
            has_new: false,
            counted: Counted::default(),
        }
    }

    /// Whether an engine copies.
    pub(crate) const fn has_engine(&self) -> bool {
        self.engine.is_some()
    }

    pub(crate) const fn counted(&self) -> Counted {
        self.counted
    }

    /// From now on it copies from these packets. They stay until [`Self::wait`].
    pub(crate) fn allow(&mut self, packets: &[Mbuf]) {
        let spans = packets.iter().map(|packet| {
            let data = packet.data();
            (data.as_ptr().addr(), data.len())
        });
        self.packets = spans.collect();
        self.at = 0;
    }

    /// Begins a copy of `bytes` into frame `frame` of `memory` at `offset`. False: the core must copy them.
    ///
    /// # Panics
    /// As [`FrameMemory::write`].
    #[inline]
    #[must_use]
    pub fn copy(&mut self, memory: &FrameMemory, frame: u32, offset: usize, bytes: &[u8]) -> bool {
        if bytes.len() < LEAST_BYTES || !self.is_of_packet(bytes) {
            return false;
        }
        let (Some(engine), Ok(length)) = (&mut self.engine, u32::try_from(bytes.len())) else {
            return false;
        };
        if !self.memories.last().is_some_and(|it| it.is_same(memory)) {
            if self.memories.len() == MOST_MEMORIES {
                return false;
            }
            self.memories.push(memory.clone());
        }
        let job = Job {
            from: bytes.as_ptr(),
            to: memory.address(frame, offset, bytes.len()),
            length,
        };
        // SAFETY: `bytes` are of a packet that the copier keeps until `wait`, which ends the copy or the engine;
        // the address is in bounds of the mapping, which `memories` keeps as long.
        let taken = unsafe { engine.copy(job.from, job.to, length) };
        if taken {
            self.jobs.push_back(job);
            self.has_new = true;
        }
        taken
    }

    /// Whether these bytes are of a packet that is lent. The next copy is nearly always of the same packet or the
    /// next one.
    #[inline]
    fn is_of_packet(&mut self, bytes: &[u8]) -> bool {
        let first = bytes.as_ptr().addr();
        let has = |(start, length): &(usize, usize)| {
            first >= *start && first + bytes.len() <= start + length
        };
        let from = self.packets.iter().skip(self.at);
        let found = from.chain(&self.packets[..self.at.min(self.packets.len())]);
        match found.enumerate().find(|(_, it)| has(it)) {
            Some((steps, _)) => {
                self.at = (self.at + steps) % self.packets.len();
                true
            }
            None => false,
        }
    }

    /// Lets the engine begin what it took.
    #[inline]
    pub(crate) fn submit(&mut self) {
        if std::mem::take(&mut self.has_new)
            && let Some(engine) = &mut self.engine
        {
            engine.submit();
        }
    }

    /// Waits until all copies have ended.
    #[inline]
    pub fn wait(&mut self) {
        if !self.jobs.is_empty() {
            self.wait_for_jobs();
        }
        self.memories.clear();
    }

    fn wait_for_jobs(&mut self) {
        self.submit();
        let mut last = Instant::now();
        while !self.jobs.is_empty() {
            if self.reap() > 0 {
                last = Instant::now();
                continue;
            }
            match last.elapsed() {
                waited if waited < SPIN => std::hint::spin_loop(),
                waited if waited < PATIENCE => thread::sleep(PAUSE),
                _ => self.give_up(),
            }
        }
    }

    /// Takes note of copies that have ended. Returns how many.
    fn reap(&mut self) -> usize {
        let Some(engine) = &mut self.engine else {
            return 0;
        };
        let mut failed = [false; DmaChannel::TOLD];
        let count = engine.completed(&mut failed);
        for (job, failed) in self.jobs.drain(..count).zip(failed) {
            if failed && !mutant!("copies: one that failed is not made again") {
                job.by_core();
                self.counted.failed += 1;
            } else {
                self.counted.by_engine += 1;
            }
        }
        count
    }

    /// The engine hangs: without it the core makes all copies.
    #[cold]
    fn give_up(&mut self) {
        let Some(mut engine) = self.engine.take() else {
            return;
        };
        let name = engine.name().to_owned();
        tracing::error!("DMA engine {name} ends no copy: it is stopped, and the core copies");
        if !engine.stop() {
            // It may write into memory at any time, of whomever that is then. The log may not get to write this.
            eprintln!("onaird: DMA engine {name} ends no copy and does not stop: the daemon ends");
            process::abort();
        }
        self.counted.is_given_up = true;
        self.counted.failed += self.jobs.len() as u64;
        self.jobs.drain(..).for_each(Job::by_core);
    }
}
