//! Streams that end, restart, or are not the session's.

use super::*;

#[test]
fn leg_of_another_stream_then_counted_and_never_used() {
    let others = [
        Source { ssrc: 8, ..SOURCE },
        // Within the window of numbers and of timestamps.
        Source {
            sequence: SOURCE.sequence + 20,
            timestamp: SOURCE.timestamp + 77,
            ..SOURCE
        },
        Source {
            sequence: SOURCE.sequence.wrapping_sub(20),
            ..SOURCE
        },
        Source {
            timestamp: SOURCE.timestamp.wrapping_add(1 << 30),
            ..SOURCE
        },
        Source {
            sequence: 9_000,
            ..SOURCE
        },
    ];
    for other in others {
        let mut rig = Rig::new();
        for index in 0..20_000 {
            if index % 100 != 50 {
                rig.give(Leg::First, &SOURCE, [index]);
            }
            let mut foreign = other.packet(index);
            let end = foreign.len() - 4;
            foreign[end..].fill(0xff);
            rig.push(Leg::Second, &[foreign], u64::from(index) * STEP_NS);
        }
        rig.expire(u64::MAX / 2);
        let expected = (0..20_000).filter(|it| it % 100 != 50);
        assert!(rig.out.iter().copied().eq(expected), "{other:?}");
        let counts = rig.merge.leg(Leg::Second);
        let unused = counts.other_stream + counts.before_restart + counts.late + counts.duplicate;
        assert_eq!((counts.used, unused), (0, 20_000), "{other:?}");
        rig.check_sums();
    }
}

#[test]
fn leg_that_turns_to_another_stream_and_back_then_used_again() {
    let mut rig = Rig::new();
    rig.both(&SOURCE, 0..100);
    let other = Source { ssrc: 9, ..SOURCE };
    for index in 100..200 {
        rig.give(Leg::First, &SOURCE, [index]);
        rig.give(Leg::Second, &other, [index]);
    }
    assert_eq!(rig.merge.other_ssrc(Leg::Second), Some(9));
    rig.both(&SOURCE, 200..300);
    rig.give(Leg::Second, &SOURCE, 300..400);
    assert!(rig.out.iter().copied().eq(0..400));
    assert_eq!(rig.merge.leg(Leg::Second).ssrc_changes, 2);
}

#[test]
fn sender_that_restarts_then_followed_after_the_silence() {
    for restarted in [
        Source { ssrc: 9, ..SOURCE },
        Source {
            sequence: 30_000,
            timestamp: 1 << 30,
            ..SOURCE
        },
    ] {
        let mut rig = Rig::new();
        rig.both(&SOURCE, 0..1_000);
        rig.both(&restarted, 1_000..10_000);
        rig.expire(u64::MAX / 2);
        assert!(rig.out[..1_000].iter().copied().eq(0..1_000));
        let after = &rig.out[1_000..];
        let within = 1_001 + u32::try_from(SILENCE_NS / STEP_NS).unwrap();
        assert!(after[0] <= within, "{}", after[0]);
        assert!(after.iter().copied().eq(after[0]..10_000));
        assert_eq!((rig.merge.joint().restarts, rig.merge.joint().lost), (1, 0));
        rig.check_sums();
    }
}

#[test]
fn flood_of_one_leg_then_the_other_passes_as_before() {
    let mut rig = Rig::new();
    rig.both(&SOURCE, 0..100);
    for index in 100..1_000 {
        let now_ns = u64::from(index) * STEP_NS;
        for any in 0..40u32 {
            let source = Source {
                sequence: u16::try_from(any * 1_637 % 65_536).unwrap(),
                timestamp: (any + 1).wrapping_mul(0x9e37_79b9),
                ..SOURCE
            };
            rig.push(Leg::Second, &[source.packet(index), vec![0; 40]], now_ns);
        }
        rig.give(Leg::First, &SOURCE, [index]);
    }
    let passed: Vec<_> = rig.out.iter().filter(|it| **it >= 100).copied().collect();
    assert!(passed.windows(2).all(|it| it[0] < it[1]));
    assert_eq!(rig.merge.joint().lost, 0);
    assert_eq!(rig.merge.leg(Leg::First).used, 1_000);
}

#[test]
fn reset_then_the_next_stream_begins() {
    let mut rig = Rig::new();
    rig.both(&SOURCE, 0..10);
    rig.give(Leg::First, &SOURCE, 11..60);
    rig.merge.reset();
    assert_eq!(rig.merge.deadline(), None);
    rig.out.clear();
    let next = Source { ssrc: 9, ..SOURCE };
    rig.both(&next, 0..100);
    assert!(rig.out.iter().copied().eq(0..100));
}

/// Each packet on one leg, which is the other one after so many.
fn in_turn(burst: u32, end: u32) -> Rig {
    let mut rig = Rig::new();
    for index in 0..end {
        let leg = Leg::BOTH[(index / burst % 2) as usize];
        rig.give(leg, &SOURCE, [index]);
        rig.expire(u64::from(index) * STEP_NS);
    }
    rig.expire(u64::MAX / 2);
    rig.check_sums();
    rig
}

#[test]
fn legs_in_turn_from_the_start_then_merged_after_the_first_turn() {
    for burst in [2, 50, 400, 2_000] {
        let rig = in_turn(burst, 20_000);
        let lost = 20_000 - rig.out.len();
        assert!(lost <= 520, "{burst}: {lost}");
        assert!(rig.out.is_sorted(), "{burst}");
        let second = rig.merge.leg(Leg::Second);
        assert_eq!(second.other_stream, 0, "{burst}: {second:?}");
    }
}

#[test]
fn some_packets_where_the_stream_stands_then_no_leg_is_proven() {
    // So many of each twenty, before the first leg brings the same numbers; its own losses are theirs, too.
    for count in [1, 3, 15] {
        let mut rig = Rig::new();
        for index in 0..20_000 {
            let at_ns = u64::from(index) * STEP_NS;
            for ahead in (0..count).filter(|_| index % 20 == 10) {
                let mut foreign = SOURCE.packet(index + ahead);
                let end = foreign.len() - 4;
                foreign[end..].fill(0xff);
                rig.push(Leg::Second, &[foreign], at_ns);
            }
            if index % 50 != 10 {
                rig.give(Leg::First, &SOURCE, [index]);
            }
        }
        let expected = (0..20_000).filter(|it| it % 50 != 10);
        assert!(rig.out.iter().copied().eq(expected), "{count}");
        assert_eq!(rig.merge.leg(Leg::Second).used, 0, "{count}");
        rig.check_sums();
    }
}
