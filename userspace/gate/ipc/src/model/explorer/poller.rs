//! The poller: publishes frames, credits returned ones, takes back the oldest when it has none.

use super::*;

plain! {
    struct Poller {
        /// Its place in [`Scenario::publish`]. `None` between two bursts: it may loan, credit, take
        /// back, or hand its box over.
        at: Option<usize>,
        publishes_left: u8,
        /// The loan that is being published.
        loan: Loan,
        /// The control thread has its box.
        handed_over: bool,
    }
}

impl Explorer {
    pub(super) fn poller(
        &self,
        now: &GateState,
        next: &mut GateState,
        steps: &mut Steps<GateState>,
    ) -> Result<Move, Violation> {
        if let Some(at) = now.poller.at {
            let table = self.scenario.publish();
            let (moved, after) = self.scenario.take_step(table, at, now, next);
            next.poller.at = after;
            if after.is_none() {
                next.poller.loan = Loan::NONE;
            }
            return Ok(moved);
        }
        if now.poller.handed_over || self.scenario.is_revoking(now) {
            return Ok(Move::Blocked);
        }
        credit_released(now, steps)?;
        if now.poller.publishes_left == 0 || now.control.reconciled {
            return Ok(Move::Blocked);
        }
        self.loan(now, next)
    }

    /// Loans a free frame, or takes back the oldest one when all are on loan.
    fn loan(&self, now: &GateState, next: &mut GateState) -> Result<Move, Violation> {
        if let Some(frame) = (0..FRAMES).find(|&frame| !now.ledger[frame].loaned) {
            next.poller.publishes_left -= 1;
            let serial = self.scenario.publishes - next.poller.publishes_left;
            next.ledger[frame] = LedgerLine {
                loaned: true,
                serial,
            };
            next.word[frame] = FrameWord::new(FrameState::Ready, serial, 0);
            next.poller.loan = next.loan(frame);
            next.poller.at = Some(0);
            return Ok(Move::Step("lend a frame: word = READY"));
        }
        let oldest = (0..FRAMES)
            .min_by_key(|&frame| now.ledger[frame].serial)
            .expect("there are frames");
        let taken_back = match self.scenario.is(Mutant::ReclaimNoCas) {
            true => now.word[oldest].state != FrameState::Released,
            false => now.is_loaned_and(oldest, FrameState::Ready),
        };
        if !taken_back {
            return Ok(Move::Blocked);
        }
        next.word[oldest] = FrameWord::default();
        credit(next, now.loan(oldest))?;
        Ok(Move::Step("take back the oldest frame"))
    }
}

/// Credits each frame whose word says RELEASED under the ledger's serial.
fn credit_released(now: &GateState, steps: &mut Steps<GateState>) -> Result<(), Violation> {
    for frame in (0..FRAMES).filter(|&it| now.is_loaned_and(it, FrameState::Released)) {
        let mut next = *now;
        next.word[frame] = FrameWord::default();
        credit(&mut next, now.loan(frame))?;
        steps.push(POLLER, "credit a released frame", next);
    }
    Ok(())
}
