//! Frames of a session that is filled by one process after the other, and pages that a former one has pinned: in every
//! order of the steps of the fillers, of a reader, and of the daemon's three threads.
//!
//! One frame. A page that is taken out of the file is not in it again; each has a number.

use super::plain;
use super::search::{Model, Steps, is_caught, passes};

const FILLER: &str = "filler";
const READER: &str = "reader";
const POLLER: &str = "poller";
const CONTROL: &str = "control";
const FRESHENER: &str = "freshener";

/// Fillers, each with a tenure: the last one begins as soon as the earlier ones have no mapping.
const FILLERS: u8 = 3;
/// Frames that a filler submits at most.
const FRAMES: u8 = 2;

plain! {
    enum Age { Fresh, Stale, Idle, }

    /// The holder of the frame.
    enum Has { Nothing, Filler, Reader, }

    /// The next step of the thread that replaces pages.
    enum FreshenerAt { Look, TakeOut, Mark, }

    struct State {
        /// The page in the file.
        page: u8,
        /// By filler: it has the file mapped, and the page that it has pinned, plus one.
        mapped: [bool; 3],
        pinned: [u8; 3],
        /// The session's filler is attached.
        is_attached: bool,
        submitted: u8,
        tenure: u8,
        word: (u8, Age),
        has: Has,
        freshener: FreshenerAt,
        looked: (u8, Age),
    }
}

/// A broken invariant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Violation {
    /// A filler has a frame, or its reader, to which one that left can write.
    WrittenByFormer,
    /// The page was taken from a frame that a filler or a reader has.
    TakenFromUser,
    /// A filler is never loaned the frame.
    Starved,
}

/// A faulty step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mutant {
    /// The frame is loaned while it is not fresh.
    LoansStale,
    /// A tenure begins while a process of the one before can write.
    BeginsEarly,
    /// A read of an earlier tenure makes the frame fresh.
    AnyTenure,
    /// The frame is idle while a reader has it.
    IdleWhileRead,
}

#[derive(Clone, Copy, Debug, Default)]
struct Fresh {
    mutant: Option<Mutant>,
}

impl State {
    fn filler(&self) -> usize {
        usize::from(self.tenure) - 1
    }

    /// Whether one that is not the session's filler can write to the page in the file.
    fn is_written_by_former(&self) -> bool {
        let former = 0..self.filler();
        former
            .into_iter()
            .any(|it| self.mapped[it] || self.pinned[it] == self.page + 1)
    }
}

impl Fresh {
    fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    fn fillers(now: &State, steps: &mut Steps<State>) {
        for it in 0..usize::from(FILLERS) {
            if !now.mapped[it] {
                continue;
            }
            let mut next = *now;
            next.pinned[it] = now.page + 1;
            if next != *now {
                steps.push(FILLER, "pin the page", next);
            }
            if !now.is_attached || it != now.filler() {
                next = *now;
                next.mapped[it] = false;
                steps.push(FILLER, "unmap", next);
            }
        }
        if !now.is_attached {
            return;
        }
        let mut next = *now;
        if now.has == Has::Filler && now.submitted < FRAMES {
            next.submitted += 1;
            next.has = Has::Reader;
            steps.push(FILLER, "submit", next);
        }
        if now.tenure < FILLERS {
            next = *now;
            next.is_attached = false;
            if now.has == Has::Filler {
                next.has = Has::Nothing;
            }
            steps.push(FILLER, "leave", next);
        }
    }

    fn daemon(&self, now: &State, steps: &mut Steps<State>) {
        let mut next = *now;
        if now.has == Has::Reader {
            next.has = Has::Nothing;
            steps.push(READER, "put", next);
        }
        next = *now;
        let is_writable = now.mapped.contains(&true) && !self.is(Mutant::BeginsEarly);
        if !now.is_attached && now.tenure < FILLERS && !is_writable {
            next.tenure += 1;
            if now.tenure > 0 {
                next.word = (next.tenure, Age::Stale);
            }
            (next.is_attached, next.submitted) = (true, 0);
            next.mapped[next.filler()] = true;
            steps.push(CONTROL, "begin a tenure, and admit", next);
        }
        if !now.is_attached {
            return;
        }
        next = *now;
        let is_used = now.has != Has::Nothing;
        let may = !is_used || self.is(Mutant::IdleWhileRead);
        if now.word.1 == Age::Stale && may {
            next.word.1 = Age::Idle;
            steps.push(POLLER, "release", next);
        }
        next = *now;
        let is_fresh = now.word.1 == Age::Fresh || self.is(Mutant::LoansStale);
        if !is_used && is_fresh && now.submitted < FRAMES {
            next.has = Has::Filler;
            steps.push(POLLER, "loan", next);
        }
    }

    fn freshener(&self, now: &State, steps: &mut Steps<State>) -> Result<(), Violation> {
        let mut next = *now;
        match now.freshener {
            FreshenerAt::Look if now.word.1 == Age::Idle => {
                (next.looked, next.freshener) = (now.word, FreshenerAt::TakeOut);
                steps.push(FRESHENER, "look", next);
            }
            FreshenerAt::Look => {}
            FreshenerAt::TakeOut if now.has != Has::Nothing => {
                return Err(Violation::TakenFromUser);
            }
            FreshenerAt::TakeOut => {
                next.page += 1;
                next.freshener = FreshenerAt::Mark;
                steps.push(FRESHENER, "take the page out", next);
            }
            FreshenerAt::Mark => {
                let any = self.is(Mutant::AnyTenure) && now.word.1 == Age::Idle;
                if any || now.word == now.looked {
                    next.word.1 = Age::Fresh;
                }
                next.freshener = FreshenerAt::Look;
                steps.push(FRESHENER, "mark it fresh", next);
            }
        }
        Ok(())
    }
}

impl Model for Fresh {
    type State = State;
    type Violation = Violation;

    fn initial(&self) -> State {
        State::default()
    }

    fn successors(&self, now: &State, steps: &mut Steps<State>) -> Result<(), Violation> {
        // What the reader has of a filler that left is that one's own.
        let is_of_this_tenure =
            now.has == Has::Filler || now.has == Has::Reader && now.submitted > 0;
        if now.is_attached && is_of_this_tenure && now.is_written_by_former() {
            return Err(Violation::WrittenByFormer);
        }
        Self::fillers(now, steps);
        self.daemon(now, steps);
        self.freshener(now, steps)
    }

    fn quiescent(&self, state: &State) -> Result<(), Violation> {
        match state.is_attached && state.submitted < FRAMES {
            true => Err(Violation::Starved),
            false => Ok(()),
        }
    }
}

#[test]
fn freshness_in_every_order_then_holds() {
    passes(&Fresh::default());
}

/// One `#[test]` for each mutant.
macro_rules! mutants {
    ($($name:ident: $mutant:ident => $violation:ident;)+) => {
        $(#[test]
        fn $name() {
            let mutant = Some(Mutant::$mutant);
            is_caught(&Fresh { mutant }, Violation::$violation);
        })+
    };
}

mutants! {
    loans_stale_is_caught: LoansStale => WrittenByFormer;
    begins_early_is_caught: BeginsEarly => WrittenByFormer;
    any_tenure_is_caught: AnyTenure => WrittenByFormer;
    idle_while_read_is_caught: IdleWhileRead => TakenFromUser;
}
