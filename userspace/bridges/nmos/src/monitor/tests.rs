use std::time::Duration;

use onair_api::SessionId;
use proptest::prelude::*;

use super::counters::Counts;
use super::*;

const DELAY_MS: u64 = 3_000;

fn ms(time: u64) -> Duration {
    Duration::from_millis(time)
}

/// Active since activation `number`, with this level of the transport.
fn truth(number: Option<u64>, level: Level) -> Truth {
    let reason = (level > Level::Healthy).then(|| format!("{level:?}"));
    let [link, synchronization, essence] = [const { Finding::of(Level::Healthy) }; 3];
    Truth {
        activations: number,
        findings: [link, Finding { level, reason }, synchronization, essence],
        source: Some("one".to_owned()),
        counts: counts(1, 0, 0),
    }
}

fn counts(session: u64, packets: u64, lost: u64) -> Counts {
    let lost = Count {
        set: Set::Lost,
        name: "lost".to_owned(),
        help: "",
        value: lost,
    };
    Counts {
        session: SessionId(session),
        packets,
        all: vec![lost],
    }
}

fn shown(monitor: &Monitor) -> (Level, u64, Option<&str>) {
    let domain = monitor.domain(Area::Transport);
    (domain.level(), domain.transitions(), domain.message())
}

fn lost(monitor: &Monitor) -> u64 {
    monitor.counts(Set::Lost).map(|it| it.value).sum()
}

/// Does what is due until `end`: the times at which something was.
fn run(monitor: &mut Monitor, from: Duration, end: Duration) -> Vec<Duration> {
    let (mut now, mut times) = (from, Vec::new());
    while let Some(due) = monitor.due(now).filter(|it| *it <= end) {
        monitor.settle(due);
        now = due;
        times.push(due);
    }
    times
}

#[test]
fn worse_then_at_once_better_then_when_it_has_lasted() {
    use Level::{Healthy, Partial, Unhealthy};
    let mut monitor = Monitor::new(truth(Some(0), Healthy));
    monitor.observe(truth(Some(0), Unhealthy), ms(1_000));
    assert_eq!(shown(&monitor), (Unhealthy, 1, Some("Unhealthy")));
    assert_eq!(monitor.overall(), Unhealthy);
    monitor.observe(truth(Some(0), Partial), ms(2_000));
    monitor.observe(truth(Some(0), Healthy), ms(3_000));
    assert_eq!(shown(&monitor), (Unhealthy, 1, Some("Unhealthy")));
    assert_eq!(run(&mut monitor, ms(3_000), ms(5_500)), [ms(5_000)]);
    assert_eq!(shown(&monitor), (Partial, 1, Some("Partial")));
    assert_eq!(run(&mut monitor, ms(5_500), ms(99_000)), [ms(6_000)]);
    assert_eq!(shown(&monitor), (Healthy, 1, None));
    assert_eq!(
        (monitor.overall(), monitor.overall_message()),
        (Healthy, None)
    );
}

#[test]
fn worse_at_the_moment_of_recovery_then_not_counted() {
    use Level::{Healthy, Partial, Unhealthy};
    let mut monitor = Monitor::new(truth(Some(0), Unhealthy));
    monitor.observe(truth(Some(0), Healthy), ms(1_000));
    monitor.observe(truth(Some(0), Partial), ms(4_000));
    assert_eq!(shown(&monitor), (Partial, 0, Some("Partial")));
}

#[test]
fn activation_then_healthy_until_the_delay_is_over() {
    use Level::{Healthy, Neutral, Unhealthy};
    let mut monitor = Monitor::new(truth(None, Neutral));
    assert_eq!(monitor.overall(), Neutral);
    monitor.observe(truth(Some(1), Unhealthy), ms(1_000));
    assert_eq!(shown(&monitor), (Healthy, 0, None));
    monitor.observe(truth(Some(1), Healthy), ms(2_000));
    monitor.observe(truth(Some(1), Unhealthy), ms(3_999));
    assert_eq!(shown(&monitor), (Healthy, 0, None));
    assert_eq!(run(&mut monitor, ms(3_999), ms(99_000)), [ms(4_000)]);
    assert_eq!(shown(&monitor), (Unhealthy, 1, Some("Unhealthy")));
    // What was bad in the meantime and is not any more is never reported.
    monitor.observe(truth(Some(2), Unhealthy), ms(10_000));
    monitor.observe(truth(Some(2), Healthy), ms(12_999));
    run(&mut monitor, ms(12_999), ms(99_000));
    assert_eq!(shown(&monitor), (Healthy, 0, None));
}

#[test]
fn deactivation_then_inactive_at_once() {
    use Level::{Healthy, Neutral, Unhealthy};
    let mut monitor = Monitor::new(truth(Some(1), Unhealthy));
    monitor.observe(truth(Some(2), Unhealthy), ms(1_000));
    assert_eq!(shown(&monitor).0, Healthy);
    monitor.observe(truth(None, Neutral), ms(2_000));
    assert_eq!(shown(&monitor), (Neutral, 0, None));
    assert_eq!((monitor.overall(), monitor.due(ms(2_000))), (Neutral, None));
}

#[test]
fn delay_of_zero_then_every_change_is_reported_at_once() {
    use Level::{Healthy, Neutral, Unhealthy};
    let mut monitor = Monitor::new(truth(Some(1), Unhealthy));
    monitor.observe(truth(Some(1), Healthy), ms(1_000));
    assert_eq!(shown(&monitor).0, Unhealthy);
    monitor.set_delay_s(0, ms(1_001));
    assert_eq!(shown(&monitor), (Healthy, 0, None));
    monitor.observe(truth(None, Neutral), ms(2_000));
    monitor.observe(truth(Some(2), Unhealthy), ms(3_000));
    assert_eq!(shown(&monitor), (Unhealthy, 1, Some("Unhealthy")));
    monitor.set_delay_s(u32::MAX, ms(3_000));
    monitor.observe(truth(Some(2), Healthy), ms(4_000));
    assert!(monitor.due(ms(4_000)).is_some_and(|it| it > ms(1 << 40)));
}

#[test]
fn reset_then_no_message_until_there_is_another() {
    use Level::{Partial, Unhealthy};
    let mut monitor = Monitor::new(truth(Some(0), Level::Healthy));
    monitor.observe(truth(Some(0), Unhealthy), ms(1));
    monitor.reset();
    monitor.observe(truth(Some(0), Unhealthy), ms(2));
    assert_eq!(shown(&monitor), (Unhealthy, 0, None));
    assert_eq!(
        (monitor.overall(), monitor.overall_message()),
        (Unhealthy, None)
    );
    monitor.observe(truth(Some(0), Partial), ms(3));
    run(&mut monitor, ms(3), ms(99_000));
    assert_eq!(shown(&monitor), (Partial, 0, Some("Partial")));
    assert_eq!(monitor.overall_message().as_deref(), Some("Partial"));
}

#[test]
fn activation_then_counters_are_reset_unless_told_not_to() {
    for resets in [true, false] {
        let mut monitor = Monitor::new(truth(Some(0), Level::Healthy));
        monitor.set_resets_itself(resets);
        let mut now = truth(Some(0), Level::Unhealthy);
        now.counts = counts(1, 100, 5);
        monitor.observe(now.clone(), ms(1));
        assert_eq!((shown(&monitor).1, lost(&monitor)), (1, 5));
        now.activations = Some(1);
        monitor.observe(now, ms(2));
        let expected = if resets { (0, 0) } else { (1, 5) };
        assert_eq!((shown(&monitor).1, lost(&monitor)), expected);
    }
}

#[test]
fn counts_after_a_reset_then_of_the_same_session_only() {
    let mut monitor = Monitor::new(truth(Some(0), Level::Healthy));
    let mut at = |session, packets, lost_now, reset| {
        let mut now = truth(Some(0), Level::Healthy);
        now.counts = counts(session, packets, lost_now);
        monitor.observe(now, ms(1));
        if reset {
            monitor.reset();
        }
        lost(&monitor)
    };
    assert_eq!(at(1, 100, 7, true), 0);
    assert_eq!(at(1, 200, 9, false), 2);
    assert_eq!(at(1, 300, 6, false), 0, "lost packets came late");
    assert_eq!(at(1, 400, 8, false), 1);
    assert_eq!(at(1, 10, 3, false), 3, "another daemon counts from zero");
    assert_eq!(at(1, 20, 4, true), 0);
    assert_eq!(at(2, 30, 5, false), 5, "another session has the name");
}

#[test]
fn another_clock_source_then_partly_healthy_for_the_delay() {
    let from = |source: Option<&str>| Truth {
        source: source.map(str::to_owned),
        ..truth(Some(0), Level::Healthy)
    };
    let mut monitor = Monitor::new(from(Some("one")));
    monitor.observe(from(Some("two")), ms(1_000));
    let shown = |monitor: &Monitor| {
        let domain = monitor.domain(Area::Synchronization);
        (
            domain.level(),
            domain.transitions(),
            monitor.source().map(str::to_owned),
        )
    };
    assert_eq!(shown(&monitor), (Level::Partial, 1, Some("two".to_owned())));
    let message = monitor.domain(Area::Synchronization).message();
    assert_eq!(message, Some("follows two, before that one"));
    assert_eq!(run(&mut monitor, ms(1_000), ms(99_000)), [ms(4_000)]);
    assert_eq!(shown(&monitor).0, Level::Healthy);
    for source in [None, Some("internal"), Some("two")] {
        monitor.observe(from(source), ms(5_000));
        assert_eq!(shown(&monitor).1, 1, "{source:?}");
    }
    monitor.set_delay_s(0, ms(6_000));
    monitor.observe(from(Some("one")), ms(6_000));
    assert_eq!(shown(&monitor), (Level::Healthy, 2, Some("one".to_owned())));
}

/// The worst level that was found in the last delay before `time`.
fn worst(found: &[(u64, Level)], time: u64) -> Level {
    let ends = found.iter().skip(1).map(|it| it.0).chain([u64::MAX]);
    let lasting = found.iter().zip(ends);
    let lasting =
        lasting.filter(|((from, _), end)| *from <= time && time.saturating_sub(DELAY_MS) < *end);
    lasting.map(|((_, level), _)| *level).max().unwrap()
}

proptest! {
    #[test]
    fn any_findings_then_reported_is_the_worst_of_the_delay(
        steps in prop::collection::vec((1..2_500_u64, 1..=3_u8), 1..40),
    ) {
        let levels = [Level::Healthy, Level::Partial, Level::Unhealthy];
        let mut found = vec![(0, Level::Healthy)];
        let mut monitor = Monitor::new(truth(Some(0), Level::Healthy));
        let (mut now, mut before, mut worse) = (0, Level::Healthy, 0);
        for (pause, level) in steps {
            let level = levels[usize::from(level) - 1];
            let next = now + pause;
            let mut times = run(&mut monitor, ms(now), ms(next - 1));
            found.push((next, level));
            monitor.observe(truth(Some(0), level), ms(next));
            times.push(ms(next));
            for time in times {
                let time = u64::try_from(time.as_millis()).unwrap();
                let reported = worst(&found, time);
                worse += u64::from(reported > before);
                before = reported;
            }
            prop_assert_eq!((shown(&monitor).0, shown(&monitor).1), (before, worse));
            now = next;
        }
    }
}
