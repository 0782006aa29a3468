//! Work that is done while something else runs, on the cores that that leaves idle.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::Result;

use crate::cargo::Manner;
use crate::say::Times;

/// A piece of work that can run beside another.
pub(crate) struct Task<'a> {
    what: &'static str,
    work: Box<dyn FnOnce(Manner) -> Result<()> + Send + 'a>,
}

impl<'a> Task<'a> {
    pub(crate) fn new(
        what: &'static str,
        work: impl FnOnce(Manner) -> Result<()> + Send + 'a,
    ) -> Self {
        Self {
            what,
            work: Box::new(work),
        }
    }
}

/// Does `first` as a step `what`, and beside it the tasks, one after the other. Those that have not begun when
/// `first` is done stay.
///
/// # Errors
/// Those of `first`, then of the first task that fails. What is under way then is done first.
pub(crate) fn beside(
    times: &mut Times,
    what: &str,
    first: impl FnOnce() -> Result<()>,
    tasks: &mut VecDeque<Task<'_>>,
) -> Result<()> {
    beside_until(&AtomicBool::new(false), times, what, first, tasks)
}

/// Does what is left, each as a step of its own.
pub(crate) fn by_themselves(times: &mut Times, tasks: VecDeque<Task<'_>>) -> Result<()> {
    for task in tasks {
        times.step(task.what, || (task.work)(Manner::InFront))?;
    }
    Ok(())
}

/// The same as [`beside`]; sets `over` when `first` is done.
fn beside_until(
    over: &AtomicBool,
    times: &mut Times,
    what: &str,
    first: impl FnOnce() -> Result<()>,
    tasks: &mut VecDeque<Task<'_>>,
) -> Result<()> {
    let tasks = Mutex::new(tasks);
    let next = || {
        let mut tasks = tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.pop_front()
    };
    let (result, done) = times.step(what, || {
        thread::scope(|scope| {
            let others = scope.spawn(|| {
                let mut done = Vec::new();
                while let Some(task) = next() {
                    let begin = Instant::now();
                    let result = (task.work)(Manner::Beside);
                    let is_last = result.is_err() || over.load(Ordering::Relaxed);
                    done.push((task.what, begin.elapsed(), result));
                    if is_last {
                        break;
                    }
                }
                done
            });
            let result = first();
            over.store(true, Ordering::Relaxed);
            match others.join() {
                Ok(done) => (result, done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    });
    let mut all = vec![result];
    for (what, took, result) in done {
        times.beside(what, took);
        all.push(result);
    }
    all.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use anyhow::bail;
    use onair_stage::{Deadline, until};

    use super::*;

    #[test]
    fn tasks_then_some_beside_the_first_and_the_rest_after_it() {
        let seen = Mutex::new(Vec::new());
        let see = |what, manner| seen.lock().unwrap().push((what, manner));
        let (begun, has_begun) = channel();
        let over = AtomicBool::new(false);
        let is_over = || Ok(over.load(Ordering::Relaxed).then_some(()));
        let mut tasks = VecDeque::from([
            Task::new("one", |manner| {
                begun.send(()).unwrap();
                until("the first to be over", Deadline::seconds(30), is_over)?;
                see("one", manner);
                Ok(())
            }),
            Task::new("two", |manner| {
                see("two", manner);
                Ok(())
            }),
        ]);
        let first = || Ok(has_begun.recv()?);
        let mut times = Times::default();
        beside_until(&over, &mut times, "first", first, &mut tasks).unwrap();
        by_themselves(&mut times, tasks).unwrap();
        let seen = seen.into_inner().unwrap();
        assert_eq!(seen, [("one", Manner::Beside), ("two", Manner::InFront)]);
    }

    #[test]
    fn task_that_fails_then_no_other_one_begins() {
        let mut tasks = VecDeque::from([
            Task::new("one", |_| bail!("it failed")),
            Task::new("two", |_| panic!("it began")),
        ]);
        let done = beside(&mut Times::default(), "first", || Ok(()), &mut tasks);
        assert_eq!(done.unwrap_err().to_string(), "it failed");
    }
}
