//! The witnesses, and the verdict that follows from their readings.
//!
//! Each witness makes one or two [`Reading`]s: W1 and W3 here, W2 and W4 in the daemon, which asks
//! the kernel. The verdict is a pure function of the readings. Not here: acting on it.
//!
//! | witness | zero users means | source |
//! |---|---|---|
//! | W1 counters | every slot of every attachment is free of users; the ledger has no frame on loan | clients; daemon |
//! | W2 probe | the kernel's map has no blocked caller, and the probe is proven to see | kernel |
//! | W3 ownership | every poller handed the session's runtime back | daemon |
//! | W4 mapping | no process has the memory open or mapped (needed to free it, not to destroy) | kernel |

pub mod counters;
pub mod ownership;
pub(crate) mod readings;
pub(crate) mod verdicts;

use onair_api::{Reading, Says, Witness};
use onair_mutant::mutant;

/// Name of the reading of the slots.
pub const SLOTS: &str = "slots";
/// Name of the reading of the ledger.
pub const LEDGER: &str = "ledger";
/// Name of the probe's reading.
pub const PROBE: &str = "probe";
/// Name of the pollers' reading.
pub const POLLERS: &str = "pollers";
/// Name of the mapping's reading.
pub const MAPPING: &str = "mapping";

/// A count with its noun, for a sentence.
pub fn some(count: u64, noun: &str) -> String {
    match count {
        0 => format!("no {noun}"),
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}

/// The part of a reading's text about evicted clients, which it does not count.
pub fn without(count: u64, noun: &str) -> String {
    match count {
        0 => String::new(),
        _ => format!("; not counting {} of evicted clients", some(count, noun)),
    }
}

/// Conclusion from the readings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The session may be destroyed.
    pub destroyable: bool,
    /// The counters see no user, but the kernel sees one.
    pub disagreement: bool,
    /// One sentence.
    pub reason: String,
}

/// Judges the readings. Fails closed: if a reading is missing, unknown, or contradicts another one,
/// the session is not destroyable. Only the probe may be not applicable (switched off).
pub fn verdict(readings: &[Reading]) -> Finding {
    let says = |name: &str| {
        let mut of_name = readings.iter().filter(|reading| reading.name == name);
        match (of_name.next(), of_name.next()) {
            (Some(reading), None) => reading.says,
            _ => Says::Unknown,
        }
    };
    let (slots, ledger, probe, pollers) = (says(SLOTS), says(LEDGER), says(PROBE), says(POLLERS));
    let probe_allows = matches!(probe, Says::Zero | Says::NotApplicable);
    let destroyable = slots == Says::Zero
        && (ledger == Says::Zero || mutant!("verdict: without the ledger"))
        && pollers == Says::Zero
        && (probe_allows || mutant!("verdict: without the probe"));
    // While evicted callers leave, the kernel may still count a caller that it no longer lists by
    // name, so that the caller is not excluded. The counters know of it, too: that is not a
    // contradiction, but it is not unanimous.
    let sum = |name: &str, of: fn(&Reading) -> u64| {
        let of_name = readings.iter().filter(|reading| reading.name == name);
        of_name.map(of).fold(0, u64::saturating_add)
    };
    let evicted_inside = sum(SLOTS, |slots| slots.left_out);
    let seen_inside = sum(PROBE, |probe| probe.users.saturating_add(probe.left_out));
    let may_be_evicted = evicted_inside > 0 && seen_inside <= evicted_inside;
    let disagreement = slots == Says::Zero && probe == Says::Users && !may_be_evicted;
    let reason = if destroyable && probe == Says::NotApplicable {
        "the counters and the pollers see no user; the probe is off".to_owned()
    } else if destroyable {
        "every witness sees no user".to_owned()
    } else if disagreement {
        "the counters in shared memory see no user, and the kernel sees blocked callers: the \
         shared memory was changed behind their back; nothing is freed"
            .to_owned()
    } else {
        let against: Vec<String> = readings
            .iter()
            .filter(|reading| reading.witness != Witness::W4)
            .filter(|reading| !matches!(reading.says, Says::Zero | Says::NotApplicable))
            .map(|reading| format!("{} ({}): {}", reading.witness, reading.name, reading.detail))
            .collect();
        if against.is_empty() {
            "a witness has no reading".to_owned()
        } else {
            against.join("; ")
        }
    };
    Finding {
        destroyable,
        disagreement,
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use onair_api::WordOf;

    const ALL: [Says; 4] = [Says::Zero, Says::Users, Says::Unknown, Says::NotApplicable];

    fn reading(witness: Witness, name: &str, says: Says) -> Reading {
        Reading {
            witness,
            name: name.into(),
            says,
            users: 0,
            left_out: 0,
            detail: String::new(),
            word_of: WordOf::Daemon,
            at_monotonic_ns: 0,
        }
    }

    #[test]
    fn verdict_every_combination_then_only_unanimity_destroys() {
        let mut destroyable = 0;
        for slots in ALL {
            for ledger in ALL {
                for probe in ALL {
                    for pollers in ALL {
                        for mapping in ALL {
                            let found = verdict(&[
                                reading(Witness::W1, SLOTS, slots),
                                reading(Witness::W1, LEDGER, ledger),
                                reading(Witness::W2, PROBE, probe),
                                reading(Witness::W3, POLLERS, pollers),
                                reading(Witness::W4, MAPPING, mapping),
                            ]);
                            let zero = Says::Zero;
                            let expected = slots == zero
                                && ledger == zero
                                && pollers == zero
                                && (probe == zero || probe == Says::NotApplicable);
                            assert_eq!(found.destroyable, expected);
                            assert_eq!(found.disagreement, slots == zero && probe == Says::Users);
                            destroyable += usize::from(expected);
                        }
                    }
                }
            }
        }
        assert_eq!(destroyable, 8, "two states of the probe, four of W4");
    }

    #[test]
    fn verdict_of_evicted_callers_that_leave_then_not_destroyable() {
        let with = |reading: Reading, users, left_out| Reading {
            users,
            left_out,
            ..reading
        };
        for (counted, named, others, contradiction) in [
            (7, 1, 1, false),
            (2, 1, 1, false),
            (1, 1, 1, true),
            (0, 0, 1, true),
        ] {
            let found = verdict(&[
                with(reading(Witness::W1, SLOTS, Says::Zero), 0, counted),
                reading(Witness::W1, LEDGER, Says::Zero),
                with(reading(Witness::W2, PROBE, Says::Users), others, named),
                reading(Witness::W3, POLLERS, Says::Zero),
            ]);
            assert_eq!(
                found.disagreement, contradiction,
                "{counted} {named} {others}"
            );
            assert!(!found.destroyable);
        }
    }

    #[test]
    fn some_counts_then_in_words() {
        assert_eq!(
            [0, 1, 2].map(|count| some(count, "caller")),
            ["no caller", "1 caller", "2 callers"]
        );
    }

    #[test]
    fn verdict_witness_missing_or_heard_twice_then_not_destroyable() {
        let all = [
            reading(Witness::W1, SLOTS, Says::Zero),
            reading(Witness::W1, LEDGER, Says::Zero),
            reading(Witness::W2, PROBE, Says::Zero),
            reading(Witness::W3, POLLERS, Says::Zero),
        ];
        assert!(verdict(&all).destroyable);
        for missing in 0..all.len() {
            let mut some = all.to_vec();
            let gone = some.remove(missing);
            assert!(!verdict(&some).destroyable, "without {}", gone.name);
            some.push(gone.clone());
            some.push(gone);
            assert!(!verdict(&some).destroyable);
        }
        assert!(!verdict(&[]).destroyable);
    }
}
