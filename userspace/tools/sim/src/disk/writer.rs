//! The threads that write: a queue, and a task that does what is in it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt::Debug;
use std::rc::Rc;
use std::time::Instant;

use onair_archive::Writer;
use onair_sim_kernel::{Mortal, TaskId, give_way, park, spawn, unpark};

use super::scene::now;

#[derive(Debug)]
struct Queue<J> {
    jobs: VecDeque<J>,
    is_working: bool,
}

/// The owner's end of a task that writes.
#[derive(Debug)]
pub(super) struct Desk<J> {
    queue: Rc<RefCell<Queue<J>>>,
    task: TaskId,
}

/// Jobs were not done in time.
#[derive(Debug, thiserror::Error)]
#[error("not in time")]
pub(super) struct Late;

impl<J: Debug + 'static> Desk<J> {
    /// Starts the task, which does up to `most` jobs at once.
    pub(super) fn start(
        daemon: &Mortal,
        most: usize,
        mut work: impl FnMut(Vec<J>) + 'static,
    ) -> Self {
        let queue = Rc::new(RefCell::new(Queue {
            jobs: VecDeque::new(),
            is_working: false,
        }));
        let own = Rc::clone(&queue);
        let task = spawn(vec![daemon.clone()], move || {
            loop {
                let jobs: Vec<J> = {
                    let mut queue = own.borrow_mut();
                    let count = queue.jobs.len().min(most);
                    queue.is_working = count > 0;
                    queue.jobs.drain(..count).collect()
                };
                match jobs.is_empty() {
                    true => drop(park(u64::MAX)),
                    false => work(jobs),
                }
                give_way();
            }
        });
        Self { queue, task }
    }
}

impl<J: Debug + 'static> Writer<J> for Desk<J> {
    type NotDone = Late;

    fn hand_in(&self, job: J) -> Result<(), J> {
        self.queue.borrow_mut().jobs.push_back(job);
        unpark(self.task);
        give_way();
        Ok(())
    }

    fn close(self, deadline: Instant) -> Result<(), Late> {
        let is_done = |queue: &Queue<J>| queue.jobs.is_empty() && !queue.is_working;
        while !is_done(&self.queue.borrow()) {
            if now() > deadline {
                return Err(Late);
            }
            onair_sim_kernel::sleep(1_000_000);
        }
        Ok(())
    }
}
