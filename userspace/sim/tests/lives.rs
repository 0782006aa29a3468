//! Some seconds of lives, which every test run lives.

use onair_sim::{Plan, failed_seeds, hunt, live};

/// Lives of fixed seeds: some seconds.
const LIVES: u64 = 600;

#[test]
fn lives_of_fixed_seeds_and_of_failed_ones_then_no_violation() {
    let mut events = 0;
    for seed in failed_seeds().chain(0..LIVES) {
        let (report, found) = hunt(seed, true);
        events += report.events;
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
fn life_of_the_same_seed_then_the_same_to_the_byte() {
    for seed in [3, 40, 41, 42, 43] {
        let plan = Plan::new(seed);
        let first = live(&plan, true);
        assert_eq!(first, live(&plan, true));
        assert!(!first.trace.is_empty());
    }
}
