//! Answers every arming in time, also when the look at the client hangs.
//!
//! A thread that hangs cannot be ended. It is left behind and no longer counts
//! against those that work; only when very many hang is nothing started any more.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use crate::arm::{Armed, Step};
use crate::error::ProbeError;
use crate::kernel::spawn;

/// Clients that are looked at concurrently.
const MAX_WORKING: usize = 4;
/// Threads left behind before no more is started.
const MAX_HANGING: usize = 64;

/// Called once, on a thread of the probe: it must not block.
pub(crate) type Reply = Box<dyn FnOnce(Result<Armed, ProbeError>) + Send>;

enum Message {
    Arm {
        pid: u32,
        reply: Reply,
    },
    Done {
        job: u64,
        result: Option<Result<Armed, ProbeError>>,
    },
    End,
}

/// The look at a process; may hang.
pub(crate) type Work = Arc<dyn Fn(u32, &Step) -> Result<Armed, ProbeError> + Send + Sync>;

/// Handle; its drop ends the thread.
pub(crate) struct Supervisor {
    inbox: Sender<Message>,
}

impl Supervisor {
    pub(crate) fn start(work: Work, limit: Duration) -> Result<Self, ProbeError> {
        let (inbox, messages) = channel();
        let jobs = Jobs {
            work,
            limit,
            itself: inbox.clone(),
            waiting: VecDeque::new(),
            running: HashMap::new(),
            hanging: 0,
            next: 0,
        };
        spawn("onair-arming", move || jobs.run(&messages))?;
        Ok(Self { inbox })
    }

    /// Has a process armed.
    pub(crate) fn arm(&self, pid: u32, reply: Reply) {
        if let Err(refused) = self.inbox.send(Message::Arm { pid, reply })
            && let Message::Arm { reply, .. } = refused.0
        {
            reply(Err(ProbeError::Closed));
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        // It has ended by itself otherwise.
        let _ = self.inbox.send(Message::End);
    }
}

struct Job {
    pid: u32,
    reply: Reply,
    deadline: Instant,
    step: Arc<Step>,
}

struct Jobs {
    work: Work,
    limit: Duration,
    itself: Sender<Message>,
    waiting: VecDeque<Job>,
    running: HashMap<u64, Job>,
    /// Threads whose job was answered by the deadline.
    hanging: usize,
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
                Ok(Message::Arm { pid, reply }) => {
                    let deadline = Instant::now() + self.limit;
                    self.waiting.push_back(Job {
                        pid,
                        reply,
                        deadline,
                        step: Arc::default(),
                    });
                }
                Ok(Message::Done { job, result }) => self.finish(job, result),
                Ok(Message::End) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.expire(Instant::now());
        }
        for job in self.waiting.into_iter().chain(self.running.into_values()) {
            (job.reply)(Err(ProbeError::Closed));
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.waiting
            .iter()
            .chain(self.running.values())
            .map(|job| job.deadline)
            .min()
    }

    fn start_waiting(&mut self) {
        while self.running.len() < MAX_WORKING {
            let Some(job) = self.waiting.pop_front() else {
                return;
            };
            if self.hanging >= MAX_HANGING {
                (job.reply)(Err(ProbeError::Stuck {
                    count: self.hanging,
                }));
                continue;
            }
            self.next += 1;
            match self.spawn(self.next, job.pid, Arc::clone(&job.step)) {
                Ok(()) => {
                    self.running.insert(self.next, job);
                }
                Err(error) => (job.reply)(Err(error)),
            }
        }
    }

    fn spawn(&self, job: u64, pid: u32, step: Arc<Step>) -> Result<(), ProbeError> {
        let done = Done {
            job,
            result: None,
            supervisor: self.itself.clone(),
        };
        let work = Arc::clone(&self.work);
        spawn("onair-arm", move || done.with(|| work(pid, &step)))?;
        Ok(())
    }

    fn finish(&mut self, job: u64, result: Option<Result<Armed, ProbeError>>) {
        match self.running.remove(&job) {
            Some(job) => (job.reply)(result.unwrap_or(Err(ProbeError::Closed))),
            // Answered already; what it armed is let go with the result.
            None => self.hanging = self.hanging.saturating_sub(1),
        }
    }

    fn expire(&mut self, now: Instant) {
        let late: Vec<u64> = self
            .running
            .iter()
            .filter(|(_, job)| job.deadline <= now)
            .map(|(&id, _)| id)
            .collect();
        self.hanging += late.len();
        let mut answered: Vec<Job> = late
            .iter()
            .filter_map(|id| self.running.remove(id))
            .collect();
        while self.waiting.front().is_some_and(|job| job.deadline <= now) {
            answered.extend(self.waiting.pop_front());
        }
        for Job {
            pid, reply, step, ..
        } in answered
        {
            let limit_ms = self.limit.as_millis();
            reply(Err(ProbeError::Deadline {
                pid,
                step: step.name(),
                limit_ms,
            }));
        }
    }
}

/// Reports the end of a job however it ended.
struct Done {
    job: u64,
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
            job: self.job,
            result: self.result.take(),
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Condvar, Mutex, PoisonError};

    use onair_ebpf::process::SurveyError;

    use super::*;

    /// Processes below 1000 hang until they are let go.
    #[derive(Default)]
    struct Gate {
        open: Mutex<bool>,
        opened: Condvar,
    }

    impl Gate {
        fn pass(&self) {
            let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            drop(self.opened.wait_while(open, |open| !*open));
        }

        fn open(&self) {
            *self.open.lock().unwrap_or_else(PoisonError::into_inner) = true;
            self.opened.notify_all();
        }
    }

    fn hanging(limit: Duration) -> (Supervisor, Arc<Gate>) {
        let gate = Arc::new(Gate::default());
        let work = {
            let gate = Arc::clone(&gate);
            move |pid, step: &Step| {
                if pid < 1000 {
                    step.set(1);
                    gate.pass();
                }
                Err(ProbeError::Process(SurveyError::NoSites { pid }))
            }
        };
        (Supervisor::start(Arc::new(work), limit).unwrap(), gate)
    }

    fn ask(supervisor: &Supervisor, pid: u32) -> Receiver<Result<Armed, ProbeError>> {
        let (reply, answer) = channel();
        supervisor.arm(
            pid,
            Box::new(move |result| {
                // The test may have ended.
                let _ = reply.send(result);
            }),
        );
        answer
    }

    #[test]
    fn arm__a_look_that_hangs__then_answered_in_time_and_others_go_on() {
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
            // On a slow machine its time may be up before it has begun; those that hang for ever would
            // have it so for ever.
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
    fn arm__very_many_hang__then_refused_until_they_return() {
        let (supervisor, gate) = hanging(Duration::from_millis(1));
        let stuck = (0..999).find_map(|pid| match ask(&supervisor, pid).recv().unwrap() {
            Err(ProbeError::Stuck { count }) => Some(count),
            _ => None,
        });
        assert!(stuck.is_some_and(|count| count >= MAX_HANGING));
        gate.open();
        while let Err(ProbeError::Stuck { .. }) = ask(&supervisor, 1000).recv().unwrap() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn supervisor__ends__then_everyone_is_answered() {
        let (supervisor, gate) = hanging(Duration::from_secs(600));
        let asked: Vec<_> = (0..10).map(|pid| ask(&supervisor, pid)).collect();
        drop(supervisor);
        for answer in asked {
            assert!(matches!(answer.recv().unwrap(), Err(ProbeError::Closed)));
        }
        gate.open();
    }
}
