//! Whatever happens in between: the plant checks each step, and the end comes.

use std::time::Duration;

use onair_api::SessionState;
use onair_session::shutdown::{LastUnits, Remedy, ShutdownEffect, ShutdownStep};
use proptest::prelude::*;

use super::plant::{GRACE, MS, Plant, QUIESCE, SOON};
use super::site::Site;

/// Sessions of a run.
const SITES: u64 = 4;
/// Length of each sequence of the exhaustive search.
const DEPTH: usize = 4;

/// What may happen.
#[derive(Clone, Copy, Debug)]
enum Deed {
    /// The driver has time for so many effects.
    Turn(usize),
    Pass(Duration),
    Leave(u64),
    Appear(u64),
    /// A sender has finished what was submitted.
    Finish(u64),
    /// A client destroys a session and gives up after a while.
    Destroy(u64, Duration),
    Force,
}

fn live(plant: &mut Plant, deeds: impl IntoIterator<Item = Deed>) {
    for deed in deeds {
        match deed {
            Deed::Turn(most) => {
                if plant.turn(most) == ShutdownStep::Over {
                    break;
                }
            }
            Deed::Pass(time) => plant.pass(time),
            Deed::Leave(id) => plant.leave(id),
            Deed::Appear(id) => plant.appear(id),
            Deed::Finish(id) => plant.finish(id),
            Deed::Destroy(id, patience) => plant.destroy(id, patience),
            Deed::Force => plant.force(),
        }
    }
    let before = plant.now - plant.start;
    let took = plant.run();
    let longest = before.max(GRACE) + QUIESCE;
    assert!(took <= longest, "it takes {took:?}: {plant:#?}");
    for (&id, site) in &plant.sites {
        let can_end = site.users == 0 && !site.is_blind && !site.hangs;
        // A forced shutdown does not begin a destroy again that gave up.
        let gave_up = plant.is_forced && site.state == SessionState::Stopped;
        // Its last user may leave just afterwards.
        let abandoned = ShutdownEffect::Abandon(id);
        let is_abandoned = plant.done.iter().any(|(_, it)| *it == abandoned);
        let is_aside = site.state == SessionState::Quarantined;
        assert!(
            !can_end || gave_up || is_abandoned || is_aside,
            "session {id} has no user and is left: {plant:#?}"
        );
    }
}

#[test]
fn shutdown_every_sequence_then_in_order_and_over() {
    let deeds = [
        Deed::Turn(1),
        Deed::Turn(7),
        Deed::Turn(100),
        Deed::Pass(SOON),
        Deed::Pass(GRACE),
        Deed::Leave(1),
        Deed::Leave(3),
        Deed::Appear(2),
        Deed::Finish(3),
        Deed::Destroy(1, SOON),
        Deed::Force,
    ];
    for number in 0..deeds.len().pow(u32::try_from(DEPTH).expect("small")) {
        let digits = std::iter::successors(Some(number), |rest| Some(rest / deeds.len()));
        let sequence = digits.take(DEPTH).map(|rest| deeds[rest % deeds.len()]);
        for remedy in [Remedy::Abandon, Remedy::Evict, Remedy::Quarantine] {
            let sites = [(20, 1), (10, 0), (20, 0)];
            let mut sites = sites.map(|(priority, users)| Site::new(priority, users));
            sites[2].last_units = LastUnits::Sends;
            let mut plant = Plant::new(remedy, sites);
            live(&mut plant, sequence.clone());
        }
        let sites = [(20, 1), (10, 0), (20, 0)];
        let sites = sites.map(|(priority, users)| Site::new(priority, users));
        live(&mut Plant::taken_over(sites), sequence);
    }
}

#[test]
fn count_due_after_the_last_one_then_over_without_it() {
    let site = |priority, users, is_blind, hangs| Site {
        is_blind,
        hangs,
        ..Site::new(priority, users)
    };
    let sites = [
        site(1, 1, false, true),
        site(1, 1, false, true),
        site(0, 0, true, false),
        site(0, 1, false, false),
    ];
    let deeds = [
        Deed::Turn(1),
        Deed::Force,
        Deed::Turn(15),
        Deed::Pass(SOON),
        Deed::Turn(2),
        Deed::Leave(4),
    ];
    let mut plant = Plant::new(Remedy::Abandon, sites);
    live(&mut plant, deeds);
    let counts = plant.done.iter();
    let counts = counts.filter(|(_, it)| *it == ShutdownEffect::CountUsers);
    assert_eq!(counts.count(), 1, "a user that leaves meanwhile stays");
}

#[test]
fn count_before_the_remedys_deadline_then_that_one_counts() {
    let sites = [
        Site {
            is_blind: true,
            ..Site::new(0, 0)
        },
        Site {
            hangs: true,
            ..Site::new(2, 0)
        },
        Site {
            is_blind: true,
            ..Site::new(2, 1)
        },
    ];
    let deeds = [
        Deed::Turn(12),
        Deed::Pass(GRACE),
        Deed::Turn(5),
        Deed::Pass(2 * MS),
        Deed::Turn(1),
        Deed::Pass(QUIESCE),
    ];
    live(&mut Plant::new(Remedy::Evict, sites), deeds);
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let id = || 1..=SITES;
    let time = || (0..2000_u32).prop_map(|ms| ms * MS);
    let deed = prop_oneof![
        4 => (1..20_usize).prop_map(Deed::Turn),
        2 => (0..200_u32).prop_map(|ms| Deed::Pass(ms * MS)),
        1 => (0..20_u32).prop_map(|s| Deed::Pass(s * 1000 * MS)),
        3 => id().prop_map(Deed::Leave),
        1 => id().prop_map(Deed::Appear),
        2 => id().prop_map(Deed::Finish),
        1 => (id(), time()).prop_map(|(id, time)| Deed::Destroy(id, time)),
        1 => Just(Deed::Force),
    ];
    proptest::collection::vec(deed, 0..40)
}

fn sites() -> impl Strategy<Value = Vec<Site>> {
    let last_units = prop_oneof![
        Just(LastUnits::Sends),
        Just(LastUnits::NoneOfThem),
        Just(LastUnits::Receives),
    ];
    let site = (0..3_u8, 0..3_u32, 0..8_u8, last_units).prop_map(
        |(priority, users, nature, last_units)| Site {
            is_blind: nature == 0,
            hangs: nature == 1,
            last_units,
            ..Site::new(priority, users)
        },
    );
    let most = usize::try_from(SITES).expect("small");
    proptest::collection::vec(site, 0..=most)
}

fn remedies() -> impl Strategy<Value = Remedy> {
    prop_oneof![
        Just(Remedy::Abandon),
        Just(Remedy::Evict),
        Just(Remedy::Quarantine)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]
    #[test]
    fn shutdown_any_life_then_in_order_and_over(
        remedy in remedies(),
        sites in sites(),
        deeds in deeds(),
    ) {
        live(&mut Plant::new(remedy, sites), deeds);
    }
}
