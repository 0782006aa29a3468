//! A frame of a send session that its client submits open: in every order of its steps with those of the poller, with a
//! death at any step, and an evict at any time.
//!
//! One frame, which is loaned up to three times, of two lines. Memory is sequentially consistent: `tests/loom_gate/fill.rs`
//! has the orderings. The client's calls, its slots and the drain are in [`explorer`](super::explorer): to them an
//! open frame is a held one.

use super::plain;
use super::search::{Model, Steps, is_caught, passes};

const CLIENT: &str = "client";
const POLLER: &str = "poller";
const CONTROL: &str = "control";

/// Loans of the frame.
const LOANS: u8 = 3;
const LINES: usize = 2;

plain! {
    enum FrameState { Free, Ready, Held, Released, Revoked, }

    /// The next step of the client. It chooses between a whole frame and an open one, and when it puts an open one.
    enum ClientAt { Take, Order, Open, Write, Count, Put, }

    /// A submitted frame, as the poller has it.
    struct Unit { serial: u8, open: bool, next: u8, seen: u8, }

    struct State {
        // Words that both write.
        word: (FrameState, u8),
        /// The client has given the frame a place in its order.
        ordered: bool,
        /// Serial and count of the progress word.
        fill: (u8, u8),
        /// The loan that each line was last written on.
        line: [u8; LINES],
        // The daemon's own.
        loaned: bool,
        serial: u8,
        opened: bool,
        /// Bit `serial - 1`: that loan was credited, or began to be sent.
        credited: u8,
        sent: u8,
        queue: [Unit; 2],
        under_way: Unit,
        evicted: bool,
        settled: bool,
        // Private to the client.
        at: ClientAt,
        /// The loan that it holds; 0 is none.
        holds: u8,
        opens: bool,
        written: u8,
        dead: bool,
    }
}

/// A broken invariant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Violation {
    /// A line was sent that its client had not written on this loan.
    SentOldLine,
    /// A loan was sent twice.
    SentTwice,
    CreditedTwice,
    /// A loan was credited while its client, neither dead nor evicted, still fills it.
    CreditedUnderHolder,
    /// A frame was loaned anew while an earlier loan of it waits to be sent.
    LentWhileSent,
    /// A loan that was put, or whose client is dead or evicted, is never credited.
    NotCredited,
    /// A submitted frame waits for ever.
    Stuck,
    /// A frame of an evicted client waits to be sent.
    SentAfterEvict,
}

/// A faulty step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mutant {
    /// The client counts a line before it writes it.
    CountedFirst,
    /// The progress of an earlier loan counts.
    AnySerial,
    /// A frame that was collected open is submitted once more when it is put.
    SentOnceMore,
    /// An open frame is credited when the poller collects it.
    CreditedAtCollect,
    /// An open frame is credited when all of it is there.
    CreditedWhenFilled,
    /// At a death each loan that was collected open is credited, also one that was put before.
    CreditedAtDeath,
    /// A frame that is not on loan is loaned anew, although it is not sent yet.
    LentEarly,
    /// An evict leaves the frame in the poller's queue.
    EvictKeepsQueue,
    /// An open frame waits for its lines, however long.
    WaitsForEver,
}

/// The model, with a faulty step, and whether the process can be killed or evicted.
#[derive(Clone, Copy, Debug, Default)]
struct OpenSend {
    mutant: Option<Mutant>,
    killed: bool,
    evicted: bool,
}

fn bit(serial: u8) -> u8 {
    1 << (serial - 1)
}

impl State {
    fn credit(&mut self) -> Result<(), Violation> {
        if self.credited & bit(self.serial) != 0 {
            return Err(Violation::CreditedTwice);
        }
        if self.holds == self.serial && !self.dead && !self.evicted {
            return Err(Violation::CreditedUnderHolder);
        }
        self.credited |= bit(self.serial);
        self.loaned = false;
        Ok(())
    }

    fn submit(&mut self, open: bool) {
        let unit = Unit {
            serial: self.serial,
            open,
            ..Unit::default()
        };
        let free = self.queue.iter().position(|it| it.serial == 0);
        self.queue[free.expect("at most two wait")] = unit;
    }

    fn has_work(&self) -> bool {
        self.under_way.serial != 0 || self.queue[0].serial != 0
    }

    fn drop_work(&mut self) {
        self.queue = Default::default();
        self.under_way = Unit::default();
    }
}

impl OpenSend {
    fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    fn client(&self, now: &State, steps: &mut Steps<State>) {
        let mut next = *now;
        let counts_first = self.is(Mutant::CountedFirst);
        let line = usize::from(now.written);
        let step = match now.at {
            ClientAt::Take if now.word.0 != FrameState::Ready => return,
            ClientAt::Take => {
                next.word.0 = FrameState::Held;
                (next.holds, next.written) = (now.word.1, 0);
                (next.opens, next.at) = (false, ClientAt::Write);
                steps.push(CLIENT, "take, to submit it whole", next);
                (next.opens, next.at) = (true, ClientAt::Order);
                "take, to submit it open"
            }
            ClientAt::Order => {
                next.ordered = true;
                next.at = if now.opens {
                    ClientAt::Open
                } else {
                    ClientAt::Put
                };
                "give it a place in the order"
            }
            ClientAt::Open => {
                next.fill = (now.holds, 0);
                next.at = if counts_first {
                    ClientAt::Count
                } else {
                    ClientAt::Write
                };
                "submit it open"
            }
            ClientAt::Write => {
                next.line[line] = now.holds;
                next.written += u8::from(!now.opens || counts_first);
                next.at = match (now.opens, usize::from(next.written)) {
                    (true, LINES) if counts_first => ClientAt::Put,
                    (true, _) => ClientAt::Count,
                    (false, LINES) => ClientAt::Order,
                    (false, _) => ClientAt::Write,
                };
                "write a line"
            }
            ClientAt::Count => {
                next.fill = (now.holds, now.written + 1);
                next.written += u8::from(!counts_first);
                next.at = match usize::from(next.written) {
                    LINES => ClientAt::Put,
                    _ => ClientAt::Write,
                };
                "count a line"
            }
            ClientAt::Put => {
                if now.word == (FrameState::Held, now.holds) {
                    next.word.0 = FrameState::Released;
                }
                (next.holds, next.at) = (0, ClientAt::Take);
                "put"
            }
        };
        steps.push(CLIENT, step, next);
        // It gives up.
        if now.opens && matches!(now.at, ClientAt::Write | ClientAt::Count) {
            next = *now;
            next.at = ClientAt::Put;
            steps.push(CLIENT, "give up", next);
        }
    }

    /// collect: credits what was put, and takes into its queue what was submitted.
    fn collect(&self, now: &State, steps: &mut Steps<State>) -> Result<(), Violation> {
        let mut next = *now;
        let (state, serial) = now.word;
        if !now.loaned || serial != now.serial {
            return Ok(());
        }
        let is_open = now.fill.0 == serial || self.is(Mutant::AnySerial) && now.fill.0 != 0;
        match state {
            FrameState::Released => {
                next.word.0 = FrameState::Free;
                next.credit()?;
                if now.ordered && (!now.opened || self.is(Mutant::SentOnceMore)) {
                    next.submit(is_open);
                }
                steps.push(POLLER, "credit a frame that was put", next);
            }
            FrameState::Held if !now.opened && now.ordered && is_open => {
                next.opened = true;
                next.submit(true);
                if self.is(Mutant::CreditedAtCollect) {
                    next.credit()?;
                }
                steps.push(POLLER, "collect an open frame", next);
            }
            _ => {}
        }
        Ok(())
    }

    fn lend(&self, now: &State, steps: &mut Steps<State>) -> Result<(), Violation> {
        let is_sent = now.has_work();
        let waits = is_sent && !self.is(Mutant::LentEarly);
        if now.loaned || now.serial == LOANS || waits || now.evicted || now.settled {
            return Ok(());
        }
        if is_sent {
            return Err(Violation::LentWhileSent);
        }
        let mut next = *now;
        next.serial += 1;
        (next.loaned, next.opened, next.ordered) = (true, false, false);
        next.word = (FrameState::Ready, next.serial);
        steps.push(POLLER, "loan the frame", next);
        Ok(())
    }

    fn send(&self, now: &State, steps: &mut Steps<State>) -> Result<(), Violation> {
        let mut next = *now;
        let unit = now.under_way;
        if unit.serial == 0 {
            let begins = now.queue[0];
            if begins.serial != 0 {
                if now.sent & bit(begins.serial) != 0 {
                    return Err(Violation::SentTwice);
                }
                next.sent |= bit(begins.serial);
                next.queue = [now.queue[1], Unit::default()];
                next.under_way = begins;
                steps.push(POLLER, "begin a frame", next);
            }
            return Ok(());
        }
        let (serial, count) = now.fill;
        let says = serial == unit.serial || self.is(Mutant::AnySerial);
        let seen = match unit.open {
            true if says => unit.seen.max(count),
            true => unit.seen,
            false => 2,
        };
        next.under_way.seen = seen;
        if unit.next < seen {
            if now.line[usize::from(unit.next)] != unit.serial {
                return Err(Violation::SentOldLine);
            }
            next.under_way.next += 1;
            if usize::from(next.under_way.next) == LINES {
                next.under_way = Unit::default();
                if self.is(Mutant::CreditedWhenFilled) && now.loaned && now.opened {
                    next.credit()?;
                }
            }
            steps.push(POLLER, "send a line", next);
        } else if !self.is(Mutant::WaitsForEver) {
            next.under_way = Unit::default();
            steps.push(POLLER, "end the frame: too late", next);
        }
        Ok(())
    }

    fn settle(&self, now: &State, steps: &mut Steps<State>) -> Result<(), Violation> {
        let mut next = *now;
        if self.evicted && !now.evicted && !now.settled {
            next.evicted = true;
            if !self.is(Mutant::EvictKeepsQueue) {
                next.drop_work();
            }
            if now.loaned {
                next.word = (FrameState::Revoked, now.serial);
                next.credit()?;
            }
            steps.push(CONTROL, "evict", next);
        }
        next = *now;
        // The poller returns the lender when it has sent what was submitted.
        if now.dead && !now.settled && !now.evicted && !now.has_work() {
            next.settled = true;
            let again = self.is(Mutant::CreditedAtDeath) && now.opened;
            if now.loaned || again {
                next.credit()?;
            }
            steps.push(CONTROL, "settle the process", next);
        }
        Ok(())
    }
}

impl Model for OpenSend {
    type State = State;
    type Violation = Violation;

    fn initial(&self) -> State {
        State::default()
    }

    fn successors(&self, now: &State, steps: &mut Steps<State>) -> Result<(), Violation> {
        if !now.dead {
            self.client(now, steps);
        }
        if !now.settled && !now.evicted {
            self.collect(now, steps)?;
            self.lend(now, steps)?;
        }
        if now.evicted && now.has_work() {
            return Err(Violation::SentAfterEvict);
        }
        self.send(now, steps)?;
        self.settle(now, steps)?;
        if self.killed && !now.dead {
            let mut next = *now;
            next.dead = true;
            steps.push_death("SIGKILL", next);
        }
        Ok(())
    }

    fn quiescent(&self, state: &State) -> Result<(), Violation> {
        if state.has_work() {
            return Err(Violation::Stuck);
        }
        let all = (1 << state.serial) - 1;
        match state.credited == all {
            true => Ok(()),
            false => Err(Violation::NotCredited),
        }
    }
}

const RUNS: OpenSend = OpenSend {
    mutant: None,
    killed: false,
    evicted: false,
};
const DIES: OpenSend = OpenSend {
    killed: true,
    ..RUNS
};

#[test]
fn open_send_in_every_order_then_holds() {
    passes(&RUNS);
}

#[test]
fn open_send_client_killed_at_any_step_then_holds() {
    passes(&DIES);
}

#[test]
fn open_send_client_evicted_at_any_step_then_holds() {
    let evicted = true;
    passes(&OpenSend { evicted, ..RUNS });
    passes(&OpenSend { evicted, ..DIES });
}

/// One `#[test]` for each mutant.
macro_rules! mutants {
    ($($name:ident: $mutant:ident, $base:expr => $violation:ident;)+) => {
        $(#[test]
        fn $name() {
            let mutant = Some(Mutant::$mutant);
            is_caught(&OpenSend { mutant, ..$base }, Violation::$violation);
        })+
    };
}

mutants! {
    counted_first_is_caught: CountedFirst, RUNS => SentOldLine;
    any_serial_is_caught: AnySerial, RUNS => SentOldLine;
    sent_once_more_is_caught: SentOnceMore, RUNS => SentTwice;
    credited_at_collect_is_caught: CreditedAtCollect, RUNS => CreditedUnderHolder;
    credited_when_filled_is_caught: CreditedWhenFilled, RUNS => CreditedUnderHolder;
    credited_at_death_is_caught: CreditedAtDeath, DIES => CreditedTwice;
    lent_early_is_caught: LentEarly, RUNS => LentWhileSent;
    evict_keeps_queue_is_caught: EvictKeepsQueue, OpenSend { evicted: true, ..RUNS } => SentAfterEvict;
    waits_for_ever_is_caught: WaitsForEver, DIES => Stuck;
}
