//! L2: a drain that waits for kicks alone ends, in each way that the last caller can leave: a call
//! that returns, a call that was woken, a call that bounces.

use onair_ipc::caller::{Deadline, Refusal};
use onair_ipc::fence::Fence;
use onair_ipc::frames::FrameMemory;
use onair_ipc::layout::Geometry;
use onair_ipc::lender::Lender;
use onair_ipc::meta::FrameMeta;
use shuttle::thread;

use crate::schedules::{below, dawdle, pair, schedules, spawn, wake_more};

const CALLS: usize = 2;
/// Scans without a kick before the drain counts as waiting forever.
const MAX_SCANS: usize = 5_000;

#[test]
fn drain_of_a_few_callers_then_kicked_by_the_last() {
    schedules(6000, || {
        let frames = FrameMemory::create(Geometry::new(2, 100).unwrap(), true).unwrap();
        let pair = pair(below(2) as u64, &frames);
        let mut lender = Lender::new(pair.memory.clone(), 1);
        if below(2) == 0 {
            lender.publish(0, &FrameMeta::default()).unwrap();
        }
        let callers: Vec<_> = (0..1 + below(4))
            .map(|_| {
                let client = pair.client.clone();
                let deadline = [Deadline::Now, Deadline::Never][below(2)];
                spawn(vec![], move || {
                    for _ in 0..CALLS {
                        match client.get(deadline) {
                            Ok(lease) => client.put(lease).unwrap(),
                            Err(Refusal::Again | Refusal::TimedOut) => {}
                            Err(other) => panic!("{other:?}"),
                        }
                    }
                })
            })
            .collect();
        dawdle(60);
        pair.memory.stop();
        wake_more(&pair.memory);
        let mut looks = 0;
        loop {
            let fence = Fence::with_kicks(std::iter::once(&*pair.memory));
            lender.settle(|_| ());
            if pair.memory.users_at(&fence).is_empty() && lender.loaned() == 0 {
                break;
            }
            while !pair.is_kicked() {
                looks += 1;
                assert!(looks < MAX_SCANS, "L2: the last one left without a kick");
                thread::yield_now();
            }
        }
        for caller in callers {
            caller.join().unwrap();
        }
    });
}
