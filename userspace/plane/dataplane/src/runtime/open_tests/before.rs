//! Units that came before their clients.

use onair_session::Runtime as _;

use super::{NOW, Rig};

/// The timestamps of the whole frames that the client gets now, each given back.
fn timestamps(rig: &Rig) -> Vec<u32> {
    let taken = std::iter::from_fn(|| {
        let lease = rig.test.client.get(NOW).ok()?;
        let timestamp = rig.test.client.meta(&lease).rtp_timestamp;
        rig.test.client.put(lease).unwrap();
        Some(timestamp)
    });
    taken.collect()
}

/// A restored session, whose client has yet to come back.
fn restored() -> Rig {
    let mut rig = Rig::sent(90);
    assert!(rig.runtime.detach(1).is_some());
    rig.runtime.keep_units();
    rig.runtime.resume(None, rig.now_ns);
    rig
}

fn comes_back(rig: &mut Rig, after: u32) {
    attaches(rig, Some(after));
}

fn attaches(rig: &mut Rig, after: Option<u32>) {
    let lender = rig.test.lender().of_client_that_had(after);
    assert!(rig.runtime.attach(Box::new(lender), None).is_ok());
    rig.turn();
}

#[test]
fn new_client_between_units_then_the_newest_with_the_next() {
    let mut rig = unread();
    let all = rig.packets();
    attaches(&mut rig, None);
    // The flow may have ended.
    assert_eq!(timestamps(&rig), [0u32; 0]);
    rig.send(3000, 0..all / 2, true);
    assert_eq!(timestamps(&rig), [2000]);
    rig.send(3000, all / 2..all, true);
    assert_eq!(timestamps(&rig), [3000]);
}

#[test]
fn new_client_amid_a_unit_then_the_newest_one_at_once() {
    let refilled = ("its frame is filled again", None);
    let torn = ("one came torn since", None);
    for (case, first) in [
        ("live", Some(2000)),
        ("pause", None),
        ("stop", None),
        refilled,
        torn,
    ] {
        let mut rig = unread();
        let all = rig.packets();
        if case == refilled.0 {
            rig = Rig::sent(90);
            assert!(rig.runtime.detach(1).is_some());
            rig.send(2000, 0..all, true);
        }
        let next = match case {
            "pause" => 2000 + 90_000 * 3 / 120 + 1,
            it if it == torn.0 => 4000,
            _ => 3000,
        };
        if case == torn.0 {
            rig.send(3000, 1..all, true);
            rig.now_ns += 2_000_000_000;
            rig.turn();
        }
        if case == "stop" {
            rig.runtime.quiesce(rig.now_ns);
            rig.runtime.resume(None, rig.now_ns);
        }
        rig.send(next, 0..all / 2, true);
        attaches(&mut rig, None);
        assert_eq!(timestamps(&rig), Vec::from_iter(first), "{case}");
        rig.send(next, all / 2..all, true);
        assert_eq!(timestamps(&rig), [next], "{case}");
    }
}

/// A session that received two units without a client, in two frames: the first one's end came late.
fn unread() -> Rig {
    let mut rig = Rig::sent(90);
    assert!(rig.runtime.detach(1).is_some());
    let all = rig.packets();
    rig.send(1000, 0..all / 2, true);
    rig.send(2000, 0..all / 2, true);
    rig.sequence = all / 2;
    rig.send(1000, all / 2..all, true);
    rig.sequence = all + all / 2;
    rig.send(2000, all / 2..all, true);
    rig
}

#[test]
fn client_comes_back_then_each_kept_unit_comes_once_in_order() {
    // It had the first of them, or none, or one that is still to come.
    for (had, then) in [(1000, 1..9), (0, 0..9), (5500, 5..9), (7000, 7..9)] {
        let mut rig = restored();
        let all = rig.packets();
        let whole = |rig: &mut Rig, numbers: std::ops::Range<u32>| {
            numbers.for_each(|it| rig.send(1000 * (it + 1), 0..all, true));
        };
        whole(&mut rig, 0..4);
        comes_back(&mut rig, had);
        let mut came = timestamps(&rig);
        for number in 4..9 {
            whole(&mut rig, number..number + 1);
            came.extend(timestamps(&rig));
        }
        let expected: Vec<_> = then.map(|it| 1000 * (it + 1)).collect();
        assert_eq!(came, expected, "{had}");
    }
}

#[test]
fn client_that_takes_none_then_kept_units_are_lost_for_it_alone() {
    let mut rig = restored();
    let all = rig.packets();
    for number in 1..20 {
        if number == 5 {
            comes_back(&mut rig, 0);
        }
        rig.send(1000 * number, 0..all, true);
    }
    // The frames of the session are those that it has, and the newest.
    let first = [1000, 2000, 3000];
    assert_eq!(timestamps(&rig), first);
    rig.turn();
    let last = timestamps(&rig);
    assert_eq!(last.last(), Some(&19_000), "{last:?}");
    let lost = rig.runtime.stats().snapshot().frames_dropped_slow;
    assert_eq!(lost, 19 - 3 - last.len() as u64);
    // Some time after the start it is as any other client.
    rig.now_ns += 3_000_000_000;
    for number in 20..30 {
        rig.send(1000 * number, 0..all, true);
    }
    assert_eq!(timestamps(&rig), [27_000, 28_000, 29_000]);
}
