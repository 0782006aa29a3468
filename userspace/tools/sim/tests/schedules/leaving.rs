//! A client that leaves.

use onair_ipc::caller::{Deadline, Refusal};
use onair_ipc::frames::FrameMemory;
use onair_ipc::layout::Geometry;
use onair_ipc::pins::End;
use onair_sim_kernel::spawn;

use crate::{pair_of, schedules};

/// A start by another thread lets callers in until the session's gate is replaced.
#[test]
fn leave_against_a_stop_and_a_start_then_no_caller_sleeps_on() {
    schedules(6_000, || {
        let frames = FrameMemory::create(Geometry::new(1, 100).unwrap(), true).unwrap();
        let pair = pair_of(&frames);
        for _ in 0..2 {
            let client = pair.client.clone();
            spawn(vec![], move || {
                while client.get(Deadline::Never) != Err(Refusal::Stale) {
                    let _ = client.wait_started(Deadline::Never);
                }
            });
        }
        let (pauses, leaves) = (pair.client.clone(), pair.client.clone());
        spawn(vec![], move || {
            pauses.stop();
            pauses.start();
        });
        spawn(vec![], move || leaves.leave(End::ByHand));
    });
}
