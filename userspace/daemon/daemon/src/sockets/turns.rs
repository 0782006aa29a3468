//! The order in which the connections of a socket run: many of one user let those of others run in between.

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use onair_shares::{Owner, Rank};

/// Runs that the connections of one user have in a round.
const RUNS: usize = 1;

/// The connections of one socket, by user. In a round all other tasks of the runtime run, too. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Turns(Arc<Mutex<Round>>);

#[derive(Debug, Default)]
struct Round {
    users: BTreeMap<u32, Runs>,
    /// Of the last connection that has waited.
    number: u64,
    /// Wakes the task that begins the next round.
    next: Option<Waker>,
}

#[derive(Debug, Default)]
struct Runs {
    /// In this round.
    done: usize,
    /// Connections that wait for a later round, in their order.
    waiting: VecDeque<(u64, Waker)>,
}

impl Turns {
    /// Runs `connection` of `owner`. Root never waits.
    pub async fn run<F: Future>(&self, owner: Owner, connection: F) -> F::Output {
        let mut connection = pin!(connection);
        let mut place = None;
        poll_fn(|context| match self.is_turn(owner, &mut place, context) {
            true => connection.as_mut().poll(context),
            false => Poll::Pending,
        })
        .await
    }

    /// Whether the connection may run now; else it waits at `place`.
    fn is_turn(&self, owner: Owner, place: &mut Option<u64>, context: &Context<'_>) -> bool {
        if owner.rank == Rank::Root {
            return true;
        }
        let mut round = self.round();
        let Round {
            users,
            number,
            next,
        } = &mut *round;
        let runs = users.entry(owner.uid).or_default();
        if let Some(next) = next.take() {
            next.wake();
        }
        match *place {
            // Those before it, and it itself, no longer wait.
            Some(own) => {
                let is_turn = runs.waiting.front().is_none_or(|first| first.0 > own);
                *place = place.filter(|_| !is_turn);
                is_turn
            }
            None if runs.done < RUNS && runs.waiting.is_empty() => {
                runs.done += 1;
                true
            }
            None => {
                *number += 1;
                *place = Some(*number);
                runs.waiting.push_back((*number, context.waker().clone()));
                false
            }
        }
    }

    /// Begins a round after the other, while connections run or wait.
    pub async fn begin_rounds(self) {
        loop {
            poll_fn(|context| {
                let mut round = self.round();
                if !round.users.is_empty() {
                    return Poll::Ready(());
                }
                round.next = Some(context.waker().clone());
                Poll::Pending
            })
            .await;
            // A wake in between would end it: the other tasks would not run.
            tokio::task::yield_now().await;
            self.round().users.retain(|_, runs| runs.next());
        }
    }

    fn round(&self) -> MutexGuard<'_, Round> {
        // No code panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Runs {
    /// Begins the next round. Whether there is something to remember.
    fn next(&mut self) -> bool {
        self.done = self.waiting.len().min(RUNS);
        for (_, connection) in self.waiting.drain(..self.done) {
            connection.wake();
        }
        self.done > 0
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// Runs so often, and counts.
    async fn work(times: u64, runs: Arc<AtomicU64>) {
        for _ in 0..times {
            runs.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn user_with_many_connections_then_others_run_as_often() {
        const TIMES: u64 = 100;
        let turns = Turns::default();
        let rounds = tokio::spawn(turns.clone().begin_rounds());
        let of = |uid, rank| Owner { uid, pid: 1, rank };
        let counts = [(); 2].map(|()| Arc::new(AtomicU64::new(0)));
        let start = |owner, times, counted: &Arc<AtomicU64>| {
            let (turns, counted) = (turns.clone(), counted.clone());
            tokio::spawn(async move { turns.run(owner, work(times, counted)).await })
        };
        let many: Vec<_> = (0..50)
            .map(|_| start(of(7, Rank::Operator), TIMES, &counts[0]))
            .collect();
        let other = start(of(8, Rank::Operator), TIMES, &counts[1]);
        other.await.unwrap();
        let seen = counts[0].load(Ordering::Relaxed);
        assert!(seen <= 2 * TIMES, "{seen} runs beside {TIMES}");
        let root = start(of(0, Rank::Root), TIMES, &counts[1]);
        root.await.unwrap();
        for one in many {
            one.await.unwrap();
        }
        assert_eq!(counts[0].load(Ordering::Relaxed), 50 * TIMES);
        rounds.abort();
    }
}
