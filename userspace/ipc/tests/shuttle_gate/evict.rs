//! I1, I2: an evict against a few callers, in every relevant order: a frame that is not set aside
//! can be written again at once, and every caller gets `ESTALE`.

use std::sync::Arc;

use onair_ipc::caller::{Deadline, Refusal};
use onair_ipc::frames::FrameMemory;
use onair_ipc::layout::Geometry;
use onair_ipc::lender::{FoundState, Lender};
use onair_ipc::memory::AttachmentState;
use onair_ipc::meta::FrameMeta;

use crate::schedules::{below, dawdle, pair, schedules, spawn, wake_more};

const FRAMES: u32 = 2;

fn first_byte(frames: &FrameMemory, frame: u32) -> u8 {
    let mut byte = [0];
    frames.read(frame, 0, &mut byte);
    byte[0]
}

#[test]
fn evict_against_take_and_put_then_reused_only_if_unread() {
    schedules(6000, || {
        let geometry = Geometry::new(FRAMES, 100).unwrap();
        let frames = Arc::new(FrameMemory::create(geometry, true).unwrap());
        let pair = pair(below(2) as u64, &frames);
        let mut lender = Lender::new(pair.memory.clone(), FRAMES);
        for frame in 0..FRAMES {
            frames.write(frame, 0, &[1]);
            lender.publish(frame, &FrameMeta::default()).unwrap();
        }
        let callers: Vec<_> = (0..2)
            .map(|_| {
                let (client, frames) = (pair.client.clone(), frames.clone());
                spawn(vec![], move || {
                    loop {
                        match client.get(Deadline::Never) {
                            Ok(lease) => {
                                for _ in 0..3 {
                                    assert_eq!(first_byte(&frames, lease.frame()), 1, "I1: reused");
                                    dawdle(8);
                                }
                                match client.put(lease) {
                                    Ok(()) | Err(Refusal::Stale) => {}
                                    Err(other) => panic!("{other:?}"),
                                }
                            }
                            Err(Refusal::Stale) => return,
                            Err(other) => panic!("evicted, not stopped: {other:?}"),
                        }
                    }
                })
            })
            .collect();
        dawdle(25);
        pair.memory.set_state(AttachmentState::Revoked);
        pair.memory.stop();
        wake_more(&pair.memory);
        lender.revoke(|taken| {
            if taken.found != FoundState::Held {
                frames.write(taken.frame, 0, &[2]);
            }
        });
        assert_eq!(lender.loaned(), 0);
        for caller in callers {
            caller.join().unwrap();
        }
    });
}
