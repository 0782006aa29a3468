//! Random losses, delays and bytes.

use proptest::prelude::*;

use super::*;

/// A leg: its delay, and which packets it loses.
#[derive(Debug, Clone)]
struct Network {
    delay_ns: u64,
    lost: Vec<u32>,
    out: std::ops::Range<u32>,
}

impl Network {
    fn brings(&self, index: u32) -> bool {
        !self.lost.contains(&index) && !self.out.contains(&index)
    }
}

/// Most delay in packets.
const BEHIND: u32 = 400;
const SENT: u32 = 4 * BEHIND;

fn network() -> impl Strategy<Value = Network> {
    let lost = prop::collection::vec(BEHIND..SENT, 0..200);
    let out = (BEHIND..SENT, 0..2 * BEHIND).prop_map(|(start, len)| start..start + len);
    (0..u64::from(BEHIND) * STEP_NS, lost, out).prop_map(|(delay_ns, lost, out)| Network {
        delay_ns,
        lost,
        out,
    })
}

fn source() -> impl Strategy<Value = Source> {
    (any::<u16>(), any::<u32>(), 1..200u32).prop_map(|(sequence, timestamp, a_unit)| Source {
        ssrc: SSRC,
        sequence,
        timestamp,
        a_unit: a_unit * 5,
    })
}

proptest! {
    /// What came on either leg is passed on, once, in order; nothing else is, and the rest is lost.
    #[test]
    fn any_loss_and_skew_then_the_union_in_order(
        source in source(), networks in [network(), network()], burst in 1..33usize,
    ) {
        let mut events: Vec<_> = (0..SENT).flat_map(|index| {
            let networks = networks.iter().zip(Leg::BOTH);
            let brings = networks.filter(move |(it, _)| it.brings(index));
            brings.map(move |(it, leg)| (u64::from(index) * STEP_NS + it.delay_ns, leg as u8, index))
        }).collect();
        events.sort_unstable();
        let mut rig = Rig::new();
        for run in events.chunk_by(|one, next| one.1 == next.1) {
            for run in run.chunks(burst) {
                let packets: Vec<_> = run.iter().map(|it| source.packet(it.2)).collect();
                let leg = Leg::BOTH[usize::from(run[0].1)];
                rig.push(leg, &packets, run.last().unwrap().0);
            }
        }
        rig.expire(u64::MAX / 2);
        let first = rig.out[0];
        let either = |index: &u32| networks.iter().any(|it| it.brings(*index));
        let expected: Vec<_> = (first..SENT).filter(either).collect();
        prop_assert_eq!(&rig.out, &expected);
        let last = *expected.last().unwrap();
        let lost = (first..last).filter(|it| !either(it)).count();
        prop_assert_eq!(rig.merge.joint().lost, lost as u64);
        rig.check_sums();
        for (leg, network) in Leg::BOTH.into_iter().zip(&networks) {
            let counts = rig.merge.leg(leg);
            prop_assert_eq!(counts.other_stream + counts.reordered, 0);
            let brought = (0..SENT).filter(|it| network.brings(*it)).count();
            prop_assert_eq!(counts.packets, brought as u64);
        }
    }

    #[test]
    fn any_bytes_on_both_legs_then_sums_agree(
        packets in prop::collection::vec(
            (any::<bool>(), any::<[u8; 16]>(), 0..3 * SILENCE_NS, any::<bool>(), 0..5_000u32), 0..300),
    ) {
        let mut rig = Rig::new();
        let mut now_ns = 0;
        for (leg, mut bytes, later_ns, is_close, index) in packets {
            now_ns += later_ns / 50;
            if is_close {
                bytes.copy_from_slice(&SOURCE.packet(index));
            } else {
                (bytes[0], bytes[1]) = (0x80, 96);
            }
            rig.push(Leg::BOTH[usize::from(leg)], &[bytes.to_vec()], now_ns);
        }
        rig.expire(u64::MAX);
        prop_assert_eq!(rig.merge.deadline(), None);
        rig.check_sums();
    }
}
