//! The sequence on a clock of its own, with parts that take a known time.

use std::collections::BTreeMap;

use onair_api::PartReport;

use super::super::sequence::{Ended, PartKind, PartToEnd, Sequence, SequenceEvent, SequenceStep};
use super::*;

const MS: Duration = Duration::from_millis(1);
const HANDLER: Duration = Duration::from_secs(5);
const FORCE: Duration = Duration::from_secs(1);

/// When a part ends.
#[derive(Clone, Copy)]
enum Ends {
    After(Duration),
    WhenForced,
    Never,
}

struct Plant {
    start: Instant,
    now: Instant,
    parts: BTreeMap<PartKind, Vec<PartToEnd<Ends>>>,
    /// Parts that run, with the time of their end.
    running: Vec<(u64, Option<Instant>)>,
    forced_at: Option<Duration>,
    /// When the last request in flight is answered; `None`: never.
    answered_at: Option<Duration>,
    log: Vec<String>,
    reports: Vec<PartReport>,
}

impl Plant {
    fn new() -> Self {
        let start = Instant::now();
        Self {
            start,
            now: start,
            parts: BTreeMap::new(),
            running: Vec::new(),
            forced_at: None,
            answered_at: Some(Duration::ZERO),
            log: Vec::new(),
            reports: Vec::new(),
        }
    }

    fn add(&mut self, kind: PartKind, name: &str, priority: u8, limit: Duration, run: Ends) {
        self.parts.entry(kind).or_default().push(PartToEnd {
            name: name.to_owned(),
            priority,
            limit,
            counted: limit,
            run,
        });
    }

    fn forced(&self) -> Option<Instant> {
        let at = self.forced_at.map(|at| self.start + at);
        at.filter(|at| *at <= self.now)
    }

    fn note(&mut self, text: &str) {
        let at = self.now.duration_since(self.start).as_millis();
        self.log.push(format!("{at} {text}"));
    }

    fn run(&mut self) -> Vec<&str> {
        let mut sequence = Sequence::new(HANDLER, FORCE);
        loop {
            let now = self.now;
            if let Some(at) = self.forced() {
                sequence.handle(SequenceEvent::Forced(at));
            }
            let answered = self.answered_at.map(|at| self.start + at);
            let open = u64::from(answered.is_none_or(|at| at > now));
            sequence.handle(SequenceEvent::Operations(open));
            let ended = self
                .running
                .extract_if(.., |(_, at)| at.is_some_and(|at| at <= now));
            for (number, _) in ended {
                let ended = Ended {
                    outcome: PartOutcome::Done,
                    detail: None,
                    at: now,
                };
                sequence.handle(SequenceEvent::Ended(number, ended));
            }
            match sequence.next(now) {
                SequenceStep::Enter(phase) => self.note(phase.as_str()),
                SequenceStep::Take(kind) => {
                    sequence.take(kind, self.parts.remove(&kind).unwrap_or_default());
                }
                SequenceStep::StopWorkers => self.note("workers"),
                SequenceStep::Start {
                    number, name, run, ..
                } => {
                    self.note(&format!("start {name}"));
                    let end = match run {
                        Ends::After(time) => Some(now + time),
                        Ends::WhenForced => self.forced_at.map(|at| self.start + at),
                        Ends::Never => None,
                    };
                    self.running.push((number, end));
                }
                SequenceStep::CountDown {
                    remaining, parts, ..
                } => self.note(&format!("{} s: {}", remaining.as_secs(), parts.join(" "))),
                SequenceStep::Report(report) => {
                    self.note(&format!("{} {}", report.name, report.outcome.as_str()));
                    self.reports.push(report);
                }
                SequenceStep::Wait(until) => {
                    assert!(until > now, "it would spin");
                    let forced = self.forced_at.map(|at| self.start + at);
                    let ends = self.running.iter().filter_map(|(_, at)| *at);
                    let events = ends.chain(forced).chain(answered).filter(|at| *at > now);
                    self.now = events.chain([until]).min().unwrap();
                }
                SequenceStep::Over => {
                    return self.log.iter().map(String::as_str).collect();
                }
            }
        }
    }

    fn outcome(&self, name: &str) -> (PartOutcome, u64) {
        let found = self.reports.iter().find(|it| it.name == name).unwrap();
        (found.outcome, found.us / 1000)
    }
}

#[test]
fn sequence_of_all_kinds_then_each_stage_after_the_one_before() {
    let mut plant = Plant::new();
    let quick = Ends::After(10 * MS);
    plant.add(PartKind::Cleanup, "ports", 50, HANDLER, quick);
    plant.add(PartKind::Cleanup, "recorder", 10, HANDLER, quick);
    plant.add(PartKind::Server, "http", 0, HANDLER, quick);
    plant.add(PartKind::Server, "attach", 0, HANDLER, Ends::After(5 * MS));
    plant.add(PartKind::Waiter, "sessions", 9, HANDLER, quick);
    plant.add(PartKind::Waiter, "recordings", 1, HANDLER, quick);
    plant.add(PartKind::Notification, "one", 0, HANDLER, quick);
    plant.add(PartKind::Notification, "two", 0, HANDLER, quick);
    plant.answered_at = Some(60 * MS);
    let expected = [
        "0 stop_accepting",
        "0 start one",
        "10 one done",
        "10 start two",
        "20 two done",
        "20 workers",
        "20 draining",
        "20 start recordings",
        "30 recordings done",
        "30 start sessions",
        "40 sessions done",
        "40 cleanup",
        "40 start http",
        "40 start attach",
        "45 attach done",
        "50 http done",
        "60 requests in flight done",
        "60 start recorder",
        "70 recorder done",
        "70 start ports",
        "80 ports done",
        "80 shutdown",
    ];
    assert_eq!(plant.run(), expected);
}

#[test]
fn sequence_part_of_any_kind_hangs_then_left_behind_in_time() {
    use PartKind::{Cleanup, Notification, Server, Waiter};
    for kind in [Notification, Waiter, Server, Cleanup] {
        let mut plant = Plant::new();
        plant.add(kind, "hung", 50, 300 * MS, Ends::Never);
        for of in [Notification, Waiter, Server, Cleanup] {
            plant.add(of, &format!("{of:?}"), 60, 300 * MS, Ends::After(MS));
        }
        plant.run();
        assert_eq!(plant.outcome("hung"), (PartOutcome::TimedOut, 300));
        for of in [Notification, Waiter, Server, Cleanup] {
            assert_eq!(plant.outcome(&format!("{of:?}")), (PartOutcome::Done, 1));
        }
        assert!(plant.now - plant.start < 400 * MS, "the rest is not late");
    }
}

#[test]
fn sequence_part_ends_at_its_limit_or_after_then_reported_once() {
    let mut plant = Plant::new();
    plant.add(
        PartKind::Waiter,
        "in time",
        1,
        HANDLER,
        Ends::After(HANDLER),
    );
    let late = Ends::After(HANDLER + MS);
    plant.add(PartKind::Waiter, "late", 2, HANDLER, late);
    plant.add(PartKind::Waiter, "last", 3, HANDLER, Ends::After(2 * MS));
    plant.run();
    let outcomes = plant.reports.iter().map(|it| (&*it.name, it.outcome));
    let expected = [
        ("in time", PartOutcome::Done),
        ("late", PartOutcome::TimedOut),
        ("last", PartOutcome::Done),
        ("requests in flight", PartOutcome::Done),
    ];
    assert!(outcomes.eq(expected));
}

#[test]
fn sequence_forced_then_each_part_has_forced_time_of_its_own() {
    let mut plant = Plant::new();
    plant.forced_at = Some(200 * MS);
    let minute = Duration::from_secs(60);
    plant.add(PartKind::Waiter, "deaf", 50, minute, Ends::Never);
    plant.add(PartKind::Waiter, "obedient", 50, minute, Ends::WhenForced);
    plant.add(PartKind::Cleanup, "slow", 1, minute, Ends::After(900 * MS));
    plant.add(PartKind::Cleanup, "hung", 2, minute, Ends::Never);
    plant.add(PartKind::Cleanup, "short", 3, 500 * MS, Ends::Never);
    plant.answered_at = None;
    plant.run();
    assert_eq!(plant.outcome("obedient"), (PartOutcome::Done, 200));
    assert_eq!(plant.outcome("deaf"), (PartOutcome::Forced, 1200));
    let operations = plant.outcome("requests in flight");
    assert_eq!(operations, (PartOutcome::Forced, 1000));
    assert_eq!(plant.outcome("slow"), (PartOutcome::Done, 900));
    assert_eq!(plant.outcome("hung"), (PartOutcome::Forced, 1000));
    assert_eq!(plant.outcome("short"), (PartOutcome::TimedOut, 500));
}

#[test]
fn sequence_requests_never_answered_then_counted_in_time() {
    let mut plant = Plant::new();
    plant.answered_at = None;
    plant.run();
    let operations = plant.reports.pop().unwrap();
    assert_eq!(operations.outcome, PartOutcome::TimedOut);
    assert_eq!(operations.detail.as_deref(), Some("1 not answered"));
    assert_eq!(plant.now - plant.start, HANDLER);
}

#[test]
fn sequence_parts_slow_then_the_log_counts_down_what_is_left() {
    let mut plant = Plant::new();
    let second = Duration::from_secs(1);
    plant.add(PartKind::Waiter, "a", 1, 4 * second, Ends::After(1500 * MS));
    plant.add(PartKind::Waiter, "b", 1, 9 * second, Ends::After(2500 * MS));
    let counted = [
        "0 stop_accepting",
        "0 workers",
        "0 draining",
        "0 start a",
        "0 start b",
        "1000 3 s: a b",
        "1500 a done",
        "2000 2 s: b",
        "2500 b done",
        "2500 cleanup",
        "2500 requests in flight done",
        "2500 shutdown",
    ];
    assert_eq!(plant.run(), counted);
}

#[test]
fn host_absent_past_a_deadline_then_it_has_as_much_again() {
    let start = Instant::now();
    let mut sequence = Sequence::new(HANDLER, FORCE);
    let late = loop {
        match sequence.next(start) {
            SequenceStep::Take(PartKind::Cleanup) => {
                let part = PartToEnd {
                    name: "ports".to_owned(),
                    priority: 0,
                    limit: 300 * MS,
                    counted: 300 * MS,
                    run: Ends::Never,
                };
                sequence.take(PartKind::Cleanup, vec![part]);
            }
            SequenceStep::Take(kind) => sequence.take(kind, Vec::new()),
            SequenceStep::Wait(until) => break until + 600 * MS,
            _ => {}
        }
    };
    let SequenceStep::Wait(again) = sequence.next(late) else {
        panic!("it was left behind");
    };
    assert_eq!(again, late + 600 * MS);
    let SequenceStep::Report(part) = sequence.next(again) else {
        panic!("it is waited for");
    };
    assert_eq!(part.outcome, PartOutcome::TimedOut);
}

#[test]
fn operations_in_flight_and_late_then_waited_for_and_refused() {
    let coordinator = coordinator();
    let guard = coordinator.begin_operation().unwrap();
    let (released, servers) = std::sync::mpsc::channel();
    coordinator.register_server_shutdown("server", move |_| {
        released.send(()).unwrap();
        Ok(())
    });
    coordinator.begin(Cause::Signal(15));
    let runs = {
        let coordinator = coordinator.clone();
        thread::spawn(move || coordinator.run())
    };
    servers.recv_timeout(TIMEOUT).unwrap();
    assert_eq!(coordinator.begin_operation().unwrap_err(), ShuttingDown);
    let look = coordinator.count_operation();
    assert_eq!(coordinator.status().operations, 2);
    drop((guard, look));
    let report = runs.join().unwrap();
    assert_eq!(report.troubled().count(), 0);
    assert_eq!(
        (report.operations_refused, coordinator.operations()),
        (1, 0)
    );
}
