//! Kick: the drain does not wait forever for a caller that left, or for a frame that was put.
//!
//! The client lowers its count (or releases the frame) and then reads the kick; the drain arms the
//! kick and then scans. SYNC: kick.

use loom::sync::Arc;
use loom::thread;
use onair_ipc::frame_word::{FrameState, FrameWord};
use onair_ipc::kick::Kick;
use onair_ipc::slot::{Operation, Slot};
use onair_ipc::sync::heavy;

use crate::harness::{holds, mutants};

const LOST: &str = "lost notification";

/// The two steps on either side.
trait Notifying: Send + Sync + 'static {
    /// leave or put, then the read of the kick. Returns whether to send a byte.
    fn finish(&self) -> bool;
    /// drain: arms the kick and scans. Returns whether the client was seen to have finished.
    fn arm_and_scan(&self) -> bool;
}

/// leave, on the crate's words.
struct Leave {
    slot: Slot,
    kick: Kick,
    plain: bool,
}

impl Leave {
    fn inside(plain: bool) -> Self {
        let slot = Slot::vacant();
        slot.enter(Operation::Get, plain);
        Self {
            slot,
            kick: Kick::unarmed(),
            plain,
        }
    }
}

impl Notifying for Leave {
    fn finish(&self) -> bool {
        self.slot.exit(self.plain);
        self.kick.take(|| false)
    }

    fn arm_and_scan(&self) -> bool {
        self.kick.arm();
        heavy();
        self.slot.read(0).count == 0
    }
}

/// put, on the crate's words.
struct Put {
    word: FrameWord,
    kick: Kick,
}

impl Put {
    fn held() -> Self {
        let word = FrameWord::free();
        word.publish(1);
        assert!(word.take(1, 0));
        Self {
            word,
            kick: Kick::unarmed(),
        }
    }
}

impl Notifying for Put {
    fn finish(&self) -> bool {
        self.word
            .release(1, 0)
            .expect("the frame is held by this caller");
        self.kick.take(|| false)
    }

    fn arm_and_scan(&self) -> bool {
        self.kick.arm();
        heavy();
        self.word.load().state() == Some(FrameState::Released)
    }
}

/// The client finishes while the drain arms and scans: one of them must see the other.
fn finish_while_draining<N: Notifying>(words: N) {
    let words = Arc::new(words);
    let client = Arc::clone(&words);
    let caller = thread::spawn(move || client.finish());
    let seen = words.arm_and_scan();
    let kicked = caller.join().expect("the caller returns");
    assert!(seen || kicked, "{LOST}");
}

/// Two callers that leave, on the crate's words.
struct Two {
    slots: [Slot; 2],
    kick: Kick,
}

impl Two {
    fn inside() -> Self {
        let slots = [Slot::vacant(), Slot::vacant()];
        for slot in &slots {
            slot.enter(Operation::Get, true);
        }
        Self {
            slots,
            kick: Kick::unarmed(),
        }
    }
}

impl Two {
    /// Caller `who` leaves. Returns whether it notifies.
    fn leave(&self, who: usize) -> bool {
        self.slots[who].exit(true);
        self.kick.take(|| self.slots[1 - who].read(0).count > 0)
    }

    /// Whether no caller is counted any more, after the kick was armed.
    fn arm_and_scan(&self) -> bool {
        self.kick.arm();
        heavy();
        self.slots.iter().all(|slot| slot.read(0).count == 0)
    }
}

/// Both leave while the drain arms and scans: it sees that, or one of them notifies.
fn both_leave_while_draining() {
    let words = Arc::new(Two::inside());
    let leave = |who| {
        let words = Arc::clone(&words);
        thread::spawn(move || words.leave(who))
    };
    let callers = [leave(0), leave(1)];
    let seen = words.arm_and_scan();
    let kicked = callers.map(|it| it.join().expect("the caller returns"));
    assert!(seen || kicked.contains(&true), "{LOST}");
}

#[test]
fn kick_two_leave_then_not_lost() {
    holds(both_leave_while_draining);
}

#[test]
fn kick_plain_leave_then_not_lost() {
    holds(|| finish_while_draining(Leave::inside(true)));
}

#[test]
fn kick_locked_leave_then_not_lost() {
    holds(|| finish_while_draining(Leave::inside(false)));
}

#[test]
fn kick_put_then_not_lost() {
    holds(|| finish_while_draining(Put::held()));
}

mutants! {
    kick_mutant_no_fence_after_leave_then_caught by "leave: no light fence":
        finish_while_draining(Leave::inside(true)) => LOST;
    kick_mutant_no_fence_after_put_then_caught by "put: no fence before the kick":
        finish_while_draining(Put::held()) => LOST;
    kick_mutant_no_fence_after_arm_before_leave_then_caught by "barrier: no heavy fence":
        finish_while_draining(Leave::inside(true)) => LOST;
    kick_mutant_no_fence_after_arm_before_put_then_caught by "barrier: no heavy fence":
        finish_while_draining(Put::held()) => LOST;
}
