//! Client processes, beside their sessions: questions about them, the probe's events, and the wake-ups of their
//! sleepers.

pub mod inspection;
pub mod processes;
pub mod waking;

use std::collections::BTreeMap;

use onair_probe::ProbeEvent;
use onair_session::Exit;

/// The probe's events of one step, sorted.
#[derive(Debug, Default)]
pub struct ProbeNews {
    /// Processes that execute another program, by their number in the daemon's namespace.
    pub replaced: Vec<u32>,
    /// Events that were lost.
    pub lost: u64,
    /// Threads that have ended, by their process. Hundreds may end together: the slots of a client are read once for
    /// all of them.
    pub exits: BTreeMap<u32, Vec<Exit>>,
}

impl ProbeNews {
    /// Sorts `events`.
    #[must_use]
    pub fn of(events: &[ProbeEvent]) -> Self {
        let mut news = Self::default();
        for event in events {
            match *event {
                ProbeEvent::Exit {
                    tgid,
                    ns_tid,
                    own_tid,
                    ..
                } => {
                    let tid = ns_tid;
                    let exits = news.exits.entry(tgid).or_default();
                    exits.push(Exit { own_tid, tid });
                }
                ProbeEvent::Exec { tgid, .. } => news.replaced.push(tgid),
                ProbeEvent::Overrun { lost } => news.lost += lost,
            }
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_end_together_are_one_list_a_process() {
        let exit = |tgid, own_tid| ProbeEvent::Exit {
            tgid,
            tid: 0,
            ns_tgid: 0,
            ns_tid: own_tid + 100,
            own_tid,
            session: 0,
            attachment: 0,
            last: false,
        };
        let (tgid, ns_tgid) = (8, 0);
        let news = ProbeNews::of(&[
            exit(7, 1),
            ProbeEvent::Overrun { lost: 2 },
            exit(8, 2),
            ProbeEvent::Exec { tgid, ns_tgid },
            exit(7, 3),
            ProbeEvent::Overrun { lost: 3 },
        ]);
        let exits = |tgid| -> Vec<_> {
            let all = news.exits[&tgid].iter();
            all.map(|it| (it.own_tid, it.tid)).collect()
        };
        assert_eq!(exits(7), [(1, 101), (3, 103)]);
        assert_eq!(exits(8), [(2, 102)]);
        assert_eq!((&news.replaced[..], news.lost), (&[8][..], 5));
    }
}
