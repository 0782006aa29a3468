//! Selects the control thread's next work besides requests: pure, without a clock.
//!
//! Each turn has one budget for all work. Due tasks run in rotation, so that no task blocks
//! another. A task rests ten times as long as it ran: work that a client makes expensive takes at
//! most a tenth of the control thread. What took longer than any step did not run all the time: the host was busy, or
//! the process stopped. Such a task must not rest for ten times the host's absence.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use onair_mutant::mutant;

/// Time limit for the work of one turn, all tasks together. One step of a task may exceed it.
pub const TURN: Duration = Duration::from_millis(2);
/// A task rests for this many times its run time, and at least [`SHORTEST`].
const REST: u32 = 10;
/// Longest rest: that of a step of 20 ms.
const LONGEST: Duration = Duration::from_millis(200);
/// Shortest rest: a task whose due time stays in the past must not run all the time.
const SHORTEST: Duration = Duration::from_millis(1);

/// A recurring task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Task {
    /// Sends commands that wait because a poller's queue was full.
    Outbox,
    /// Checks ports, probe, archive, and slots that no probe watches: once a second.
    Periodic,
    /// Looks whether the pollers make turns: five times a second.
    Turns,
    /// Checks the ports' links and the sessions' traffic: four times a second.
    Traffic,
    /// Answers queries about multicast groups, and reports changes.
    Groups,
    /// Checks whether recordings end.
    Recordings,
    /// Asks W4 about memory that waits to be freed.
    Memory,
    /// Gives up on helper threads that hang.
    Inspections,
    /// Destroys sessions that end with their creator.
    Creators,
    /// Continues the daemon's shutdown.
    Ending,
    /// Examines one session: its witnesses, its deadlines, its warnings.
    Session(u64),
}

impl Task {
    /// Its kind, without the session.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Outbox => "outbox",
            Self::Periodic => "periodic",
            Self::Turns => "turns",
            Self::Traffic => "traffic",
            Self::Groups => "groups",
            Self::Recordings => "recordings",
            Self::Memory => "memory",
            Self::Inspections => "inspections",
            Self::Creators => "creators",
            Self::Ending => "ending",
            Self::Session(_) => "session",
        }
    }
}

/// When each task is due.
pub type Wanted = BTreeMap<Task, Instant>;

/// Records what ran when.
#[derive(Debug, Default)]
pub struct Schedule {
    /// Until when each task rests that has run.
    rests: BTreeMap<Task, Instant>,
    /// The task that ran last.
    last: Option<Task>,
}

impl Schedule {
    /// The tasks that may run at `now`, starting after the one that ran last.
    pub fn due(&mut self, wanted: &Wanted, now: Instant) -> Vec<Task> {
        self.rests.retain(|_, until| *until > now);
        let due = wanted
            .iter()
            .filter(|(task, at)| **at <= now && !self.rests.contains_key(*task));
        let mut due: Vec<Task> = due.map(|(task, _)| *task).collect();
        let next = due.partition_point(|task| Some(*task) <= self.last);
        due.rotate_left(next);
        due
    }

    /// Whether a task that is due at `at` has to wait longer.
    pub fn rests(&self, task: Task, at: Instant) -> bool {
        self.rests.get(&task).is_some_and(|until| *until > at)
    }

    /// Records that a task ran.
    pub fn ran(&mut self, task: Task, began: Instant, ended: Instant) {
        let cost = ended.saturating_duration_since(began);
        let rest = mutant!("control: a task does not rest", Duration::ZERO, rest(cost));
        self.rests.insert(task, ended + rest.max(SHORTEST));
        self.last = Some(task);
    }

    /// Charges a task with `cost` that others had for it until `ended`.
    pub fn charge(&mut self, task: Task, ended: Instant, cost: Duration) {
        let rest = ended + rest(cost);
        let until = self.rests.entry(task).or_insert(rest);
        *until = rest.max(*until);
    }

    /// Runs the due tasks until the turn's time is over.
    pub fn turn(
        &mut self,
        wanted: &Wanted,
        clock: impl Fn() -> Instant,
        mut run: impl FnMut(Task, Instant),
    ) {
        let began = clock();
        let mut now = began;
        for task in self.due(wanted, began) {
            run(task, now);
            let ended = clock();
            self.ran(task, now, ended);
            now = ended;
            if now.duration_since(began) >= TURN && !mutant!("control: tasks have no budget") {
                break;
            }
        }
    }

    /// When the first of the tasks may run.
    pub fn wake_at(&self, wanted: &Wanted) -> Option<Instant> {
        let rested = wanted.iter().map(|(task, at)| match self.rests.get(task) {
            Some(until) => *until.max(at),
            None => *at,
        });
        rested.min()
    }
}

/// For how long a task rests after a step.
fn rest(cost: Duration) -> Duration {
    let longest = mutant!(
        "control: rests for the host's absence",
        Duration::MAX,
        LONGEST
    );
    (cost * REST).clamp(SHORTEST, longest)
}

/// Sessions that are examined together. More would make a step longer, and each no cheaper: what
/// they share costs some 20 µs, and the end of one session 100.
const TOGETHER: usize = 16;

/// Sessions to be examined in this turn.
#[derive(Debug, Default)]
pub struct Due(BTreeSet<(u8, u64)>);

impl Due {
    /// This session is to be examined.
    pub fn add(&mut self, priority: u8, id: u64) {
        self.0.insert((priority, id));
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the first few, the lowest priority number first.
    pub fn take_some(&mut self) -> BTreeSet<u64> {
        let some = std::iter::from_fn(|| self.0.pop_first()).take(TOGETHER);
        some.map(|(_, id)| id).collect()
    }
}

/// Calls `serve` until it finds nothing more, or the turn's time is over.
pub fn serve_within_a_turn(clock: impl Fn() -> Instant, mut serve: impl FnMut() -> bool) {
    let end = clock() + TURN;
    while serve() && (clock() < end || mutant!("control: messages have no budget")) {}
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn turn_with_more_tasks_than_time_then_the_rest_in_the_next() {
        let now = Cell::new(Instant::now());
        let wanted = sessions(3, now.get());
        let mut schedule = Schedule::default();
        let mut turns = [Vec::new(), Vec::new()];
        for ran in &mut turns {
            let run = |task, _| {
                ran.push(task);
                now.set(now.get() + MS);
            };
            schedule.turn(&wanted, || now.get(), run);
        }
        assert_eq!(turns[0], [0, 1].map(Task::Session));
        assert_eq!(turns[1], [Task::Session(2)]);
    }

    #[test]
    fn source_that_is_never_empty_then_served_for_one_turn() {
        let now = Cell::new(Instant::now());
        let mut served = 0;
        let serve = || {
            now.set(now.get() + MS);
            served += 1;
            served < 100
        };
        serve_within_a_turn(|| now.get(), serve);
        assert_eq!(served, 2);
    }

    #[test]
    fn sessions_due_together_then_the_first_few_by_priority() {
        let mut due = Due::default();
        for id in 1..=20 {
            due.add(if id > 10 { 1 } else { 2 }, id);
        }
        due.add(1, 20);
        assert_eq!(
            Vec::from_iter(due.take_some()),
            Vec::from_iter((1..=6).chain(11..=20))
        );
        assert_eq!(Vec::from_iter(due.take_some()), [7, 8, 9, 10]);
        assert!(due.is_empty() && due.take_some().is_empty());
    }

    fn sessions(count: u64, at: Instant) -> Wanted {
        (0..count).map(|id| (Task::Session(id), at)).collect()
    }

    #[test]
    fn tasks_due_together_then_each_runs_before_one_runs_again() {
        let start = Instant::now();
        let wanted = sessions(5, start);
        let mut schedule = Schedule::default();
        let mut ran = Vec::new();
        for turn in 0..5 {
            // A turn with time for one of them.
            let now = start + MS * 100 * turn;
            let task = schedule.due(&wanted, now)[0];
            schedule.ran(task, now, now + MS);
            ran.push(task);
        }
        let all: Vec<Task> = wanted.keys().copied().collect();
        assert_eq!(ran, all);
    }

    #[test]
    fn task_ran_for_long_then_it_rests_ten_times_as_long_afterwards() {
        let start = Instant::now();
        let wanted = sessions(2, start);
        let mut schedule = Schedule::default();
        schedule.ran(Task::Session(0), start, start + 3 * MS);
        let rested = start + 33 * MS;
        assert_eq!(schedule.due(&wanted, rested - MS), [Task::Session(1)]);
        assert_eq!(
            schedule.due(&wanted, rested),
            [Task::Session(1), Task::Session(0)]
        );
        assert_eq!(schedule.wake_at(&wanted), Some(start));
        let one = sessions(1, start);
        schedule.ran(Task::Session(0), start, start + 3 * MS);
        assert_eq!(schedule.wake_at(&one), Some(rested));
        assert_eq!(schedule.wake_at(&Wanted::new()), None);
    }

    #[test]
    fn host_absent_amid_a_task_then_it_does_not_rest_for_that() {
        let start = Instant::now();
        let wanted = sessions(1, start);
        let (mut schedule, task) = (Schedule::default(), Task::Session(0));
        let ended = start + 600 * MS;
        schedule.ran(task, start, ended);
        assert_eq!(schedule.wake_at(&wanted), Some(ended + LONGEST));
        schedule.charge(task, ended, 600 * MS);
        assert_eq!(schedule.wake_at(&wanted), Some(ended + LONGEST));
    }

    #[test]
    fn task_charged_with_work_done_for_it_then_rests_for_longer() {
        let start = Instant::now();
        let wanted = sessions(1, start);
        let (mut schedule, task) = (Schedule::default(), Task::Session(0));
        schedule.ran(task, start, start + 3 * MS);
        schedule.charge(task, start + 4 * MS, MS);
        assert_eq!(schedule.wake_at(&wanted), Some(start + 33 * MS));
        schedule.charge(task, start + 4 * MS, 5 * MS);
        assert_eq!(schedule.wake_at(&wanted), Some(start + 54 * MS));
    }

    #[test]
    fn task_always_due_then_it_takes_at_most_a_tenth_of_the_time() {
        let start = Instant::now();
        let wanted = sessions(1, start);
        let (mut schedule, mut now, mut busy) = (Schedule::default(), start, Duration::ZERO);
        while now < start + 1000 * MS {
            match schedule.due(&wanted, now).first() {
                Some(task) => {
                    schedule.ran(*task, now, now + 5 * MS);
                    now += 5 * MS;
                    busy += 5 * MS;
                }
                None => now = schedule.wake_at(&wanted).expect("it rests"),
            }
        }
        assert!(busy <= 100 * MS, "{busy:?}");
    }
}
