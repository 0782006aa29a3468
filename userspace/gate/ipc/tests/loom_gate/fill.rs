//! A frame that is sent while its caller fills it: the daemon reads a line only after the word that counts it, and fills
//! the frame anew only after its loan. SYNC: fill.

use onair_ipc::frame_word::{FrameState, FrameWord};
use onair_ipc::sending::FillWord;

use crate::harness::{Protected, UNORDERED, beside, holds, mutants};

/// Two lines, and how many of them are there.
struct Open {
    word: FillWord,
    lines: [Protected; 2],
}

fn open() -> Open {
    let word = FillWord::closed();
    word.reach(1, 0);
    Open {
        word,
        lines: [Protected::new(), Protected::new()],
    }
}

/// Sends the lines that are there of the loan `serial`.
fn send(open: &Open, serial: u32) {
    let filled = open.word.reached(serial).unwrap_or(0);
    open.lines[..filled as usize]
        .iter()
        .for_each(Protected::read);
}

/// A caller fills line by line, `counts_first` or after each. The poller looks twice.
fn fill_and_send(counts_first: bool) {
    let caller = move |open: &Open| {
        for (count, line) in (1..).zip(&open.lines) {
            if counts_first {
                open.word.reach(1, count);
                line.write();
            } else {
                line.write();
                open.word.reach(1, count);
            }
        }
    };
    beside(open(), caller, |open| {
        send(open, 1);
        send(open, 1);
    });
}

#[test]
fn fill_lines_then_sent_after_they_are_written() {
    holds(|| fill_and_send(false));
}

/// A frame that is loaned anew has the progress of its earlier loan in its word: what it had then is not sent now.
fn lend_anew() {
    let first = open();
    first.word.reach(1, 2);
    let caller = |open: &Open| {
        open.lines.iter().for_each(Protected::write);
        open.word.reach(2, 2);
    };
    beside(first, caller, |open| send(open, 2));
}

#[test]
fn fill_of_the_next_loan_then_the_last_ones_progress_is_none() {
    holds(lend_anew);
}

/// The loan of an open frame ends with its return. `early`: the daemon takes it for returned when all of it is there.
fn filled_and_put(early: bool) {
    let word = FrameWord::free();
    word.publish(1);
    assert!(word.take(1, 0));
    let caller = |(word, open): &(FrameWord, Open)| {
        open.lines[0].write();
        open.word.reach(1, 2);
        // A caller may look at what it has filled until it puts it.
        open.lines[0].read();
        word.release(1, 0).expect("the frame is held");
    };
    beside((word, open()), caller, |(word, open)| {
        let is_there = open.word.reached(1) == Some(2);
        if word.load().state() == Some(FrameState::Released) || early && is_there {
            open.lines[0].write();
        }
    });
}

#[test]
fn open_frame_put_then_used_again_after_its_caller_only() {
    holds(|| filled_and_put(false));
}

mutants! {
    fill_mutant_told_relaxed_then_caught by "fill: told relaxed": fill_and_send(false) => UNORDERED;
    fill_mutant_read_relaxed_then_caught by "fill: read relaxed": fill_and_send(false) => UNORDERED;
    fill_mutant_counted_first_then_caught: fill_and_send(true) => UNORDERED;
    fill_mutant_of_another_loan_then_caught by "fill: the progress of an earlier loan counts":
        lend_anew() => UNORDERED;
    fill_mutant_credited_when_filled_then_caught: filled_and_put(true) => UNORDERED;
}
