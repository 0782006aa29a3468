//! The shutdown of all sessions, played on a clock of its own: the order of the stops and the
//! destroys, what is waited for and for how long, and what happens to sessions that stay in use.

mod plant;
mod search;
mod site;

use std::time::Duration;

use onair_api::SessionState;
use onair_session::shutdown::{
    LastUnits, Remedy, ShutdownCore, ShutdownEffect, ShutdownEvent, ShutdownStep,
};

use self::plant::{GRACE, LAST_UNITS, MS, Plant, QUIESCE, SOON};
use self::site::Site;

/// The ids of what `which` finds among the effects.
fn ids(plant: &Plant, which: impl Fn(&ShutdownEffect) -> Option<u64>) -> Vec<u64> {
    let effects = plant.done.iter().map(|(_, effect)| effect);
    effects.filter_map(which).collect()
}

fn began(effect: &ShutdownEffect) -> Option<u64> {
    match effect {
        ShutdownEffect::BeginDestroy { id, .. } => Some(*id),
        _ => None,
    }
}

fn stopped(effect: &ShutdownEffect) -> Option<u64> {
    match effect {
        ShutdownEffect::Stop(id) => Some(*id),
        _ => None,
    }
}

fn remedied(effect: &ShutdownEffect) -> Option<u64> {
    match effect {
        ShutdownEffect::Abandon(id)
        | ShutdownEffect::Quarantine(id)
        | ShutdownEffect::Abort { id, .. } => Some(*id),
        _ => None,
    }
}

/// When the destroy of a session first began.
fn began_at(plant: &Plant, id: u64) -> Option<Duration> {
    let mut done = plant.done.iter();
    let found = done.find(|(_, effect)| began(effect) == Some(id));
    found.map(|(at, _)| *at)
}

#[test]
fn shutdown_no_sessions_then_over_at_once() {
    let mut plant = Plant::new(Remedy::Evict, []);
    assert_eq!(plant.run(), Duration::ZERO);
    let effects: Vec<_> = plant.done.into_iter().map(|it| it.1).collect();
    let expected = [ShutdownEffect::EndRecordings, ShutdownEffect::CountUsers];
    assert_eq!(effects, expected);
}

#[test]
fn shutdown_announced_without_a_drain_then_told_only() {
    let (mut core, now) = (ShutdownCore::default(), std::time::Instant::now());
    assert_eq!(core.next(now), ShutdownStep::Wait(None));
    core.handle(ShutdownEvent::Announce(vec![2, 1]), now);
    core.handle(ShutdownEvent::Ready(1), now);
    core.handle(ShutdownEvent::Forced, now);
    for id in [1, 2] {
        let told = ShutdownEffect::Announce(id);
        assert_eq!(core.next(now), ShutdownStep::Do(told));
    }
    assert_eq!(core.next(now), ShutdownStep::Wait(None));
    assert!(!core.is_draining());
}

#[test]
fn shutdown_priorities_then_the_lowest_number_goes_first() {
    let sites = [50, 90, 10, 50].map(|priority| Site::new(priority, 0));
    let mut plant = Plant::new(Remedy::Abandon, sites);
    assert_eq!(plant.run(), Duration::ZERO);
    assert_eq!(ids(&plant, stopped), [3, 1, 4, 2]);
    assert_eq!(ids(&plant, began), [3, 1, 4, 2]);
    assert_eq!(plant.destroyed, [3, 1, 4, 2]);
}

#[test]
fn shutdown_any_class_then_all_stop_before_the_first_destroy() {
    let mut plant = Plant::new(Remedy::Abandon, [10, 20].map(|it| Site::new(it, 0)));
    plant.run();
    let effects: Vec<_> = plant.done.into_iter().map(|it| it.1).collect();
    let expected = [
        ShutdownEffect::Announce(1),
        ShutdownEffect::Announce(2),
        ShutdownEffect::Stop(1),
        ShutdownEffect::Stop(2),
        ShutdownEffect::EndRecordings,
    ];
    assert_eq!(effects[..5], expected);
}

/// Receivers of priority 50 and 10, a sender of 50, and a receiver of 50 whose packets come to another daemon, too.
fn beside_a_sender() -> Plant {
    let mut sites = [50, 50, 10, 50].map(|priority| Site::new(priority, 0));
    sites[1].last_units = LastUnits::Sends;
    sites[3].last_units = LastUnits::NoneOfThem;
    let mut plant = Plant::new(Remedy::Abandon, sites);
    plant.turn(100);
    assert_eq!(ids(&plant, stopped), [3, 2, 4]);
    plant
}

#[test]
fn receiver_beside_a_sender_then_gets_its_last_units() {
    let mut plant = beside_a_sender();
    plant.pass(10 * MS);
    plant.turn(100);
    assert_eq!(ids(&plant, stopped), [3, 2, 4]);
    plant.finish(2);
    plant.turn(100);
    assert_eq!(
        ids(&plant, stopped),
        [3, 2, 4],
        "its last packets may be on their way"
    );
    assert_eq!(plant.run(), 12 * MS);
    assert_eq!(ids(&plant, stopped), [3, 2, 4, 1]);
}

#[test]
fn receiver_beside_a_sender_that_hangs_then_stopped_in_time() {
    let mut plant = beside_a_sender();
    plant.run();
    assert_eq!(began_at(&plant, 3), Some(LAST_UNITS));
}

#[test]
fn receiver_beside_a_sender_when_forced_then_stopped_at_once() {
    let mut plant = beside_a_sender();
    plant.force();
    plant.turn(100);
    assert_eq!(ids(&plant, stopped), [3, 2, 4, 1]);
}

#[test]
fn shutdown_users_that_leave_soon_then_a_later_class_waits() {
    let mut plant = Plant::new(Remedy::Abandon, [(10, 1), (20, 0)].map(used));
    plant.turn(100);
    assert_eq!(ids(&plant, began), [1]);
    plant.pass(SOON - MS);
    plant.turn(100);
    assert_eq!(ids(&plant, began), [1], "it may take that long");
    plant.leave(1);
    plant.run();
    assert_eq!(plant.destroyed, [1, 2]);
}

fn used((priority, users): (u8, u32)) -> Site {
    Site::new(priority, users)
}

#[test]
fn shutdown_users_that_stay_then_held_and_the_others_destroyed() {
    let sites = [(10, 1), (20, 0), (30, 1), (40, 0)].map(used);
    let mut plant = Plant::new(Remedy::Abandon, sites);
    for _ in 0..3 {
        if let ShutdownStep::Wait(Some(until)) = plant.turn(100) {
            plant.pass(until - plant.now);
        }
    }
    assert_eq!(began_at(&plant, 2), Some(SOON));
    assert_eq!(began_at(&plant, 4), Some(SOON), "all classes at once");
    assert_eq!(plant.destroyed, [2, 4]);
    plant.leave(3);
    plant.turn(100);
    assert_eq!(plant.destroyed, [2, 4, 3], "held ones end as they are left");
    plant.leave(1);
    assert_eq!(plant.turn(100), ShutdownStep::Over);
}

#[test]
fn shutdown_held_sessions_left_together_then_by_priority() {
    let sites = [(50, 1), (90, 1), (10, 1)].map(used);
    let mut plant = Plant::new(Remedy::Abandon, sites);
    plant.turn(100);
    plant.pass(2 * SOON);
    plant.turn(100);
    [1, 2, 3].into_iter().for_each(|id| plant.leave(id));
    plant.run();
    assert_eq!(plant.destroyed, [3, 1, 2]);
}

#[test]
fn shutdown_many_left_together_then_at_most_16_in_an_effect() {
    let sites: Vec<Site> = (0..40).map(|_| Site::new(50, 0)).collect();
    let mut plant = Plant::new(Remedy::Abandon, sites);
    plant.run();
    let batches = plant.done.iter().filter_map(|(_, effect)| match effect {
        ShutdownEffect::EndInTurn(ids) => Some(ids.len()),
        _ => None,
    });
    assert!(batches.eq([16, 16, 8]));
    assert!(plant.destroyed.iter().copied().eq(1..=40));
}

#[test]
fn shutdown_users_stay_then_abandoned_at_the_deadline() {
    let mut plant = Plant::new(Remedy::Abandon, [(10, 1), (20, 0)].map(used));
    assert_eq!(plant.run(), GRACE);
    assert_eq!(ids(&plant, remedied), [1]);
    assert_eq!(plant.destroyed, [2]);
}

#[test]
fn shutdown_users_stay_then_evicted_by_priority() {
    let sites = [(50, 1), (90, 1), (10, 1)].map(used);
    let mut plant = Plant::new(Remedy::Evict, sites);
    assert_eq!(plant.run(), GRACE);
    assert_eq!(ids(&plant, remedied), [3, 1, 2]);
    assert_eq!(plant.destroyed, [3, 1, 2]);
}

#[test]
fn session_ended_before_its_remedy_then_not_called_evicted() {
    let mut plant = Plant::new(Remedy::Evict, [(10, 1), (20, 1)].map(used));
    plant.turn(100);
    plant.pass(GRACE);
    while ids(&plant, remedied).is_empty() {
        plant.turn(1);
    }
    plant.end(2);
    plant.run();
    assert_eq!(ids(&plant, remedied), [1]);
}

#[test]
fn shutdown_evicted_one_hangs_then_abandoned_in_time() {
    let mut sites = [(10, 1), (20, 1)].map(used);
    sites[0].hangs = true;
    let mut plant = Plant::new(Remedy::Evict, sites);
    assert_eq!(plant.run(), GRACE + QUIESCE);
    assert_eq!(ids(&plant, remedied), [1, 2], "the remedy is applied once");
    assert_eq!(plant.destroyed, [2]);
}

#[test]
fn shutdown_users_stay_then_quarantined_without_a_further_wait() {
    let mut plant = Plant::new(Remedy::Quarantine, [(10, 1), (20, 1)].map(used));
    assert_eq!(plant.run(), GRACE);
    assert_eq!(ids(&plant, remedied), [1, 2]);
    assert!(plant.destroyed.is_empty());
}

#[test]
fn shutdown_blind_probe_then_remedied_without_a_wait() {
    let mut sites = [(10, 1), (20, 0)].map(used);
    sites[0].is_blind = true;
    let mut plant = Plant::new(Remedy::Quarantine, sites);
    assert_eq!(plant.run(), Duration::ZERO);
    assert_eq!(ids(&plant, remedied), [1]);
    assert_eq!(plant.destroyed, [2]);
}

#[test]
fn shutdown_forced_then_over_at_once_without_the_remedy() {
    for remedy in [Remedy::Abandon, Remedy::Evict, Remedy::Quarantine] {
        let mut plant = Plant::new(remedy, [(10, 1), (20, 0), (30, 1)].map(used));
        plant.turn(100);
        plant.force();
        assert_eq!(plant.run(), Duration::ZERO, "{remedy:?}");
        assert_eq!(plant.destroyed, [2], "those without users end all the same");
        assert!(ids(&plant, remedied).is_empty());
    }
}

#[test]
fn steps_longer_than_a_pause_then_over_all_the_same() {
    for is_forced in [false, true] {
        let mut plant = Plant::new(Remedy::Evict, [(10, 1), (20, 1)].map(used));
        plant.sites.get_mut(&1).expect("it exists").hangs = true;
        plant.turn(100);
        if is_forced {
            plant.force();
        }
        plant.pass(GRACE);
        let mut steps = (0..100).map(|_| {
            plant.pass(2 * SOON);
            plant.turn(1)
        });
        assert!(steps.any(|it| it == ShutdownStep::Over), "{is_forced}");
    }
}

#[test]
fn session_always_due_then_others_end_and_over() {
    for is_forced in [false, true] {
        let mut plant = Plant::new(Remedy::Abandon, [(10, 1), (20, 0), (30, 1)].map(used));
        plant.turn(5);
        if is_forced {
            plant.force();
        }
        plant.leave(3);
        let mut steps = (0..400).map(|_| {
            plant.look_soon(1);
            plant.pass(2 * SOON);
            plant.turn(1)
        });
        assert!(steps.any(|it| it == ShutdownStep::Over), "{is_forced}");
        assert_eq!(plant.destroyed, [2, 3], "{is_forced}");
    }
}

#[test]
fn only_destroy_gives_up_then_users_keep_their_time() {
    let mut plant = Plant::new(Remedy::Evict, [(10, 1)].map(used));
    // Announced, and stopped.
    plant.turn(2);
    plant.destroy(1, 3 * SOON);
    assert_eq!(plant.run(), GRACE);
}

#[test]
fn shutdown_destroy_of_a_client_gives_up_then_begun_again() {
    let mut plant = Plant::new(Remedy::Abandon, [(10, 1), (20, 1)].map(used));
    // Announced, and both stopped.
    plant.turn(4);
    plant.destroy(1, 3 * SOON);
    plant.turn(100);
    assert!(ids(&plant, began).is_empty(), "it drains already");
    plant.pass(SOON);
    plant.turn(100);
    assert_eq!(ids(&plant, began), [2]);
    plant.pass(3 * SOON);
    plant.turn(100);
    assert_eq!(plant.sites[&1].state, SessionState::Stopped);
    plant.pass(SOON);
    plant.turn(100);
    assert_eq!(ids(&plant, began), [2, 1]);
    assert_eq!(plant.sites[&1].state, SessionState::Draining);
    assert_eq!(plant.run(), GRACE);
}

#[test]
fn shutdown_that_waits_then_counts_users_ten_times_a_second() {
    let mut plant = Plant::new(Remedy::Abandon, [(10, 1)].map(used));
    plant.run();
    let counts = plant.done.iter();
    let counts = counts.filter(|(_, effect)| *effect == ShutdownEffect::CountUsers);
    let counts: Vec<Duration> = counts.map(|(at, _)| *at).collect();
    let expected: Vec<Duration> = (0..=100).map(|at| at * 100 * MS).collect();
    assert_eq!(counts, expected, "and once more at the end");
}

#[test]
fn shutdown_busy_for_long_then_counts_users_all_the_same() {
    let sites: Vec<Site> = (0..400).map(|_| Site::new(50, 0)).collect();
    let mut plant = Plant::new(Remedy::Abandon, sites);
    plant.turn(400);
    while plant
        .sites
        .values()
        .any(|it| it.state == SessionState::Running)
    {
        plant.turn(1);
        plant.pass(MS);
    }
    let counts = plant.done.iter();
    let counts = counts.filter(|(_, effect)| *effect == ShutdownEffect::CountUsers);
    let counts: Vec<Duration> = counts.map(|(at, _)| *at).collect();
    assert_eq!(counts[..4], [2, 102, 202, 302].map(|at| at * MS));
}

fn set_aside(effect: &ShutdownEffect) -> Option<u64> {
    match effect {
        ShutdownEffect::Quarantine(id) => Some(*id),
        _ => None,
    }
}

#[test]
fn taken_over_amid_a_user_that_stays_then_it_is_set_aside() {
    let mut plant = Plant::taken_over([(50, 0), (10, 1), (90, 0)].map(|it| Site::new(it.0, it.1)));
    assert_eq!(plant.run(), SOON);
    assert_eq!(plant.destroyed, [1, 3]);
    assert_eq!(ids(&plant, set_aside), [2]);
}

#[test]
fn taken_over_amid_a_user_that_leaves_then_destroyed() {
    let mut plant = Plant::taken_over([Site::new(50, 1)]);
    plant.turn(100);
    plant.pass(SOON / 2);
    plant.leave(1);
    assert_eq!(plant.run(), SOON / 2);
    assert_eq!(plant.destroyed, [1]);
}

#[test]
fn taken_over_amid_a_poller_that_stalls_then_waited_for() {
    let hung = Site {
        hangs: true,
        ..Site::new(50, 0)
    };
    let mut plant = Plant::taken_over([hung, Site::new(50, 1)]);
    while plant.now - plant.start < 4 * GRACE / 10 {
        plant.turn(100);
        plant.pass(SOON);
    }
    assert_eq!(ids(&plant, set_aside), [0_u64; 0]);
    plant.sites.get_mut(&1).expect("it is there").hangs = false;
    plant.look_soon(1);
    plant.run();
    assert_eq!(
        (&plant.destroyed[..], ids(&plant, set_aside)),
        (&[1][..], vec![2])
    );
}

#[test]
fn taken_over_amid_a_client_that_destroys_then_none_waits() {
    let mut plant = Plant::taken_over([Site::new(50, 1), Site::new(50, 0)]);
    plant.turn(4);
    plant.destroy(1, GRACE);
    assert_eq!(plant.run(), SOON);
    assert_eq!(plant.destroyed, [2]);
}
