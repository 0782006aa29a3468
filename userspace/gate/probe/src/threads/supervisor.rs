//! Answers every arming in time, even if the check of the client hangs.
//!
//! A hanging thread cannot be ended. A slow check gives its worker to the next one, and continues
//! beside the workers. Users take turns, and a user with slow checks has one worker at a time, so
//! that it does not delay other users. A [`Share`] limits the checks in progress, of one user and
//! of all.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use onair_shares::{Owner, Share, Table, Usage};

use crate::error::ProbeError;
use crate::programs::maps::locked;
use crate::threads::arm::{Armed, ArmingStep};
use crate::threads::fair::FairQueue;
use crate::threads::modified::spawn;

/// Clients checked concurrently, not counting slow checks.
const WORKERS: usize = 4;
/// A check that takes longer than this part of its time-out is slow.
const SLOW: u32 = 20;

/// Called once, on a thread of the probe; it must not block.
pub(crate) type Reply = Box<dyn FnOnce(Result<Armed, ProbeError>) + Send>;

enum Message {
    Arm {
        owner: Owner,
        reply: Reply,
    },
    Done {
        look: u64,
        result: Option<Result<Armed, ProbeError>>,
    },
    End,
}

/// The check of a process; may hang.
pub(crate) type Work = Arc<dyn Fn(Owner, &ArmingStep) -> Result<Armed, ProbeError> + Send + Sync>;

/// Handle; dropping it ends the thread.
pub(crate) struct Supervisor {
    inbox: Sender<Message>,
    looks: Arc<Mutex<Table>>,
}

impl Supervisor {
    pub(crate) fn start(work: Work, limit: Duration, looks: Share) -> Result<Self, ProbeError> {
        let (inbox, messages) = channel();
        let looks = Arc::new(Mutex::new(Table::new(looks)));
        let jobs = Jobs {
            work,
            limit,
            itself: inbox.clone(),
            waiting: FairQueue::default(),
            looking: HashMap::new(),
            looks: Arc::clone(&looks),
            next: 0,
        };
        spawn("onair-arming", move || jobs.run(&messages))?;
        Ok(Self { inbox, looks })
    }

    /// Arms a process.
    pub(crate) fn arm(&self, owner: Owner, reply: Reply) {
        if let Err(refused) = self.inbox.send(Message::Arm { owner, reply })
            && let Message::Arm { reply, .. } = refused.0
        {
            reply(Err(ProbeError::Closed));
        }
    }

    /// Checks in progress, including hanging ones.
    pub(crate) fn usage(&self) -> Usage {
        locked(&self.looks).usage()
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        // The thread may already have ended.
        let _ = self.inbox.send(Message::End);
    }
}

/// An unanswered arming.
struct Arming {
    owner: Owner,
    reply: Reply,
    deadline: Instant,
    step: Arc<ArmingStep>,
}

/// A check of a client, on its own thread.
struct ClientCheck {
    owner: Owner,
    pace: Pace,
}

enum Pace {
    /// It has a worker until then.
    Working { job: Arming, slow_at: Instant },
    /// It has taken longer.
    Slow(Arming),
    /// Its job was answered at the deadline.
    Late,
}

impl ClientCheck {
    fn is_working(&self) -> bool {
        matches!(self.pace, Pace::Working { .. })
    }

    fn due(&self) -> Option<Instant> {
        match &self.pace {
            Pace::Working { job, slow_at } => Some(job.deadline.min(*slow_at)),
            Pace::Slow(job) => Some(job.deadline),
            Pace::Late => None,
        }
    }

    /// Applies the passing of time. Returns the job if its deadline has passed.
    fn pass(&mut self, now: Instant) -> Option<Arming> {
        if let Pace::Working { slow_at, .. } = &self.pace
            && *slow_at <= now
            && let Pace::Working { job, .. } = std::mem::replace(&mut self.pace, Pace::Late)
        {
            self.pace = Pace::Slow(job);
        }
        let (Pace::Working { job, .. } | Pace::Slow(job)) = &self.pace else {
            return None;
        };
        if job.deadline > now {
            return None;
        }
        match std::mem::replace(&mut self.pace, Pace::Late) {
            Pace::Working { job, .. } | Pace::Slow(job) => Some(job),
            Pace::Late => None,
        }
    }
}

struct Jobs {
    work: Work,
    limit: Duration,
    itself: Sender<Message>,
    waiting: FairQueue<Arming>,
    looking: HashMap<u64, ClientCheck>,
    looks: Arc<Mutex<Table>>,
    next: u64,
}

impl Jobs {
    fn run(mut self, messages: &Receiver<Message>) {
        loop {
            self.start_waiting();
            let message = match self.next_deadline() {
                None => messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(deadline) => {
                    messages.recv_timeout(deadline.saturating_duration_since(Instant::now()))
                }
            };
            match message {
                Ok(Message::Arm { owner, reply }) => {
                    let job = Arming {
                        owner,
                        reply,
                        deadline: Instant::now() + self.limit,
                        step: Arc::default(),
                    };
                    self.waiting.push(owner.uid, owner.pid, job);
                }
                Ok(Message::Done { look, result }) => self.finish(look, result),
                Ok(Message::End) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.expire(Instant::now());
        }
        let looking = self.looking.into_values();
        let asked = looking.filter_map(|look| match look.pace {
            Pace::Working { job, .. } | Pace::Slow(job) => Some(job),
            Pace::Late => None,
        });
        for job in self.waiting.extract(|_| true).into_iter().chain(asked) {
            (job.reply)(Err(ProbeError::Closed));
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let waiting = self.waiting.iter().map(|job| job.deadline);
        let looking = self.looking.values().filter_map(ClientCheck::due);
        waiting.chain(looking).min()
    }

    /// Starts waiting jobs, in turns, while there are workers.
    fn start_waiting(&mut self) {
        while self.looking.values().filter(|it| it.is_working()).count() < WORKERS {
            let looking = &self.looking;
            // A user with slow checks has one worker: its next check may be as slow.
            let may = |uid: u32| {
                let mut own = looking.values().filter(|it| it.owner.uid == uid);
                let is_slow = own.clone().any(|it| !it.is_working());
                !is_slow || !own.any(ClientCheck::is_working)
            };
            let Some(job) = self.waiting.pop(may) else {
                return;
            };
            self.start(job);
        }
    }

    fn start(&mut self, job: Arming) {
        let owner = job.owner;
        if let Err(refused) = locked(&self.looks).take(owner) {
            (job.reply)(Err(refused.into()));
            return;
        }
        self.next += 1;
        match self.spawn(self.next, owner, Arc::clone(&job.step)) {
            Ok(()) => {
                let slow_at = Instant::now() + self.limit / SLOW;
                let pace = Pace::Working { job, slow_at };
                self.looking.insert(self.next, ClientCheck { owner, pace });
            }
            Err(error) => {
                locked(&self.looks).give_back(owner);
                (job.reply)(Err(error));
            }
        }
    }

    fn spawn(&self, look: u64, owner: Owner, step: Arc<ArmingStep>) -> Result<(), ProbeError> {
        let done = Done {
            look,
            result: None,
            supervisor: self.itself.clone(),
        };
        let work = Arc::clone(&self.work);
        spawn("onair-arm", move || done.with(|| work(owner, &step)))?;
        Ok(())
    }

    fn finish(&mut self, look: u64, result: Option<Result<Armed, ProbeError>>) {
        let Some(look) = self.looking.remove(&look) else {
            return;
        };
        locked(&self.looks).give_back(look.owner);
        match look.pace {
            Pace::Working { job, .. } | Pace::Slow(job) => {
                (job.reply)(result.unwrap_or(Err(ProbeError::Closed)));
            }
            // What it armed is released with the result.
            Pace::Late => {}
        }
    }

    fn expire(&mut self, now: Instant) {
        let mut late: Vec<Arming> = self.waiting.extract(|job| job.deadline <= now);
        late.extend(self.looking.values_mut().filter_map(|look| look.pass(now)));
        for Arming {
            owner, reply, step, ..
        } in late
        {
            reply(Err(ProbeError::Deadline {
                pid: owner.pid,
                step: step.name(),
                limit_ms: self.limit.as_millis(),
            }));
        }
    }
}

/// Reports the end of a job, however it ends.
struct Done {
    look: u64,
    result: Option<Result<Armed, ProbeError>>,
    supervisor: Sender<Message>,
}

impl Done {
    fn with(mut self, work: impl FnOnce() -> Result<Armed, ProbeError>) {
        self.result = Some(work());
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        let _ = self.supervisor.send(Message::Done {
            look: self.look,
            result: self.result.take(),
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Condvar, PoisonError};

    use onair_ebpf::process::SurveyError;
    use onair_shares::{Bound, Percent, Rank};

    use super::*;

    /// Processes below 1000 hang until the gate opens.
    #[derive(Default)]
    struct HangGate {
        open: Mutex<bool>,
        opened: Condvar,
    }

    impl HangGate {
        fn pass(&self) {
            let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            drop(self.opened.wait_while(open, |open| !*open));
        }

        fn open(&self) {
            *self.open.lock().unwrap_or_else(PoisonError::into_inner) = true;
            self.opened.notify_all();
        }
    }

    const MOST: usize = 64;

    fn hanging(limit: Duration) -> (Supervisor, Arc<HangGate>) {
        let gate = Arc::new(HangGate::default());
        let work = {
            let gate = Arc::clone(&gate);
            move |owner: Owner, step: &ArmingStep| {
                if owner.pid < 1000 {
                    step.set(1);
                    gate.pass();
                }
                let pid = owner.pid;
                Err(ProbeError::Process(SurveyError::NoSites { pid }))
            }
        };
        let percent = Percent {
            reserve: 10,
            uid: 80,
            process: 50,
        };
        let looks = Share::new("looks", "probe.max_looks", MOST, percent);
        let supervisor = Supervisor::start(Arc::new(work), limit, looks);
        (supervisor.unwrap(), gate)
    }

    fn ask(supervisor: &Supervisor, pid: u32) -> Receiver<Result<Armed, ProbeError>> {
        ask_as(supervisor, Owner::root(pid))
    }

    fn ask_as(supervisor: &Supervisor, owner: Owner) -> Receiver<Result<Armed, ProbeError>> {
        let (reply, answer) = channel();
        supervisor.arm(
            owner,
            Box::new(move |result| {
                // The test may have ended.
                let _ = reply.send(result);
            }),
        );
        answer
    }

    #[test]
    fn arm_a_look_that_hangs_then_answered_in_time_and_others_go_on() {
        let (supervisor, gate) = hanging(Duration::from_millis(50));
        for round in 0..3 {
            let hang: Vec<_> = (0..6).map(|n| ask(&supervisor, round * 10 + n)).collect();
            for answer in hang {
                let answer = answer.recv().unwrap();
                assert!(
                    matches!(answer, Err(ProbeError::Deadline { .. })),
                    "{answer:?}"
                );
            }
            // On a slow machine the time may pass before it has begun; jobs that hang for ever
            // would then fill the queue for ever.
            let other = (0..600).map(|_| ask(&supervisor, 1000).recv().unwrap());
            let other = other
                .into_iter()
                .find(|it| !matches!(it, Err(ProbeError::Deadline { .. })))
                .unwrap();
            assert!(
                matches!(
                    other,
                    Err(ProbeError::Process(SurveyError::NoSites { pid: 1000 }))
                ),
                "{other:?}"
            );
        }
        gate.open();
    }

    #[test]
    fn arm_very_many_hang_then_refused_until_they_return() {
        let (supervisor, gate) = hanging(Duration::from_millis(1));
        let stuck = (0..999).find_map(|pid| match ask(&supervisor, pid).recv().unwrap() {
            Err(ProbeError::Full(refused)) => Some(refused.used),
            _ => None,
        });
        assert!(stuck.is_some_and(|count| count >= MOST));
        gate.open();
        while let Err(ProbeError::Full(_)) = ask(&supervisor, 1000).recv().unwrap() {
            std::thread::yield_now();
        }
    }

    /// A user's process; below 1000 it hangs.
    fn of(uid: u32, pid: u32) -> Owner {
        let rank = Rank::Other;
        Owner { uid, pid, rank }
    }

    #[test]
    fn arm_looks_of_one_user_hang_then_others_are_looked_at() {
        // Long enough that no job here reaches it.
        let (supervisor, gate) = hanging(Duration::from_secs(20));
        let hang: Vec<_> = (0..16).map(|pid| ask_as(&supervisor, of(5, pid))).collect();
        for pid in 1000..1100 {
            let answer = ask_as(&supervisor, of(6, pid)).recv().unwrap();
            assert!(matches!(answer, Err(ProbeError::Process(_))), "{answer:?}");
        }
        let is_answered = |it: &Receiver<_>| it.try_recv().is_ok();
        assert!(
            !hang.iter().any(is_answered),
            "the others were done meanwhile"
        );
        gate.open();
        for answer in hang {
            let answer = answer.recv().unwrap();
            assert!(matches!(answer, Err(ProbeError::Process(_))), "{answer:?}");
        }
    }

    #[test]
    fn arm_one_user_has_its_share_of_hangs_then_only_it_is_refused() {
        let (supervisor, gate) = hanging(Duration::from_millis(1));
        let refused =
            (0..999).find_map(
                |pid| match ask_as(&supervisor, of(5, pid)).recv().unwrap() {
                    Err(ProbeError::Full(refused)) => Some(refused),
                    _ => None,
                },
            );
        let refused = refused.unwrap();
        assert_eq!(
            (refused.bound, refused.used, refused.most),
            (Bound::Uid, 45, 45)
        );
        assert_eq!(supervisor.usage().standing, Some(refused));
        let mut answers = (0..600).map(|_| ask_as(&supervisor, of(6, 1000)).recv().unwrap());
        assert!(answers.any(|it| matches!(it, Err(ProbeError::Process(_)))));
        gate.open();
        while supervisor.usage().used > 0 {
            std::thread::yield_now();
        }
        assert_eq!(supervisor.usage().problem(), None);
    }

    #[test]
    fn supervisor_ends_then_everyone_is_answered() {
        let (supervisor, gate) = hanging(Duration::from_secs(600));
        let asked: Vec<_> = (0..10).map(|pid| ask(&supervisor, pid)).collect();
        drop(supervisor);
        for answer in asked {
            assert!(matches!(answer.recv().unwrap(), Err(ProbeError::Closed)));
        }
        gate.open();
    }
}
