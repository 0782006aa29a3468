//! The poller: publishes frames, credits returned ones, takes back the oldest when it has none.

use super::*;
use PollerAt::*;

plain! {
    /// The next step of the poller. `Idle` is between two bursts: it may lend, credit, take back, or
    /// hand its box over. Then publish: entry and tail, event count, waiters, wake. Mutants only:
    /// the three that read the waiters before the event count moves.
    enum PollerAt {
        Idle, StoreEntry, Notify, LookAtWaiters, WakeOne,
        LookAtWaitersEarly, NotifyAlone, NotifyThenWake,
        HandedOver,
    }

    struct Poller {
        at: PollerAt,
        publishes_left: u8,
        /// The loan that is being published.
        lend: Loan,
    }
}

impl Explorer {
    pub(super) fn poller(
        &self,
        now: &State,
        next: &mut State,
        steps: &mut Steps<State>,
    ) -> Result<Move, Violation> {
        let early = self.is(Mutant::WakeBeforePublish);
        let reads_early = self.is(Mutant::WaitersBeforeCount) || self.is(Mutant::BothWaiters);
        let publishes_left = now.poller.publishes_left;
        let done = Poller {
            publishes_left,
            ..Poller::default()
        };
        let published = match early {
            true => Poller {
                at: StoreEntry,
                ..now.poller
            },
            false => done,
        };
        Ok(match now.poller.at {
            Idle if self.is_revoking(now) => Move::Blocked,
            Idle => {
                self.credit_released(now, steps)?;
                if publishes_left > 0 && !now.control.reconciled {
                    return self.lend(now, next);
                }
                Move::Blocked
            }
            StoreEntry => {
                next.ring[usize::from(now.tail)] = now.poller.lend;
                next.tail += 1;
                match (early, reads_early) {
                    (true, _) => next.poller = done,
                    (_, true) => next.poller.at = LookAtWaitersEarly,
                    _ => next.poller.at = Notify,
                }
                Move::Step("ring entry and tail")
            }
            Notify => {
                next.event_count += 1;
                next.poller.at = LookAtWaiters;
                Move::Step("event count += 1")
            }
            LookAtWaiters => {
                if now.waiters == 0 {
                    next.poller = published;
                } else {
                    next.poller.at = WakeOne;
                }
                Move::Step("read waiters")
            }
            WakeOne => {
                next.poller = published;
                Move::Wake(Whom::One, "wake one")
            }
            LookAtWaitersEarly => {
                let asleep = now.waiters > 0;
                next.poller.at = if asleep { NotifyThenWake } else { NotifyAlone };
                Move::Step("read waiters, early")
            }
            NotifyAlone => {
                next.event_count += 1;
                next.poller = done;
                Move::Step("event count += 1, no wake")
            }
            NotifyThenWake => {
                next.event_count += 1;
                next.poller.at = WakeOne;
                Move::Step("event count += 1")
            }
            HandedOver => Move::Blocked,
        })
    }

    /// Credits each frame whose word says RELEASED under the ledger's serial.
    fn credit_released(&self, now: &State, steps: &mut Steps<State>) -> Result<(), Violation> {
        for frame in (0..FRAMES).filter(|&it| now.is_lent_and(it, FrameState::Released)) {
            let mut next = *now;
            next.word[frame] = FrameWord::default();
            credit(&mut next, now.loan(frame))?;
            steps.push(POLLER, "credit a released frame", next);
        }
        Ok(())
    }

    /// Loans a free frame, or takes back the oldest one when all are on loan.
    fn lend(&self, now: &State, next: &mut State) -> Result<Move, Violation> {
        if let Some(frame) = (0..FRAMES).find(|&frame| !now.ledger[frame].lent) {
            next.poller.publishes_left -= 1;
            let serial = self.scenario.publishes - next.poller.publishes_left;
            next.ledger[frame] = LedgerLine { lent: true, serial };
            next.word[frame] = FrameWord::new(FrameState::Ready, serial, 0);
            next.poller.lend = next.loan(frame);
            next.poller.at = self.either(Mutant::WakeBeforePublish, Notify, StoreEntry);
            return Ok(Move::Step("lend a frame: word = READY"));
        }
        let oldest = (0..FRAMES)
            .min_by_key(|&frame| now.ledger[frame].serial)
            .expect("there are frames");
        let taken_back = match self.is(Mutant::ReclaimNoCas) {
            true => now.word[oldest].state != FrameState::Released,
            false => now.is_lent_and(oldest, FrameState::Ready),
        };
        if !taken_back {
            return Ok(Move::Blocked);
        }
        next.word[oldest] = FrameWord::default();
        credit(next, now.loan(oldest))?;
        Ok(Move::Step("take back the oldest frame"))
    }
}
