//! A stranger on either leg who chooses all bytes and times.

use proptest::prelude::*;

use super::*;
use crate::legs::Class;

/// A packet of the source with other fields, and so many bytes.
fn forged(index: u32, ticks: u32, bytes: usize) -> Vec<u8> {
    let mut packet = SOURCE.packet(index);
    let timestamp = u32::from_be_bytes(*packet[4..].first_chunk().unwrap());
    packet[4..8].copy_from_slice(&timestamp.wrapping_add(ticks).to_be_bytes());
    packet.resize(bytes, 0xff);
    packet
}

#[test]
fn waiting_packet_contradicted_by_a_larger_one_then_goes_on() {
    let mut rig = Rig::new();
    rig.both(&SOURCE, 0..100);
    let now_ns = 100 * STEP_NS;
    rig.push(Leg::Second, &[forged(103, 0, 40)], now_ns);
    rig.push(Leg::First, &[forged(103, 1, 65)], now_ns);
    rig.both(&SOURCE, 100..1_000);
    rig.expire(u64::MAX / 2);
    assert!(rig.merge.window.is_whole());
    assert_eq!(rig.merge.deadline(), None);
    // Which of them is true, the essence knows.
    let real: Vec<_> = rig.out.into_iter().filter(|it| *it < 1_000).collect();
    assert!(real.into_iter().eq(0..1_000));
    assert_eq!(rig.merge.leg(Leg::First).oversized, 1);
}

#[test]
fn packet_larger_than_a_place_then_passed_on_and_counted() {
    let mut rig = Rig::new();
    rig.both(&SOURCE, 0..10);
    rig.push(Leg::First, &[forged(11, 0, 65)], 11 * STEP_NS);
    assert_eq!(rig.out.len(), 11, "it does not wait");
    assert_eq!(rig.merge.leg(Leg::First).oversized, 1);
    rig.push(
        Leg::Second,
        &[SOURCE.packet(10), SOURCE.packet(11)],
        12 * STEP_NS,
    );
    rig.both(&SOURCE, 12..20);
    assert!(rig.out[11..].iter().copied().eq(10..20));
    assert_eq!(rig.merge.joint().lost, 0);
    rig.check_sums();
}

#[test]
fn one_packet_far_ahead_then_nothing_is_lost_and_it_is_not_used() {
    for (ahead, ticks) in [(700, 0), (20, 0), (2, CLOCK_HZ), (0, CLOCK_HZ / 2)] {
        let mut rig = Rig::new();
        rig.both(&SOURCE, 0..100);
        for index in 100..5_000 {
            if index % 50 == 0 {
                let forged = forged(index + ahead, ticks, 30);
                rig.push(Leg::First, &[forged], u64::from(index) * STEP_NS);
            }
            // The second leg lags.
            rig.give(
                Leg::First,
                &SOURCE,
                [index].into_iter().filter(|it| it % 7 != 3),
            );
            let at_ns = u64::from(index) * STEP_NS;
            rig.push(Leg::Second, &[SOURCE.packet(index - 90)], at_ns);
        }
        let real: Vec<_> = rig.out.iter().copied().filter(|it| *it < 10_000).collect();
        assert!(
            real.iter()
                .copied()
                .zip(0..)
                .all(|(found, index)| found == index),
            "{ahead}"
        );
        assert!(real.len() > 4_900, "{}", real.len());
        assert_eq!(rig.merge.joint().lost, 0, "{ahead}");
        let [first, second] = Leg::BOTH.map(|leg| *rig.merge.leg(leg));
        // One in the place of a packet that the leg loses is as good as that.
        assert!(
            second.lost == 0 && (680..=700).contains(&first.lost),
            "{ahead}: {first:?}"
        );
        assert!(
            (80..=98).contains(&first.other_stream),
            "{ahead}: {first:?}"
        );
        assert!(rig.merge.window.is_whole());
        rig.check_sums();
    }
}

#[test]
fn some_far_ahead_that_agree_then_forgotten_before_their_turn() {
    for leg in Leg::BOTH {
        let mut rig = Rig::new();
        let at_ns = |index: u32| 20 * u64::from(index) * STEP_NS;
        for index in 0..2_000 {
            for leg in Leg::BOTH {
                rig.push(leg, &[SOURCE.packet(index)], at_ns(index));
            }
            for ahead in (700..730).filter(|_| index == 100) {
                rig.push(leg, &[forged(index + ahead, 1, 30)], at_ns(index));
            }
        }
        assert!(rig.out.iter().copied().eq(0..2_000));
        assert_eq!(rig.merge.leg(leg).other_stream, 30);
        assert!(rig.merge.window.is_whole());
        rig.check_sums();
    }
}

#[test]
fn stream_jumps_for_good_then_no_packet_of_it_is_lost() {
    for (ahead, ticks) in [(800, 0), (0, CLOCK_HZ / 2)] {
        let mut rig = Rig::new();
        rig.both(&SOURCE, 0..100);
        for index in 100..2_000 {
            let packet = forged(index + ahead, ticks, 16);
            for leg in Leg::BOTH {
                let at_ns = u64::from(index) * STEP_NS;
                rig.push(leg, std::slice::from_ref(&packet), at_ns);
            }
        }
        let after = (100 + ahead)..(2_000 + ahead);
        assert!(rig.out.iter().copied().eq((0..100).chain(after)), "{ahead}");
        assert_eq!(rig.merge.joint().lost, u64::from(ahead));
        rig.check_sums();
    }
}

#[test]
fn last_packet_behind_a_long_hole_then_used_after_silence() {
    let mut rig = Rig::new();
    rig.both(&SOURCE, 0..100);
    rig.give(Leg::First, &SOURCE, [300]);
    let deadline = rig.merge.deadline().unwrap();
    assert_eq!(deadline, 300 * STEP_NS + SILENCE_NS);
    rig.expire(deadline - 1);
    assert_eq!(rig.out.len(), 100);
    rig.expire(deadline);
    assert_eq!((rig.out[100], rig.merge.deadline()), (300, None));
    assert_eq!(rig.merge.joint().lost, 200);
    rig.check_sums();
}

#[test]
fn source_a_packet_after_silence_then_none_is_followed() {
    let mut rig = Rig::new();
    rig.both(&SOURCE, 0..100);
    let later = |index: u32| u64::from(index) * STEP_NS + 2 * SILENCE_NS;
    let other = |ssrc| Source { ssrc, ..SOURCE };
    for index in 100..400 {
        let leg = Leg::BOTH[index as usize % 2];
        // None of them comes twice.
        rig.push(leg, &[other(1_000 + index).packet(index)], later(index));
    }
    assert_eq!((rig.out.len(), rig.merge.joint().restarts), (100, 0));
    for index in 400..500 {
        // The second leg is late by more than a stranger's packets may be apart.
        rig.push(Leg::First, &[other(9).packet(index)], later(index));
        rig.push(Leg::Second, &[other(9).packet(index - 90)], later(index));
        rig.push(
            Leg::First,
            &[other(1_000 + index).packet(index)],
            later(index),
        );
    }
    assert!(
        rig.out[100..].iter().copied().eq(401..500),
        "{:?}",
        &rig.out[100..]
    );
    assert_eq!(rig.merge.joint().restarts, 1);
    rig.check_sums();
}

#[test]
fn both_legs_restart_then_no_leg_is_of_another_stream() {
    let mut rig = Rig::new();
    rig.both(&SOURCE, 0..1_000);
    let restarted = Source {
        ssrc: 9,
        sequence: 30_000,
        timestamp: 1 << 30,
        ..SOURCE
    };
    for index in 1_000..20_000 {
        rig.give(Leg::First, &restarted, [index]);
        let at_ns = u64::from(index) * STEP_NS;
        rig.push(Leg::Second, &[restarted.packet(index - 40)], at_ns);
    }
    assert_eq!(rig.merge.joint().restarts, 1);
    for leg in Leg::BOTH {
        let counts = rig.merge.leg(leg);
        assert!(
            counts.other_stream <= 1 && counts.before_restart > 4_000,
            "{counts:?}"
        );
    }
    rig.check_sums();
}

/// What a stranger sends: from the number that comes next, and the time that passes before.
#[derive(Debug, Clone)]
struct Strange {
    leg: Leg,
    ahead: i32,
    ticks: i32,
    ssrc: u32,
    bytes: usize,
    later_ns: u64,
    burst: u32,
    /// The true stream goes on before it.
    real: u32,
}

fn strange(packet_bytes: usize) -> impl Strategy<Value = Strange> {
    let near = prop_oneof![
        -20..20i32,
        -3_000..3_000i32,
        any::<i16>().prop_map(i32::from)
    ];
    let ticks = prop_oneof![Just(0), -10..10i32, -100_000..100_000i32, any::<i32>()];
    let bytes = prop_oneof![
        0..16usize,
        Just(packet_bytes),
        Just(packet_bytes + 1),
        12..9_000usize
    ];
    let later = prop_oneof![Just(0), 0..50_000u64, 0..3 * SILENCE_NS];
    let ssrc = prop_oneof![4 => Just(SSRC), 1 => 8..10u32];
    let leg = any::<bool>().prop_map(|it| Leg::BOTH[usize::from(it)]);
    (leg, near, ticks, (ssrc, bytes), later, 1..5u32, 0..4u32).prop_map(
        |(leg, ahead, ticks, (ssrc, bytes), later_ns, burst, real)| Strange {
            leg,
            ahead,
            ticks,
            ssrc,
            bytes,
            later_ns,
            burst,
            real,
        },
    )
}

proptest! {
    /// No place is lost, each call ends (its loops assert that they do), and no more is lost than can have been sent.
    #[test]
    fn any_packets_at_any_time_then_each_place_comes_back(
        (class, packet_bytes, all) in (0..3usize, 40..200usize).prop_flat_map(|(class, bytes)| {
            (Just(class), Just(bytes), prop::collection::vec(strange(bytes), 1..200))
        }),
    ) {
        let mut rig = Rig::new();
        rig.merge = Merge::new(&MergeConfig {
            class: [Class::A, Class::B, Class::D][class],
            packet_bytes,
            ..config()
        });
        let (mut now_ns, mut index) = (0, 10_000u32);
        for it in all {
            now_ns += it.later_ns;
            for _ in 0..it.real {
                now_ns += STEP_NS;
                Leg::BOTH.into_iter().for_each(|leg| _ = rig.push(leg, &[SOURCE.packet(index)], now_ns));
                index += 1;
            }
            let packets: Vec<_> = (0..it.burst).map(|at| {
                let at = index.wrapping_add_signed(it.ahead) % (1 << 22) + at;
                let mut packet = forged(at, it.ticks.cast_unsigned(), it.bytes.max(12));
                packet[8..12].copy_from_slice(&it.ssrc.to_be_bytes());
                packet.truncate(it.bytes);
                packet
            }).collect();
            rig.push(it.leg, &packets, now_ns);
            if let Some(deadline) = rig.merge.deadline() {
                rig.expire(deadline.saturating_sub(1));
            }
            prop_assert!(rig.merge.window.is_whole());
            rig.check_sums();
        }
        rig.expire(u64::MAX / 2);
        prop_assert_eq!((rig.merge.deadline(), rig.merge.window.waiting()), (None, 0));
        rig.merge.reset();
        prop_assert!(rig.merge.window.is_whole());
        rig.check_sums();
    }
}

/// A sender of another format: each of its packets is recorded once. The session's packets are followed beside them.
#[test]
fn packets_all_or_half_refused_then_each_once() {
    let mut rig = Rig::new();
    let give = |rig: &mut Rig, index: u32, is_refused| {
        let mut packet = SOURCE.packet(index);
        if is_refused {
            packet.splice(12.., REFUSED);
        }
        let now_ns = SILENCE_NS + u64::from(index) * STEP_NS;
        let packets = [packet];
        Leg::BOTH
            .map(|leg| rig.push(leg, &packets, now_ns))
            .iter()
            .sum::<u64>()
    };
    let fresh: Vec<_> = (0..100).map(|index| give(&mut rig, index, true)).collect();
    assert!(fresh[20..].iter().all(|it| *it == 1), "{fresh:?}");
    (100..300).for_each(|index| assert_eq!(give(&mut rig, index, index % 2 == 1), 1, "{index}"));
    rig.check_sums();
    let lost = Leg::BOTH.map(|leg| rig.merge.leg(leg).lost);
    assert_eq!((lost, rig.merge.joint().lost), ([0; 2], 0));
    let out = rig.out.into_iter().filter(|it| *it != u32::MAX);
    assert!(out.eq((100..300).step_by(2)));
}
