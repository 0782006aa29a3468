//! Turns of work, by address: one client's work waits for the turn that is under way, and for one of each other address.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Whose turn it is. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Turns(Arc<Mutex<Queue>>);

#[derive(Debug, Default)]
struct Queue {
    /// The addresses that wait, the next one first, each with its work in the order of its coming.
    waiting: VecDeque<(IpAddr, VecDeque<(u64, Waker)>)>,
    /// The work that has the turn.
    now: Option<u64>,
    last: u64,
}

impl Queue {
    /// Whether it is this work's turn; else it waits, and is woken for it.
    fn ask(&mut self, address: IpAddr, work: u64, waker: &Waker) -> bool {
        if self.now == Some(work) {
            return true;
        }
        let all = self.waiting.iter_mut().find(|(of, _)| *of == address);
        match all {
            None => {
                let first = VecDeque::from([(work, waker.clone())]);
                self.waiting.push_back((address, first));
            }
            Some((_, all)) => match all.iter_mut().find(|(of, _)| *of == work) {
                Some((_, it)) => it.clone_from(waker),
                None => all.push_back((work, waker.clone())),
            },
        }
        self.next();
        false
    }

    fn next(&mut self) {
        if self.now.is_some() {
            return;
        }
        let Some((address, mut all)) = self.waiting.pop_front() else {
            return;
        };
        if let Some((work, waker)) = all.pop_front() {
            self.now = Some(work);
            waker.wake();
        }
        if !all.is_empty() {
            self.waiting.push_back((address, all));
        }
    }

    /// The work has had its turn.
    fn end(&mut self, work: u64) {
        if self.now == Some(work) {
            self.now = None;
            self.next();
        }
    }

    fn forget(&mut self, work: u64) {
        for (_, all) in &mut self.waiting {
            all.retain(|(of, _)| *of != work);
        }
        self.waiting.retain(|(_, all)| !all.is_empty());
        self.end(work);
    }
}

impl Turns {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `work` of an address: each poll of it is a turn. Work that is long gives way by [`give_way`].
    pub fn of<F: Future>(&self, address: IpAddr, work: F) -> Taking<F> {
        let mut queue = self.queue();
        queue.last += 1;
        Taking {
            turns: self.clone(),
            address,
            number: queue.last,
            work: Box::pin(work),
        }
    }
}

/// Work that takes turns.
#[derive(Debug)]
pub struct Taking<F> {
    turns: Turns,
    address: IpAddr,
    number: u64,
    work: Pin<Box<F>>,
}

impl<F: Future> Future for Taking<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let (address, number) = (self.address, self.number);
        if !self.turns.queue().ask(address, number, context.waker()) {
            return Poll::Pending;
        }
        let done = self.work.as_mut().poll(context);
        self.turns.queue().end(number);
        done
    }
}

impl<F> Drop for Taking<F> {
    fn drop(&mut self) {
        self.turns.queue().forget(self.number);
    }
}

/// Ends the turn of the work that waits for it, and asks for the next at once: `tokio::task::yield_now` asks only when all else
/// has had its turns.
pub async fn give_way() {
    let mut has_waited = false;
    std::future::poll_fn(|context| match std::mem::replace(&mut has_waited, true) {
        true => Poll::Ready(()),
        false => {
            context.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn address_with_much_work_then_another_has_its_turns_between() {
        let turns = Turns::default();
        let [one, other] = [1, 2].map(|it| IpAddr::from([10, 0, 0, it]));
        let log = Arc::new(Mutex::new(Vec::new()));
        let steps = |address: IpAddr, count: usize| {
            let log = Arc::clone(&log);
            tokio::spawn(turns.of(address, async move {
                for _ in 0..count {
                    log.lock().unwrap().push(address);
                    give_way().await;
                }
            }))
        };
        let many: Vec<_> = (0..64).map(|_| steps(one, 100)).collect();
        // It has been dropped while it waited, or had the turn.
        many[0].abort();
        many[7].abort();
        steps(other, 50).await.unwrap();
        let log = log.lock().unwrap().clone();
        let of_other = log.iter().filter(|it| **it == other).count();
        assert_eq!(of_other, 50);
        assert!(log.len() <= 3 * 50 + 64, "{} turns", log.len());
        for it in many.into_iter().skip(8) {
            it.await.unwrap();
        }
        assert!(turns.queue().waiting.is_empty());
        assert_eq!(turns.queue().now, None);
    }
}
