//! What is missing on one leg, or on both.

use super::*;

#[test]
fn both_legs_then_each_packet_once_and_its_copies_counted() {
    let mut rig = Rig::new();
    rig.both(&SOURCE, 0..2_000);
    assert!(rig.out.iter().copied().eq(0..2_000));
    let [first, second] = Leg::BOTH.map(|leg| *rig.merge.leg(leg));
    assert_eq!([first.used, second.duplicate], [2_000, 2_000]);
    assert_eq!([first.lost, second.lost, rig.merge.joint().lost], [0; 3]);
    rig.check_sums();
}

#[test]
fn burst_in_order_then_passed_on_without_a_copy() {
    let mut rig = Rig::new();
    let packets: Vec<_> = (0..32).map(|it| SOURCE.packet(it)).collect();
    assert_eq!(rig.push(Leg::First, &packets, 1), u64::from(u32::MAX));
    assert_eq!(rig.push(Leg::Second, &packets, 9), 0);
    assert_eq!(rig.merge.joint().held, 0);
    assert_eq!(rig.merge.skew().now(), (8, 9));
}

#[test]
fn hole_waits_for_the_later_leg_and_no_longer_than_its_class() {
    let mut rig = Rig::new();
    rig.both(&SOURCE, 0..10);
    rig.give(Leg::First, &SOURCE, 11..200);
    assert_eq!(rig.out.len(), 10, "packet 10 may still come");
    rig.push(Leg::Second, &[SOURCE.packet(10)], 200 * STEP_NS);
    assert!(rig.out.iter().copied().eq(0..200));
    rig.give(Leg::First, &SOURCE, 201..300);
    assert_eq!(rig.out.len(), 200);
    let deadline = rig.merge.deadline().unwrap();
    assert_eq!(deadline, 201 * STEP_NS + 10 * MS);
    rig.expire(deadline - 1);
    assert_eq!(rig.out.len(), 200);
    rig.expire(deadline);
    assert!(rig.out[200..].iter().copied().eq(201..300));
    assert_eq!((rig.merge.joint().lost, rig.merge.deadline()), (1, None));
    // It comes after all: it was not lost.
    rig.push(Leg::Second, &[SOURCE.packet(200)], deadline + 1);
    assert_eq!((rig.merge.joint().lost, rig.out.last()), (0, Some(&200)));
    assert_eq!(rig.merge.leg(Leg::Second).late, 1);
    rig.check_sums();
}

#[test]
fn hole_that_both_legs_passed_then_lost_at_once() {
    let mut rig = Rig::new();
    rig.both(&SOURCE, 0..10);
    rig.both(&SOURCE, 11..20);
    assert!(rig.out.iter().copied().eq((0..10).chain(11..20)));
    assert_eq!(rig.merge.joint().lost, 1);
}

#[test]
fn leg_that_is_gone_then_not_waited_for() {
    let mut rig = Rig::new();
    rig.both(&SOURCE, 0..10);
    rig.give(Leg::Second, &SOURCE, 10..8_000);
    assert_eq!(rig.out.len(), 8_000);
    rig.give(Leg::Second, &SOURCE, 8_001..8_003);
    assert_eq!((rig.out.len(), rig.merge.deadline()), (8_002, None));
    // It is back, and ahead.
    rig.give(Leg::First, &SOURCE, [8_006, 8_007]);
    rig.give(Leg::Second, &SOURCE, 8_003..8_006);
    assert_eq!(rig.out.last(), Some(&8_007));
    assert_eq!(rig.merge.leg(Leg::First).lost, 8_006 - 10);
    rig.check_sums();
}

#[test]
fn both_legs_out_for_long_then_the_stream_goes_on() {
    let mut rig = Rig::new();
    rig.both(&SOURCE, 0..1_000);
    rig.both(&SOURCE, 3_000..4_000);
    let after = &rig.out[1_000..];
    assert!(after.iter().copied().eq(after[0]..4_000));
    assert!(rig.out[1_000] <= 3_016, "{}", rig.out[1_000]);
    assert_eq!(rig.merge.joint().lost, u64::from(rig.out[1_000]) - 1_000);
    assert_eq!(rig.merge.joint().restarts, 0);
}

#[test]
fn both_legs_out_and_one_back_early_then_nothing_later_is_lost() {
    let mut rig = Rig::new();
    rig.both(&SOURCE, 0..500);
    // 7 ms before the other leg: more packets wait than fit behind the hole.
    let ahead = 350;
    for index in 1_200..2_000 {
        rig.give(Leg::First, &SOURCE, [index]);
        if index - ahead >= 1_190 {
            let at_ns = u64::from(index) * STEP_NS;
            rig.push(Leg::Second, &[SOURCE.packet(index - ahead)], at_ns);
        }
    }
    assert!(rig.out.iter().copied().eq((0..500).chain(1_190..2_000)));
    assert_eq!(rig.merge.joint().lost, 690);
    assert_eq!(rig.merge.leg(Leg::First).other_stream, 0);
    rig.check_sums();
}

#[test]
fn gap_on_both_legs_at_one_time_then_the_stream_goes_on() {
    let mut rig = Rig::new();
    rig.both(&SOURCE, 0..1_000);
    let now_ns = 1_000 * STEP_NS;
    for leg in Leg::BOTH {
        let packets: Vec<_> = (3_000..3_032).map(|it| SOURCE.packet(it)).collect();
        rig.push(leg, &packets, now_ns);
    }
    assert_eq!(rig.out[1_000..], (3_015..3_032).collect::<Vec<_>>());
    assert_eq!(rig.merge.joint().lost, 2_015);
    rig.check_sums();
}

#[test]
fn packets_that_a_link_held_back_then_dropped_after_any_stall() {
    for stall in [600u32, 10_000] {
        let mut rig = Rig::new();
        rig.both(&SOURCE, 0..1_000);
        rig.give(Leg::Second, &SOURCE, 1_000..20_000);
        // The link is back; the poller comes late, and to this leg first.
        let now_ns = u64::from(20_000 + stall) * STEP_NS;
        for index in 1_000..3_000 {
            rig.push(Leg::First, &[SOURCE.packet(index)], now_ns);
        }
        for index in 20_000..20_100 {
            rig.push(Leg::Second, &[SOURCE.packet(index)], now_ns);
        }
        assert!(rig.out[..20_100].iter().copied().eq(0..20_100), "{stall}");
        assert_eq!(rig.merge.joint().restarts, 0);
        assert_eq!(rig.merge.leg(Leg::First).late, 2_000);
        rig.check_sums();
    }
}

/// Packets of the second leg so much later, and those that the first one lacks.
fn late(later_ns: u64, lost: impl Fn(u32) -> bool) -> Rig {
    let mut rig = Rig::new();
    let steps = u32::try_from(later_ns / STEP_NS).unwrap();
    for index in 0..5_000 + steps {
        if index < 5_000 && !lost(index) {
            rig.give(Leg::First, &SOURCE, [index]);
        }
        let at_ns = u64::from(index) * STEP_NS;
        rig.expire(at_ns);
        if let Some(index) = index.checked_sub(steps) {
            rig.push(Leg::Second, &[SOURCE.packet(index)], at_ns);
        }
    }
    rig.check_sums();
    rig
}

#[test]
fn leg_later_than_its_class_then_late_and_nothing_is_recovered() {
    for (later_ns, is_late) in [
        (9 * MS, false),
        (11 * MS, true),
        (15 * MS, true),
        (60 * MS, true),
    ] {
        let rig = late(later_ns, |index| index % 20 == 7);
        let [first, second] = Leg::BOTH.map(|leg| *rig.merge.leg(leg));
        let told = format!("{later_ns}: {first:?} {second:?} {:?}", rig.merge.joint());
        assert_eq!(second.late > 4_000, is_late, "{told}");
        let joint = rig.merge.joint();
        let lost = first.lost + second.lost;
        let recovered = lost.saturating_sub(2 * joint.lost + joint.late);
        assert_eq!(recovered > 0, !is_late, "{told}");
        if is_late {
            assert!(second.late_ns.abs_diff(later_ns) < 2 * MS, "{told}");
        } else {
            // Before a packet of it came, none was waited for.
            assert!(second.late == joint.late && joint.late < 25, "{told}");
        }
    }
}
