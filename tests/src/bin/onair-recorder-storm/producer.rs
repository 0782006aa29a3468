//! One producer on its thread.

use std::time::{Duration, Instant, SystemTime};

use onair_record::Producer;
use onair_tests::storm::{Own, event, name};
use onair_tests::{FlowSender, raster};
use onair_workers::WorkerGuard;
use onaird::shutdown::ShutdownCoordinator;

/// What is offered after the end has begun, so that something is refused.
const AFTER: u64 = 100;
/// Between two bursts: what makes the rate, and waits for nothing.
const PAUSE: Duration = Duration::from_millis(2);

/// A thread that offers.
pub(crate) struct Thread {
    pub(crate) number: u32,
    pub(crate) producer: Producer,
    pub(crate) worker: WorkerGuard,
    pub(crate) shutdown: ShutdownCoordinator,
    /// Events or frames a second.
    pub(crate) rate: u64,
}

impl Thread {
    /// Offers events at its rate, until a while after the end has begun.
    pub(crate) fn offer_events(mut self) -> Own {
        let mut own = Own {
            name: name(self.number),
            ..Own::default()
        };
        let begun = Instant::now();
        let mut last = None;
        while last.is_none_or(|last| own.offered < last) {
            let due = self.due(begun);
            let at = now();
            while own.offered < due {
                let bytes = event(self.number, own.offered);
                let accepted = self.producer.offer(at, 1400, &bytes);
                own.note(accepted);
                match accepted {
                    true => self.worker.count_processed(1),
                    false => self.worker.count_dropped(1),
                }
            }
            if last.is_none() && self.is_ending() {
                last = Some(own.offered + AFTER);
            }
            std::thread::sleep(PAUSE);
        }
        own
    }

    /// Sends frames at its rate, until the end has begun.
    pub(crate) fn send_frames(mut self) -> Own {
        let mut own = Own {
            name: name(self.number),
            ..Own::default()
        };
        let mut sender = FlowSender::new(raster(8));
        let begun = Instant::now();
        let mut frames = 0;
        while !self.is_ending() {
            while frames < self.due(begun) {
                let producer = &mut self.producer;
                sender.frame(|at, packet| {
                    let len = u32::try_from(packet.len()).unwrap_or(u32::MAX);
                    own.note(producer.offer(at, len, packet));
                });
                frames += 1;
            }
            std::thread::sleep(PAUSE);
        }
        own
    }

    /// Both: what the coordinator says to its workers, and what the recording does.
    fn is_ending(&self) -> bool {
        self.shutdown.is_shutting_down()
            && !self.worker.is_accepting()
            && !self.producer.is_accepting()
    }

    fn due(&self, begun: Instant) -> u64 {
        let nanos = u128::from(self.rate) * begun.elapsed().as_nanos() / 1_000_000_000;
        u64::try_from(nanos).unwrap_or(u64::MAX)
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |it| u64::try_from(it.as_nanos()).unwrap_or(u64::MAX))
}
