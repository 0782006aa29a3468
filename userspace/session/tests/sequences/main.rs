//! Every sequence of events up to a depth, and long random ones, on the core and on a reference
//! model: the same state, the same certificate; each session can be ended; each memory is given back
//! once; no frame is lost.
#![cfg(not(any(loom, shuttle)))]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

#[path = "../played/ledgers.rs"]
mod ledgers;
mod model;
#[path = "../../../ipc/tests/rig/pair.rs"]
mod rig;
#[path = "../played/seen.rs"]
mod seen;
mod site;

use self::model::Model;
use self::site::{Life, Site};

/// Length of each sequence of the exhaustive search.
const DEPTH: usize = 4;
/// Number and length of the random sequences.
const RANDOM: (usize, usize) = (4000, 14);

/// What may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Start,
    Stop,
    /// Destroy now or not at all.
    Destroy,
    /// Destroy when the last user has left, until a deadline.
    DestroyWait,
    Abort,
    Quarantine,
    /// Evict the client.
    Evict,
    /// The client takes a frame, if it gets one.
    Take,
    /// The client puts it back.
    Put,
    /// The client's process dies.
    Die,
    /// The poller does what it was told, and the driver hears of it.
    Poller,
    /// Every deadline passes.
    Late,
}

const STEPS: [Step; 12] = [
    Step::Start,
    Step::Stop,
    Step::Destroy,
    Step::DestroyWait,
    Step::Abort,
    Step::Quarantine,
    Step::Evict,
    Step::Take,
    Step::Put,
    Step::Die,
    Step::Poller,
    Step::Late,
];

/// Ends every session that has not ended.
const END: [Step; 6] = [
    Step::Late,
    Step::Die,
    Step::Stop,
    Step::Poller,
    Step::Destroy,
    Step::Poller,
];

/// Plays `steps`, then the end.
fn play(steps: &[Step]) {
    let (mut site, mut model) = (Site::new(Life::Lived), Model::new());
    for (number, step) in steps.iter().chain(&END).enumerate() {
        site.step(*step);
        model.step(*step);
        let told = || format!("after {} of {steps:?}, then {END:?}", number + 1);
        assert_eq!(site.shown(), model.shown(), "{}", told());
    }
    site.check_the_end();
}

#[test]
fn every_sequence_of_events_is_as_the_reference_model_says() {
    for number in 0..STEPS.len().pow(u32::try_from(DEPTH).unwrap()) {
        let mut rest = number;
        let steps: [Step; DEPTH] = std::array::from_fn(|_| {
            let step = STEPS[rest % STEPS.len()];
            rest /= STEPS.len();
            step
        });
        play(&steps);
    }
}

#[test]
fn long_random_sequences_are_as_the_reference_model_says() {
    random_sequences(RANDOM, play);
}

/// Without the world, of which the core sees only what was written down.
#[test]
fn recorded_life_is_lived_again_to_the_same_end() {
    random_sequences((400, RANDOM.1), |steps| {
        let live = |life| {
            let mut site = Site::new(life);
            steps.iter().chain(&END).for_each(|step| site.step(*step));
            site
        };
        let first = live(Life::Recorded(Vec::new()));
        let Life::Recorded(record) = first.life else {
            unreachable!("it was recorded");
        };
        let again = live(Life::Again(record.into()));
        assert_eq!(first.told, again.told, "{steps:?}");
        assert!(matches!(&again.life, Life::Again(rest) if rest.is_empty()));
    });
}

fn random_sequences((count, length): (usize, usize), play: impl Fn(&[Step])) {
    let mut state = 0x0a1a_u64;
    let mut below = |limit: usize| {
        // xorshift64: any sequence will do, and the same each time.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % limit as u64).unwrap()
    };
    for _ in 0..count {
        let steps: Vec<Step> = (0..length).map(|_| STEPS[below(STEPS.len())]).collect();
        play(&steps);
    }
}
