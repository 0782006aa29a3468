//! Answers every arming in time, also when the look at the client hangs.
//!
//! A thread that hangs cannot be ended. It is left behind and no longer counts
//! against those that work; only when very many hang is nothing started any more.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use crate::arm::{Armed, Step, arm};
use crate::error::ProbeError;
use crate::kernel::{self, spawn};
use crate::sight::Readers;

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

/// Handle; its drop ends the thread.
pub(crate) struct Supervisor {
    inbox: Sender<Message>,
}

impl Supervisor {
    pub(crate) fn start(
        kernel: Sender<kernel::Command>,
        readers: Arc<Readers>,
        limit: Duration,
    ) -> Result<Self, ProbeError> {
        let (inbox, messages) = channel();
        let jobs = Jobs {
            kernel,
            readers,
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
    kernel: Sender<kernel::Command>,
    readers: Arc<Readers>,
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
        let (kernel, readers) = (self.kernel.clone(), Arc::clone(&self.readers));
        spawn("onair-arm", move || {
            done.with(|| arm(pid, &kernel, &readers, &step))
        })?;
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
