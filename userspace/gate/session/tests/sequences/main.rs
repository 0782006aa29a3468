//! Every sequence of events up to a depth, and long random ones, on the core and on a reference
//! model: the same state, the same certificate; each session can be ended; each memory is given back
//! once; no frame is lost.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

#[path = "../played/ledgers.rs"]
mod ledgers;
mod model;
#[path = "../../../ipc/tests/rig/pair.rs"]
mod rig;
#[path = "../played/seen.rs"]
mod seen;
mod site;

use std::cell::Cell;

use onair_session::replay;

use self::model::Model;
use self::site::Site;

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
    let (mut site, mut model) = (Site::new(), Model::new());
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

/// The trace of a life, of which some events are too long, one in several segments, and one in a single
/// segment.
fn traces(steps: &[Step]) -> [String; 3] {
    [1, 1 << 13, 1 << 20].map(|bytes| {
        let mut site = Site::traced(bytes);
        steps.iter().chain(&END).for_each(|step| site.step(*step));
        site.trace()
    })
}

/// Without the world, the client's words and the ledgers, of which the core has what was written down.
#[test]
fn traced_life_is_lived_again_with_the_same_effects() {
    let amid = Cell::new(0);
    random_sequences((400, RANDOM.1), |steps| {
        let traces = traces(steps);
        let all = traces
            .each_ref()
            .map(|trace| replay(trace, |_| ()).unwrap_or_else(|it| panic!("{steps:?}: {it}")));
        let compared = traces[1].matches(r#"{"state":"#).count() > 1;
        amid.set(amid.get() + u32::from(compared));
        assert!(
            all[2].events > 3 && all[2].events >= all[1].events,
            "{all:?}"
        );
    });
    assert!(
        amid.get() > 50,
        "{} traces have a state amid their events",
        amid.get()
    );
}

#[test]
fn trace_with_a_changed_answer_is_refused_with_its_line() {
    use Step::{Destroy, Poller, Put, Start, Stop, Take};
    let [_, _, trace] = traces(&[Start, Take, Put, Stop, Poller, Destroy]);
    let refused = |from: &str, to: &str| {
        assert!(trace.contains(from), "{from}");
        replay(&trace.replacen(from, to, 1), |_| ()).unwrap_err()
    };
    let line_of = |text: &str| 1 + trace.lines().position(|it| it.contains(text)).unwrap();
    // No caller and no loan, by the words; then a caller.
    let spoilt = refused(r#"{"calls":0}"#, r#"{"calls":1}"#);
    assert_eq!(spoilt.line, line_of(r#"{"calls":0}"#), "{spoilt}");
    let spoilt = refused(r#"{"violations":[]}"#, r#"{"calls":0}"#);
    assert!(spoilt.what.contains("another question"), "{spoilt}");
    let spoilt = refused(r#""onair_trace":2"#, r#""onair_trace":3"#);
    assert_eq!(spoilt.line, 1, "{spoilt}");
    let spoilt = refused(r#"{"note":{"started""#, r#"{"note":{"began""#);
    assert_eq!(spoilt.line, line_of(r#"{"note":{"started""#), "{spoilt}");
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
