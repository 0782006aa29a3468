//! Every frame comes back once, whatever either end does.

use onair_ipc::layout::Geometry;
use proptest::prelude::*;

use super::*;

fn ends(quota: u32) -> (ConverterFeed, Intake, FrameMemory) {
    let converter = Arc::new(Sleeper::new().unwrap());
    let stats = Arc::new(SessionStats::new(1));
    let memory = FrameMemory::create(Geometry::new(8, 64).unwrap(), true).unwrap();
    let (feed, intake) = feed(quota, converter, stats);
    (feed, intake, memory)
}

fn meta(number: u64) -> FrameMeta {
    FrameMeta {
        number,
        ..FrameMeta::default()
    }
}

fn not_converted(feed: &ConverterFeed) -> u64 {
    feed.link.stats.counters.frames_not_converted.get()
}

#[test]
fn frames_given_to_a_slow_converter_then_its_quota_is_out() {
    let (mut feed, mut intake, memory) = ends(2);
    feed.give(0, &meta(0), &memory);
    assert!(feed.is_empty(), "the converted session does not run yet");
    intake.open();
    for frame in 1..6 {
        feed.give(frame, &meta(frame.into()), &memory);
    }
    assert_eq!((feed.has(1), feed.has(2), feed.has(3)), (true, true, false));
    assert_eq!(not_converted(&feed), 3);
    let (first, steps) = intake.take().unwrap();
    assert_eq!((first.meta().number, steps), (1, 1));
    feed.reap();
    assert!(feed.has(1), "it is being read");
    drop(first);
    feed.give(6, &meta(6), &memory);
    assert_eq!((feed.has(1), feed.has(6)), (false, true));
    assert_eq!(intake.take().unwrap().1, 1);
    assert_eq!(
        intake.take().unwrap().1,
        4,
        "three frames were left out before it"
    );
}

#[test]
fn frames_come_at_once_then_eight_wait() {
    let (mut feed, mut intake, memory) = ends(64);
    intake.open();
    for frame in 1..10 {
        feed.give(frame, &meta(frame.into()), &memory);
    }
    assert_eq!((feed.has(8), not_converted(&feed)), (true, 1));
}

#[test]
fn frame_given_while_its_session_stops_then_not_converted() {
    let (mut feed, mut intake, memory) = ends(2);
    intake.open();
    feed.give(1, &meta(1), &memory);
    intake.open();
    feed.give(2, &meta(9), &memory);
    let (frame, steps) = intake.take().unwrap();
    assert_eq!((frame.meta().number, steps), (9, 1));
}

#[test]
fn source_of_a_quota_of_one_then_one_frame_is_out() {
    let (mut feed, mut intake, memory) = ends(1);
    intake.open();
    feed.give(1, &meta(1), &memory);
    feed.give(2, &meta(2), &memory);
    assert_eq!(
        (feed.has(1), feed.has(2), not_converted(&feed)),
        (true, false, 1)
    );
}

#[test]
fn source_that_stops_then_waits_only_for_the_converting_frame() {
    let (mut feed, mut intake, memory) = ends(2);
    intake.open();
    feed.give(1, &meta(1), &memory);
    feed.give(2, &meta(2), &memory);
    let converting = intake.take().unwrap();
    feed.withdraw();
    assert_eq!((feed.has(1), feed.has(2)), (true, false));
    assert!(!intake.has_some());
    drop(converting);
    feed.reap();
    assert!(feed.is_empty());
}

#[test]
fn ends_that_are_gone_then_the_other_one_sees_it() {
    let (mut feed, mut intake, memory) = ends(2);
    intake.open();
    feed.give(1, &meta(1), &memory);
    let handle = feed.handle();
    assert!(!handle.is_over() && !handle.is_without_source());
    drop(intake);
    feed.reap();
    assert!(feed.is_empty() && feed.is_over() && handle.is_over());
    feed.give(2, &meta(2), &memory);
    assert!(feed.is_empty());
    let (feed, mut intake, _) = ends(2);
    let handle = feed.handle();
    drop(feed);
    assert!(handle.is_without_source() && intake.take().is_none());
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Give,
    Reap,
    Withdraw,
    Take,
    Finish,
    Open,
    Close,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let each = [
        Step::Give,
        Step::Give,
        Step::Reap,
        Step::Withdraw,
        Step::Take,
        Step::Finish,
        Step::Open,
        Step::Close,
    ];
    proptest::collection::vec(proptest::sample::select(each.to_vec()), 0..200)
}

proptest! {
    #[test]
    fn any_steps_of_both_ends_then_no_frame_is_reused_while_read(
        steps in steps(), quota in 1..4_u32,
    ) {
        let (mut feed, mut intake, memory) = ends(quota);
        intake.open();
        let mut reading: Vec<SourceFrame> = Vec::new();
        for (number, step) in (0..).zip(steps) {
            match step {
                Step::Give => {
                    // As the pool: a frame that the feed does not have.
                    if let Some(free) = (0..8).find(|frame| !feed.has(*frame)) {
                        prop_assert!(reading.iter().all(|it| it.given.frame != free));
                        feed.give(free, &meta(number), &memory);
                    }
                }
                Step::Reap => feed.reap(),
                Step::Withdraw => feed.withdraw(),
                Step::Take => reading.extend(intake.take().map(|(frame, _)| frame)),
                Step::Finish => drop(reading.pop()),
                Step::Open => intake.open(),
                Step::Close => intake.close(),
            }
            prop_assert!(feed.out.len() <= MOST.min(quota as usize));
            prop_assert!(reading.iter().all(|it| feed.has(it.given.frame)));
        }
        reading.clear();
        intake.close();
        feed.reap();
        prop_assert!(feed.is_empty(), "{:?}", feed.out);
        prop_assert!(feed.link.returned.is_empty() && feed.link.given.is_empty());
    }
}
