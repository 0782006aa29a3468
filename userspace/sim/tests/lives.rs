//! Some seconds of lives, which every test run lives.

use onair_sim::{Plan, failed_seeds, hunt, live, replay_trace};

/// Lives of new seeds: about two seconds.
const LIVES: u64 = 250;

#[test]
fn lives_of_fixed_seeds_and_of_failed_ones_then_no_violation() {
    let mut events = 0;
    for seed in failed_seeds().chain(0..LIVES) {
        let (steps, found) = hunt(seed);
        events += steps;
        assert!(
            found.is_none(),
            "cargo xtask sim --replay --seed {seed}: {found:#?}"
        );
    }
    assert!(
        events > 1_000_000,
        "lives in which little happens: {events}"
    );
}

#[test]
fn lives_lived_again_by_their_traces_then_the_same_effects() {
    let (mut sessions, mut events) = (0, 0);
    for seed in failed_seeds().chain(0..LIVES) {
        for trace in live(&Plan::new(seed), true).sessions {
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
fn life_of_the_same_seed_then_the_same_to_the_byte() {
    for seed in [3, 40, 41, 42, 43] {
        let plan = Plan::new(seed);
        let first = live(&plan, true);
        assert_eq!(first, live(&plan, true));
        assert!(!first.trace.is_empty());
    }
}
