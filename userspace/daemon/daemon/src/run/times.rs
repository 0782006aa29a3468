//! How long the parts of the start take.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::clients::threads::Stat;

/// The kernel's unit of a process's start time (`USER_HZ`, proc_pid_stat(5)).
const TICK: Duration = Duration::from_millis(10);

/// A part of the start. Some go on beside each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StartPart {
    /// The state directory, with the wait for the daemon before, and what that left.
    Previous,
    /// The sockets listen.
    Sockets,
    /// Persistent sessions are read, certificates are listed.
    Files,
    /// DPDK itself.
    Dpdk,
    /// Ports and pollers.
    Ports,
    /// The kernel's types are read, and the first programs loaded.
    Types,
    /// The other programs, and the daemon's own canary.
    Probe,
}

impl StartPart {
    /// The parts that wait for the previous daemon.
    const AFTER: [Self; 5] = [
        Self::Previous,
        Self::Sockets,
        Self::Files,
        Self::Dpdk,
        Self::Ports,
    ];
}

/// Of each part, in the order of [`StartPart`].
type Parts = [Duration; 7];

/// Clones are the same.
#[derive(Clone, Debug)]
pub(super) struct StartTimes {
    began: Instant,
    /// From the start of the process on.
    program: Duration,
    parts: Arc<Mutex<Parts>>,
    /// When a daemon before handed over, and the parts until then.
    handed: Arc<Mutex<Option<(Instant, Parts)>>>,
}

impl StartTimes {
    /// The start begins now.
    pub(super) fn begin() -> Self {
        Self {
            began: Instant::now(),
            program: age().unwrap_or_default(),
            parts: Arc::default(),
            handed: Arc::default(),
        }
    }

    /// The daemon before has handed over.
    pub(super) fn hand_over(&self) {
        let handed = Some((Instant::now(), *of(&self.parts)));
        *of(&self.handed) = handed;
    }

    /// Does `work`, which is one of `part`.
    pub(super) fn of<T>(&self, part: StartPart, work: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let result = work();
        of(&self.parts)[part as usize] += began.elapsed();
        result
    }

    /// Logs them, and the time from the start of the process, to 10 ms. Of a daemon that took over, those after the
    /// hand-over, too: clients wait for these.
    pub(super) fn log(&self) {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let parts = *of(&self.parts);
        if let Some((at, before)) = *of(&self.handed) {
            let after = StartPart::AFTER.map(|it| ms(parts[it as usize] - before[it as usize]));
            let [previous, sockets, files, dpdk, ports] = after;
            tracing::info!(
                previous_ms = previous,
                sockets_ms = sockets,
                files_ms = files,
                dpdk_ms = dpdk,
                ports_ms = ports,
                total_ms = ms(at.elapsed()),
                "took over: times from the hand-over on"
            );
        }
        let [previous, sockets, files, dpdk, ports, types, probe] = parts.map(ms);
        tracing::info!(
            program_ms = ms(self.program),
            previous_ms = previous,
            sockets_ms = sockets,
            files_ms = files,
            dpdk_ms = dpdk,
            ports_ms = ports,
            types_ms = types,
            probe_ms = probe,
            total_ms = ms(self.program + self.began.elapsed()),
            "started; some parts went on beside each other"
        );
    }
}

fn of<T>(times: &Mutex<T>) -> MutexGuard<'_, T> {
    times.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long ago this process started.
fn age() -> Option<Duration> {
    let ticks = Stat::read(Path::new("/proc/self"))?.number(22)?;
    let now = Duration::try_from(clock_gettime(ClockId::Boottime)).ok()?;
    now.checked_sub(TICK.checked_mul(u32::try_from(ticks).ok()?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_in_two_pieces_then_both_count() {
        let times = StartTimes::begin();
        let pieces = [1, 2].map(|piece| times.clone().of(StartPart::Ports, || piece));
        let parts = *times.parts.lock().unwrap();
        assert_eq!(pieces, [1, 2]);
        assert!(parts[StartPart::Ports as usize] > Duration::ZERO);
        assert_eq!(parts[StartPart::Probe as usize], Duration::ZERO);
    }

    #[test]
    fn age_of_this_process_then_known() {
        assert!(age().is_some_and(|age| age < Duration::from_secs(3600)));
    }
}
