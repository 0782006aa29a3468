//! Packets that the essence refuses.

use super::*;

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
