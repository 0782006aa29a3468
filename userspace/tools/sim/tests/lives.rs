//! Some seconds of lives, which every test run lives.

use onair_sim::{Kind, Plan, failed_seeds, hunt, replay, replay_trace};

/// Lives of fixed seeds: some seconds.
const LIVES: u64 = 600;
/// Of sessions: what each mutant of the gate needs.
const LIVES_OF_SESSIONS: u64 = 1_500;

/// Lives those that have failed before, and `new` others. Returns the events.
fn live(kind: Kind, new: u64) -> u64 {
    let mut events = 0;
    for seed in failed_seeds(kind).chain(0..new) {
        let (report, found) = hunt(kind, seed, true);
        events += report.events;
        assert!(found.is_none(), "{kind:?} {seed}: {found:#?}");
    }
    events
}

#[test]
fn lives_of_fixed_seeds_and_of_failed_ones_then_no_violation() {
    let events = live(Kind::Core, LIVES_OF_SESSIONS);
    assert!(
        events > 1_000_000,
        "lives in which little happens: {events}"
    );
}

#[test]
fn lives_lived_again_by_their_traces_then_the_same_effects() {
    let (mut sessions, mut events) = (0, 0);
    for seed in failed_seeds(Kind::Core).chain(0..LIVES) {
        for trace in onair_sim::live(&Plan::new(seed), true).sessions {
            let again = replay_trace(&trace, |_| ());
            let again = again.unwrap_or_else(|it| panic!("seed {seed}: {it}"));
            sessions += again.sessions;
            events += again.events;
        }
    }
    assert!(
        sessions > LIVES && events > 10 * sessions,
        "{events} in {sessions}"
    );
}

#[test]
fn state_directory_through_deaths_then_all_promises_hold() {
    let events = live(Kind::Disk, LIVES);
    assert!(events > 100_000, "lives in which little happens: {events}");
}

#[test]
fn stranger_among_packets_then_the_stream_is_whole_after() {
    let events = live(Kind::Wire, LIVES);
    assert!(events > 100_000, "lives in which little happens: {events}");
}

#[test]
fn engine_in_lives_of_all_kinds_then_all_promises_hold() {
    let events = live(Kind::Engine, LIVES);
    assert!(events > 10_000, "lives in which little happens: {events}");
}

#[test]
fn life_of_the_same_seed_then_the_same_to_the_byte() {
    for kind in [Kind::Core, Kind::Disk, Kind::Engine, Kind::Wire] {
        for seed in [3, 40, 41, 42, 43] {
            let first = replay(kind, seed, &[], true);
            assert_eq!(first, replay(kind, seed, &[], true));
            assert!(!first.1.trace.is_empty());
        }
    }
}
