//! The daemon's side of loans to one attachment, with the ledger of the loans.
//!
//! The frame words are in memory that the client can write. So the daemon keeps the truth in memory of its own:
//! the *ledger*. A frame is on loan from its publication until it is credited here, whatever the shared words
//! say. A client that scribbles harms itself alone.
//!
//! The ledger has one owner at a time: the poller while the session runs, the control thread after the hand-back.
//! Its life:
//!
//! 1. *Publish.* [`Lender::publish`] enters the loan under a new serial, then writes the description, the frame
//!    word (READY), the entry of the ring, the tail, the event count, and wakes one caller. The ledger is first:
//!    a client that takes the frame at once is expected already. The word comes after description and content
//!    (SYNC frame-publish), or a caller could read the frame of before. The ring is a hint: a caller takes a
//!    frame by a compare-and-exchange on its word, with the ring's serial.
//! 2. *Taken, returned.* The client does that alone: READY → HELD → RELEASED. The daemon is not told.
//! 3. *Reap.* [`Lender::reap`] walks the ledger, not the words: RELEASED under the ledger's serial is a credit.
//!    READY or HELD is still on loan. A conforming caller writes no other value: it is a violation, stays on loan,
//!    and gets the client evicted. A frame that was *submitted open* is HELD, too: [`Lender::collect`] reports it
//!    once, and the poller sends of it what [`Lender::progress`] says is filled. It stays a loan until it is returned.
//! 4. *Drop.* A client that uses its quota up loses its oldest frame that no caller took
//!    ([`Lender::drop_oldest`]). The swap READY → FREE decides against a caller that takes it at this moment: one
//!    of the two wins.
//!
//! *The serial* tells loans of one frame apart. Without it a second put, a late one, or one of a dead thread
//! would end the next loan of the same frame, and the frame would be filled while a client reads it.
//!
//! *Ends.* After a stop [`Lender::settle`] reaps, and takes back all that no caller took; what remains are frames
//! that callers hold. A dead thread is credited with the one frame that its slot names, if the word names that
//! slot and serial ([`Lender::credit_dead_thread`]); a dead process with all ([`Lender::credit_dead_process`]).
//! [`Lender::revoke`] is for a client that still runs: it swaps each word for a value on which no put succeeds,
//! and reports what it found there. Whether a frame may be filled again depends on that: of one that was HELD, a
//! thread may still read the bytes.
//!
//! Each of these removes the entry of the ledger, so each loan is credited once. `published`, `returned` and
//! `withdrawn` go into the certificate.
//!
//! Read on in `frame_word.rs` (the swaps), `caller/call.rs` (the other side), `docs/gate.md` (publish, reap,
//! evict).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use onair_mutant::mutant;
use serde::{Deserialize, Serialize};

use super::open::OpenLoans;
use crate::frame_word::FrameState;
use crate::memory::AttachmentMemory;
use crate::meta::FrameMeta;
use crate::slot::SlotReading;
use crate::sys;

/// Why a frame was not loaned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the attachment has its whole quota of frames on loan")]
pub struct QuotaUsed;

/// A returned frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credit {
    /// Index of the frame.
    pub frame: u32,
    /// Send sessions: the client submitted it, in this order (the client writes the number);
    /// `None`: it was returned unused, or [`Lender::collect`] has reported it.
    pub submitted: Option<u64>,
}

/// A frame that its client submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Submission {
    /// Index of the frame.
    pub frame: u32,
    /// The client submitted it in this order (the client writes the number).
    pub order: u64,
    /// It was submitted open under this serial: [`Lender::progress`] says how far it is filled.
    pub open: Option<u32>,
}

/// State of a frame on loan.
enum LoanState {
    /// Returned; with its order, if it was submitted and not reported yet.
    Returned { submitted: Option<u64> },
    /// A caller holds it.
    Held,
}

/// A word that no conforming caller can have written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// Index of the frame.
    pub frame: u32,
    /// The word.
    pub word: u64,
}

/// A frame on loan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoanedFrame {
    /// Index of the frame.
    pub frame: u32,
    /// Serial of the loan.
    pub serial: u32,
    /// State in its word, which the client can write.
    pub state: Option<FrameState>,
    /// Slot of the holder, while held.
    pub slot: u16,
    /// Time of the loan: CLOCK_MONOTONIC, ns.
    pub since_ns: u64,
}

/// A frame that was on loan to an evicted attachment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// Index of the frame.
    pub frame: u32,
    /// State in its word, which the client can write.
    pub found: FoundState,
}

/// State of a frame when the daemon took it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoundState {
    /// Already returned.
    Returned,
    /// No caller had taken it.
    Unread,
    /// Held, or its word has a value that no conforming caller can have written. A thread may be
    /// reading it.
    Held,
}

#[derive(Clone, Copy, Debug)]
struct LenderEntry {
    frame: u32,
    serial: u32,
    since_ns: u64,
    /// [`Lender::collect`] reported it: its return is no further submission.
    opened: bool,
}

/// Loans frames to one attachment.
#[derive(Debug)]
pub struct Lender {
    memory: Arc<AttachmentMemory>,
    open: OpenLoans,
    takes_open: bool,
    ledger: Vec<LenderEntry>,
    quota: usize,
    serial: u32,
    tail: u64,
    returned: u64,
    withdrawn: u64,
    violation: Option<Violation>,
    after: Option<u32>,
    fills: bool,
    samples: bool,
}

impl Lender {
    /// A lender with an empty ledger. It has at most `quota` frames on loan at a time.
    pub fn new(memory: Arc<AttachmentMemory>, quota: u32) -> Self {
        let quota = quota.min(memory.geometry().frames) as usize;
        Self {
            memory,
            open: OpenLoans::default(),
            takes_open: false,
            ledger: Vec::with_capacity(quota),
            quota,
            serial: 0,
            tail: 0,
            returned: 0,
            withdrawn: 0,
            violation: None,
            after: None,
            fills: false,
            samples: false,
        }
    }

    /// Its client has attached again: the last unit that it had is of this RTP timestamp, as it says.
    #[must_use]
    pub fn of_client_that_had(mut self, timestamp: Option<u32>) -> Self {
        self.after = timestamp;
        self
    }

    /// Its client fills frames of a local session that others read, or is one of those.
    #[must_use]
    pub fn of_role(mut self, fills: bool) -> Self {
        self.fills = fills;
        self
    }

    /// Whether its client fills frames that the readers of the session share.
    #[inline]
    pub fn fills(&self) -> bool {
        self.fills
    }

    /// Its client takes some frames, not all, if `samples`.
    #[must_use]
    pub fn of_sampler(mut self, samples: bool) -> Self {
        self.samples = samples;
        self
    }

    /// Whether its client takes some frames, not all: one that it does not take is not lost.
    #[inline]
    pub fn samples(&self) -> bool {
        self.samples
    }

    /// The RTP timestamp of the last unit that its client had of an earlier attachment, as the client says.
    pub fn after(&self) -> Option<u32> {
        self.after
    }

    /// The attachment's number.
    pub fn attachment(&self) -> u64 {
        self.memory.attachment()
    }

    /// The attachment's shared memory.
    pub fn memory(&self) -> &Arc<AttachmentMemory> {
        &self.memory
    }

    /// Most frames on loan at a time.
    pub fn quota(&self) -> usize {
        self.quota
    }

    /// Frames on loan.
    pub fn loaned(&self) -> usize {
        self.ledger.len()
    }

    /// Whether `frame` is on loan to this attachment.
    pub fn has(&self, frame: u32) -> bool {
        self.ledger.iter().any(|entry| entry.frame == frame)
    }

    /// The description of a frame that its client filled and described. The client can write it: check it.
    pub fn description(&self, frame: u32) -> FrameMeta {
        self.memory.words.metas()[frame as usize].read()
    }

    /// The frames on loan, with the state in their words.
    pub fn loans(&self) -> impl Iterator<Item = LoanedFrame> + '_ {
        self.ledger.iter().map(|entry| {
            let tag = self.memory.words.frame_words()[entry.frame as usize].load();
            let ours = tag.serial == entry.serial;
            LoanedFrame {
                frame: entry.frame,
                serial: entry.serial,
                state: if ours { tag.state() } else { None },
                slot: tag.slot,
                since_ns: entry.since_ns,
            }
        })
    }

    /// Loans `frame`, whose contents are complete, described by `meta`, and wakes one caller. In a
    /// send session the frame is empty, for the client to fill.
    ///
    /// # Errors
    /// [`QuotaUsed`] if the quota is used up.
    ///
    /// # Panics
    /// If the frame is already on loan to this attachment, or does not exist: a bug of the caller.
    pub fn publish(&mut self, frame: u32, meta: &FrameMeta) -> Result<(), QuotaUsed> {
        let serial = self.enter(frame, meta)?;
        self.offer(frame, serial);
        let words = &self.memory.words;
        if mutant!(
            "publish: the event count does not move",
            words.frame_ready().is_awaited(),
            words.frame_ready().notify()
        ) {
            // One frame, one caller: the client chooses how many sleep.
            sys::futex_wake(words.frame_ready().word(), 1);
        }
        // After the notification, which is a fence. SYNC: takes-open.
        match self.ask_for_open() {
            true => self.memory.words.notify_progress(),
            false => self.memory.words.notify_watch(),
        }
        Ok(())
    }

    /// Whether the client takes frames while they are received, as it said when it was loaned the last frame.
    pub fn takes_open(&self) -> bool {
        self.takes_open
    }

    /// Reads whether the client takes frames while they are received.
    pub fn ask_for_open(&mut self) -> bool {
        self.takes_open = self.memory.words.takes_open();
        self.takes_open
    }

    /// Whether a unit that was loaned while it is received has not ended.
    pub fn has_open(&self) -> bool {
        !self.open.are_none()
    }

    /// Loans `frame`, of which nothing stands yet. `meta` says what is known of it, and that all its bytes are
    /// missing. Call [`Self::end_open`] when it has ended, whatever became of the loan.
    ///
    /// # Errors
    /// [`QuotaUsed`] if the quota is used up, or two are open.
    ///
    /// # Panics
    /// As [`Self::publish`].
    pub fn publish_open(&mut self, frame: u32, meta: &FrameMeta) -> Result<(), QuotaUsed> {
        if self.open.are_full() {
            return Err(QuotaUsed);
        }
        let serial = self.enter(frame, meta)?;
        self.open.add(&self.memory, frame, serial);
        self.offer(frame, serial);
        self.memory.words.notify_progress();
        Ok(())
    }

    /// So many bytes of `frame` stand in memory, from its first on, and do not change any more. Wakes a sleeper that
    /// asked for so many.
    pub fn advance(&mut self, frame: u32, bytes: u32) {
        self.open.advance(&self.memory, frame, bytes);
    }

    /// Nothing more is written to `frame`; `meta` describes it. Returns whether it was loaned here while it was
    /// received: then there is nothing to loan any more.
    pub fn end_open(&mut self, frame: u32, meta: &FrameMeta) -> bool {
        self.open.end(&self.memory, frame, meta)
    }

    /// Enters the loan, and describes the frame. Returns the loan's serial.
    fn enter(&mut self, frame: u32, meta: &FrameMeta) -> Result<u32, QuotaUsed> {
        assert!(!self.has(frame), "frame {frame} is on loan already");
        if self.ledger.len() >= self.quota {
            return Err(QuotaUsed);
        }
        // Serial 0 is never used: zeroed words have it.
        self.serial = self.serial.checked_add(1).unwrap_or(1);
        self.ledger.push(LenderEntry {
            frame,
            serial: self.serial,
            since_ns: meta.last_packet_ns,
            opened: false,
        });
        // Before the word is published: a caller that takes the frame finds its description complete.
        self.memory.words.metas()[frame as usize].write(meta);
        Ok(self.serial)
    }

    /// Lets callers take the frame.
    fn offer(&mut self, frame: u32, serial: u32) {
        let words = &self.memory.words;
        words.frame_words()[frame as usize].publish(serial);
        let ring = words.ready_ring();
        // The ring has a power of two of entries, at least four for each frame.
        let slot = usize::try_from(self.tail).expect("64-bit") & (ring.len() - 1);
        ring[slot].store(
            u64::from(serial) << 32 | u64::from(frame),
            Ordering::Relaxed,
        );
        self.tail += 1;
        // SYNC: frame-publish (the ring is a hint; the frame word carries the order).
        words.ready_tail().store(self.tail, Ordering::Release);
    }

    /// Credits the returned frames, each exactly once. SYNC: frame-release.
    pub fn reap(&mut self, mut credit: impl FnMut(Credit)) {
        self.look(|entry, seen| {
            if let LoanState::Returned { submitted } = seen {
                credit(Credit {
                    frame: entry.frame,
                    submitted,
                });
            }
        });
    }

    /// Send session: credits the returned frames like [`Self::reap`], and reports each frame that its client has
    /// submitted, once. A frame that was submitted open may still be on loan, until its client returns it.
    ///
    /// One look at each frame decides whether it is returned or held open: with a look for each, a frame that is returned
    /// between the two would be in neither, and a flush that begins then would not wait for it.
    pub fn collect(&mut self, mut submitted: impl FnMut(Submission)) {
        let memory = Arc::clone(&self.memory);
        self.look(|entry, seen| {
            let at = entry.frame as usize;
            let open = memory.words.fill_words()[at].reached(entry.serial);
            let order = match seen {
                LoanState::Returned { submitted } => submitted,
                // A client that wrote no order wrote the words itself.
                LoanState::Held if open.is_some() && !entry.opened => {
                    memory.words.metas()[at].submitted()
                }
                LoanState::Held => None,
            };
            let Some(order) = order else {
                return;
            };
            entry.opened = true;
            submitted(Submission {
                frame: entry.frame,
                order,
                open: open.map(|_| entry.serial),
            });
        });
    }

    /// Looks once at each frame on loan. `each` gets those that are returned, and those that a caller holds.
    fn look(&mut self, mut each: impl FnMut(&mut LenderEntry, LoanState)) {
        let words = &self.memory.words;
        let (returned, violation) = (&mut self.returned, &mut self.violation);
        self.ledger.retain_mut(|entry| {
            let word = &words.frame_words()[entry.frame as usize];
            let tag = word.load();
            match tag.state() {
                Some(FrameState::Released)
                    if tag.serial == entry.serial
                        || mutant!("reap: credits a frame with another serial") =>
                {
                    let collected =
                        entry.opened && !mutant!("open: sent once more when it is returned");
                    let submitted = words.metas()[entry.frame as usize]
                        .submitted()
                        .filter(|_| !collected);
                    if !mutant!("ledger: a returned frame is not counted") {
                        *returned += 1;
                    }
                    each(entry, LoanState::Returned { submitted });
                    word.clear();
                    return false;
                }
                Some(FrameState::Ready) if tag.serial == entry.serial => {}
                Some(FrameState::Held) if tag.serial == entry.serial => {
                    each(entry, LoanState::Held)
                }
                // Not credited: a thread may be reading the frame. The client is evicted for the first one found.
                _ => {
                    violation.get_or_insert(Violation {
                        frame: entry.frame,
                        word: tag.encode(),
                    });
                }
            }
            true
        });
    }

    /// How far the client says that it has filled `frame`, submitted open under `serial`, in the essence's steps: any
    /// number. 0 if the word is of another loan. SYNC: fill.
    #[inline]
    pub fn progress(&self, frame: u32, serial: u32) -> u32 {
        let words = self.memory.words.fill_words();
        let word = words.get(frame as usize);
        word.and_then(|it| it.reached(serial)).unwrap_or(0)
    }

    /// Takes back the oldest frame that no caller has taken. `None` if all are held.
    pub fn drop_oldest(&mut self) -> Option<u32> {
        let oldest = self.ledger.iter().position(|entry| {
            self.memory.words.frame_words()[entry.frame as usize].withdraw(entry.serial)
        })?;
        self.withdrawn += 1;
        // The ledger is in the order of the loans, so the first frame that can be withdrawn is the
        // oldest.
        Some(self.ledger.remove(oldest).frame)
    }

    /// After a stop: credits the returned frames, and takes back every frame that no caller has
    /// taken. What was open has ended.
    pub fn settle(&mut self, credit: impl FnMut(Credit)) {
        self.open.end_all(&self.memory);
        self.reap(credit);
        self.withdraw_all();
    }

    /// [`Self::settle`] of a send session: reports what [`Self::collect`] does.
    pub fn settle_submitted(&mut self, submitted: impl FnMut(Submission)) {
        self.collect(submitted);
        self.withdraw_all();
    }

    fn withdraw_all(&mut self) {
        while self.drop_oldest().is_some() {}
    }

    /// Loans so far.
    pub fn published(&self) -> u64 {
        self.tail
    }

    /// Of these, returned by a caller that had taken them.
    pub fn returned(&self) -> u64 {
        self.returned
    }

    /// Of these, taken back before a caller took them.
    pub fn withdrawn(&self) -> u64 {
        self.withdrawn
    }

    /// Credits the frame that a dead thread had taken inside its call, but only if the word names
    /// exactly the loan that its slot intended, and that slot. Returns the frame.
    pub fn credit_dead_thread(&mut self, slot: &SlotReading) -> Option<u32> {
        let frame = u32::try_from(slot.intent & 0xffff_ffff).expect("32 bits");
        let serial = u32::try_from(slot.intent >> 32).expect("32 bits");
        let at = self
            .ledger
            .iter()
            .position(|entry| entry.frame == frame && entry.serial == serial)?;
        let word = &self.memory.words.frame_words()[frame as usize];
        let tag = word.load();
        // Slot and serial, too: another thread may have won the frame that this one intended to take.
        let by_this_thread = tag.slot == slot.index
            || mutant!("death: a thread is credited with what another thread took");
        if tag.state() != Some(FrameState::Held) || tag.serial != serial || !by_this_thread {
            return None;
        }
        if !mutant!("death: a thread is credited twice") {
            word.clear();
            self.ledger.remove(at);
        }
        Some(frame)
    }

    /// Credits all loans: the process is dead, so no thread of it runs. Returns the frames; a
    /// second call returns none.
    pub fn credit_dead_process(&mut self) -> Vec<u32> {
        let clear = |entry: &LenderEntry| {
            self.memory.words.frame_words()[entry.frame as usize].clear();
            entry.frame
        };
        let frames = self.ledger.iter().map(clear).collect();
        if !mutant!("death: a process is credited twice") {
            self.ledger.clear();
        }
        frames
    }

    /// Takes all loans back from an evicted attachment. It swaps each word for one on which no put
    /// succeeds, credits each loan once, and reports it to `each`. The holder may still read a
    /// frame that is [`FoundState::Held`].
    pub fn revoke(&mut self, mut each: impl FnMut(Revoked)) {
        for entry in &self.ledger {
            let tag = self.memory.words.frame_words()[entry.frame as usize].revoke(entry.serial);
            let found = match tag.state() {
                Some(FrameState::Released) if tag.serial == entry.serial => FoundState::Returned,
                Some(FrameState::Ready) if tag.serial == entry.serial => FoundState::Unread,
                _ => mutant!(
                    "evict: a held frame counts as unread",
                    FoundState::Unread,
                    FoundState::Held
                ),
            };
            self.returned += u64::from(found == FoundState::Returned);
            each(Revoked {
                frame: entry.frame,
                found,
            });
        }
        if !mutant!("evict: the ledger keeps the loans") {
            self.ledger.clear();
        }
    }

    /// The first violation since the last call.
    pub fn take_violation(&mut self) -> Option<Violation> {
        self.violation.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Geometry;
    use crate::slot::Operation;

    fn lender() -> Lender {
        let geometry = Geometry::new(4, 100).expect("valid");
        let memory = AttachmentMemory::create(1, 1, geometry).expect("memory");
        Lender::new(Arc::new(memory), 3)
    }

    /// The daemon's reading of the slot `index` of a thread that was about to take `entry`.
    fn residue(index: u16, frame: u32, serial: u32) -> SlotReading {
        SlotReading {
            index,
            count: 1,
            ack: 0,
            owner: 10,
            operation: Operation::Get,
            intent: u64::from(serial) << 32 | u64::from(frame),
            claimed_at: 1,
        }
    }

    #[test]
    fn credit_dead_process_twice_then_each_loan_once() {
        let mut lender = lender();
        lender.publish(0, &FrameMeta::default()).unwrap();
        lender.publish(2, &FrameMeta::default()).unwrap();
        assert!(lender.memory.words.frame_words()[0].take(1, 5));
        assert_eq!(lender.credit_dead_process(), [0, 2]);
        assert_eq!(lender.credit_dead_process(), [0; 0]);
        assert_eq!(lender.loaned(), 0);
    }

    #[test]
    fn credit_dead_thread_its_frame_then_once() {
        let mut lender = lender();
        lender.publish(1, &FrameMeta::default()).unwrap();
        let dead = residue(7, 1, 1);
        assert_eq!(lender.credit_dead_thread(&dead), None, "not taken yet");
        assert!(lender.memory.words.frame_words()[1].take(1, 7));
        assert_eq!(lender.credit_dead_thread(&dead), Some(1));
        assert_eq!(lender.credit_dead_thread(&dead), None, "twice");
        assert_eq!(lender.loaned(), 0);
        // The same frame on another loan, held by the present owner of the slot.
        lender.publish(1, &FrameMeta::default()).unwrap();
        assert!(lender.memory.words.frame_words()[1].take(2, 7));
        assert_eq!(lender.credit_dead_thread(&dead), None, "an earlier loan");
        assert_eq!(lender.loaned(), 1);
    }

    #[test]
    fn credit_dead_thread_another_won_the_frame_then_it_keeps_it() {
        let mut lender = lender();
        lender.publish(1, &FrameMeta::default()).unwrap();
        assert!(lender.memory.words.frame_words()[1].take(1, 8));
        assert_eq!(lender.credit_dead_thread(&residue(7, 1, 1)), None);
        assert_eq!(lender.loaned(), 1);
        // A forged intent for a frame that does not exist credits nothing.
        assert_eq!(lender.credit_dead_thread(&residue(8, 99, 1)), None);
        assert_eq!(
            lender.credit_dead_thread(&residue(8, u32::MAX, u32::MAX)),
            None
        );
    }

    #[test]
    fn reap_released_under_another_serial_then_violation_uncredited() {
        let mut lender = lender();
        lender.publish(1, &FrameMeta::default()).unwrap();
        let word = &lender.memory.words.frame_words()[1];
        word.publish(9);
        assert!(word.take(9, 0) && word.release(9, 0).is_ok());
        lender.reap(|credit| panic!("{credit:?}"));
        assert_eq!(lender.loaned(), 1);
        assert!(lender.take_violation().is_some());
    }

    #[test]
    fn publish_serial_wraps_then_zero_is_never_loaned() {
        let mut lender = lender();
        lender.serial = u32::MAX - 1;
        for serial in [u32::MAX, 1, 2] {
            lender.publish(0, &FrameMeta::default()).unwrap();
            let word = &lender.memory.words.frame_words()[0];
            assert!(word.take(serial, 0), "{serial}");
            assert!(word.release(serial, 0).is_ok());
            lender.reap(|_| ());
            assert_eq!(lender.loaned(), 0);
        }
    }
}
