//! Frame word: the daemon gets a frame back only after the caller's last access.

use loom::sync::Arc;
use loom::thread;
use onair_ipc::frame_word::{FrameState, FrameWord};

use crate::harness::{Protected, UNORDERED, beside, holds, loaned_frame, mutants};

/// A caller takes, reads and puts a ready frame. The daemon takes it back if no caller took it, or
/// credits it if it was put, and overwrites it.
fn put_and_credit() {
    let caller = |(word, contents): &(FrameWord, Protected)| {
        if word.take(1, 0) {
            contents.read();
            word.release(1, 0).expect("the frame is held");
        }
    };
    beside(loaned_frame(), caller, |(word, contents)| {
        if word.withdraw(1) {
            contents.write();
        } else if word.load().state() == Some(FrameState::Released) {
            contents.write();
            word.clear();
        }
    });
}

#[test]
fn frame_taken_and_put_then_overwritten_after_the_last_read() {
    holds(put_and_credit);
}

/// Two callers compete for the same frame.
#[test]
fn frame_two_takers_then_one_has_it() {
    holds(|| {
        let shared = Arc::new(loaned_frame());
        let other = Arc::clone(&shared);
        let take = |(word, contents): &(FrameWord, Protected), slot| {
            let won = word.take(1, slot);
            if won {
                // The caller that took an empty frame writes it.
                contents.write();
            }
            won
        };
        let thread = thread::spawn(move || take(&other, 1));
        let won = take(&shared, 0);
        let other_won = thread.join().expect("the caller returns");
        assert!(won != other_won, "one of the two has the frame");
    });
}

mutants! {
    frame_mutant_put_relaxed_then_caught by "frame: put relaxed": put_and_credit() => UNORDERED;
    frame_mutant_credit_relaxed_then_caught by "frame: credited relaxed":
        put_and_credit() => UNORDERED;
}
