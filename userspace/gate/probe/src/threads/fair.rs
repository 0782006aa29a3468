//! A queue in which users take turns, and the processes of a user among themselves: a process that
//! asks often waits behind its own requests, not before others.

use std::collections::VecDeque;

/// The jobs of one process, or of one user: in turns by key.
#[derive(Debug)]
struct Turns<K, V>(VecDeque<(K, V)>);

impl<K: PartialEq, V: Default> Turns<K, V> {
    fn entry(&mut self, key: K) -> &mut V {
        let at = self.0.iter().position(|(known, _)| *known == key);
        let at = at.unwrap_or_else(|| {
            self.0.push_back((key, V::default()));
            self.0.len() - 1
        });
        &mut self.0[at].1
    }
}

impl<K, V> Default for Turns<K, V> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

/// Waiting jobs, by uid, then by pid, in the order of arrival.
#[derive(Debug)]
pub(crate) struct FairQueue<T> {
    users: Turns<u32, Turns<u32, VecDeque<T>>>,
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        Self {
            users: Turns::default(),
        }
    }
}

impl<T> FairQueue<T> {
    /// Adds a job of process `pid` of user `uid`.
    pub(crate) fn push(&mut self, uid: u32, pid: u32, job: T) {
        self.users.entry(uid).entry(pid).push_back(job);
    }

    /// Takes the next job of the first user in turn that `may` have one.
    pub(crate) fn pop(&mut self, may: impl Fn(u32) -> bool) -> Option<T> {
        let at = self.users.0.iter().position(|(uid, _)| may(*uid))?;
        let (uid, mut processes) = self.users.0.remove(at)?;
        let (pid, mut jobs) = processes.0.pop_front()?;
        let job = jobs.pop_front();
        if !jobs.is_empty() {
            processes.0.push_back((pid, jobs));
        }
        if !processes.0.is_empty() {
            self.users.0.push_back((uid, processes));
        }
        job
    }

    /// Every job.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        let processes = self.users.0.iter().flat_map(|(_, processes)| &processes.0);
        processes.flat_map(|(_, jobs)| jobs)
    }

    /// Removes every job that `is_over`.
    pub(crate) fn extract(&mut self, is_over: impl Fn(&T) -> bool) -> Vec<T> {
        let mut over = Vec::new();
        for (_, processes) in &mut self.users.0 {
            for (_, jobs) in &mut processes.0 {
                let (out, kept) = std::mem::take(jobs).into_iter().partition(&is_over);
                *jobs = kept;
                over.extend::<VecDeque<T>>(out);
            }
            processes.0.retain(|(_, jobs)| !jobs.is_empty());
        }
        self.users
            .0
            .retain(|(_, processes)| !processes.0.is_empty());
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queue_one_user_asks_often_then_others_have_every_other_turn() {
        let mut queue = FairQueue::default();
        for job in 0..100 {
            queue.push(1, 10 + job % 2, (1, job));
        }
        queue.push(2, 20, (2, 0));
        queue.push(3, 30, (3, 0));
        queue.push(2, 20, (2, 1));
        let first: Vec<_> = (0..6).filter_map(|_| queue.pop(|_| true)).collect();
        assert_eq!(first, [(1, 0), (2, 0), (3, 0), (1, 1), (2, 1), (1, 2)]);
        assert_eq!(queue.iter().count(), 97);
    }

    #[test]
    fn queue_a_user_may_not_then_passed_over_and_its_turn_is_kept() {
        let mut queue = FairQueue::default();
        queue.push(1, 1, "one");
        queue.push(2, 2, "two");
        assert_eq!(queue.pop(|uid| uid != 1), Some("two"));
        assert_eq!(queue.pop(|uid| uid != 1), None);
        assert_eq!(queue.pop(|_| true), Some("one"));
        assert_eq!(queue.pop(|_| true), None);
    }

    #[test]
    fn queue_jobs_are_over_then_taken_out_and_the_rest_stays() {
        let mut queue = FairQueue::default();
        for job in 0..10 {
            queue.push(job % 3, job % 2, job);
        }
        let mut over = queue.extract(|job| job % 2 == 0);
        over.sort_unstable();
        assert_eq!(over, [0, 2, 4, 6, 8]);
        assert_eq!(queue.extract(|_| true).len(), 5);
        assert!(queue.users.0.is_empty());
    }
}
