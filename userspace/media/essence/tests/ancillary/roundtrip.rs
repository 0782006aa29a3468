//! Units that are sent are received as they were, and no unit that lacks a packet passes for a whole one.

use onair_essence::ancillary::unit::{HEAD_BYTES, Signalled, UNIT_BYTES, Unit};
use onair_essence::receive::Depacketise as _;
use proptest::prelude::*;

use crate::rig::{Anc, Receiving, Source, anc};

fn units(least: usize) -> impl Strategy<Value = Vec<Vec<Anc>>> {
    prop::collection::vec(prop::collection::vec(anc(), 0..12), least..12)
}

proptest! {
    #[test]
    fn units_sent_then_received_as_they_were(
        units in units(1), interlaced: bool, sequence: u32,
    ) {
        let (mut source, mut receiving) = (Source::new(interlaced, sequence), Receiving::new(interlaced));
        let mut sent = Vec::new();
        for (at, unit) in units.iter().enumerate() {
            let field = match (interlaced, at % 2) {
                (false, _) => Signalled::Frame,
                (true, 0) => Signalled::First,
                (true, _) => Signalled::Second,
            };
            sent.push((source.timestamp(), field, unit));
            receiving.push(&source.unit(unit));
        }
        receiving.close();
        let taken = receiving.taken();
        prop_assert_eq!(taken.len(), sent.len());
        for (at, (taken, (timestamp, field, packets))) in taken.iter().zip(sent).enumerate() {
            // What came before the first one is not known.
            prop_assert_eq!(taken.complete, at > 0);
            prop_assert_eq!(taken.timestamp, timestamp);
            prop_assert_eq!(Signalled::of_tag(taken.tag), field);
            prop_assert_eq!(&taken.packets, packets);
            let unit = Unit::parse(&receiving.units.done[at].1).unwrap();
            prop_assert_eq!(unit.wrong(), 0);
            prop_assert!(unit.iter().all(|it| it.record.field == field && !it.record.is_wrong()));
        }
        let stats = receiving.receiver.stats();
        prop_assert_eq!((stats.lost, stats.reordered, stats.malformed.total()), (0, 0, 0));
        prop_assert_eq!(stats.accepted, stats.packets);
    }

    #[test]
    fn packets_lost_doubled_or_late_then_no_unit_lies(
        units in units(3), sequence: u32, faults in prop::collection::vec(0u8..8, 400),
    ) {
        let (mut source, mut receiving) = (Source::new(false, sequence), Receiving::new(false));
        let (mut sent, mut lost, mut doubled, mut kept) = (Vec::new(), 0, 0, 0);
        let mut faults = faults.into_iter().cycle();
        for unit in &units {
            sent.push((source.timestamp(), unit));
            let mut packets = source.unit(unit);
            let mut arrive = Vec::new();
            for packet in packets.drain(..) {
                match faults.next().unwrap() {
                    0 => lost += 1,
                    1 => {
                        doubled += 1;
                        arrive.extend([packet.clone(), packet]);
                    }
                    2 => arrive.insert(0, packet),
                    _ => arrive.push(packet),
                }
            }
            kept += arrive.len() as u64;
            // Units come at their pace.
            receiving.now_ns += 32_000_000;
            receiving.push(&arrive);
        }
        receiving.close();
        for taken in receiving.taken() {
            let (_, packets) = sent.iter().find(|it| it.0 == taken.timestamp).unwrap();
            if taken.complete {
                prop_assert_eq!(&taken.packets, *packets);
            }
            // What came is in the order of the sender.
            let mut all = packets.iter();
            prop_assert!(taken.packets.iter().all(|it| all.any(|other| it == other)));
        }
        let stats = receiving.receiver.stats();
        prop_assert_eq!(stats.packets, kept);
        // One that was first of all may belong to a unit that was never opened.
        prop_assert_eq!(stats.accepted + stats.duplicate + stats.late, kept);
        prop_assert!(stats.lost - stats.lost_arrived <= lost);
        prop_assert!(stats.duplicate >= doubled.min(stats.duplicate));
    }

    #[test]
    fn buffer_of_any_bytes_then_sent_as_a_unit_or_as_none(
        bytes in prop::collection::vec(any::<u8>(), 64), length in 0u32..70, count in 0u32..4,
    ) {
        let (mut source, mut receiving) = (Source::new(false, 0), Receiving::new(false));
        let mut buffer = vec![0; UNIT_BYTES];
        buffer[..64].copy_from_slice(&bytes);
        let head = [length, count, 0, 0].map(u32::to_le_bytes);
        buffer[..HEAD_BYTES].copy_from_slice(head.as_flattened());
        receiving.push(&source.bytes(&buffer));
        let given = Unit::parse(&buffer[..UNIT_BYTES]).map_or(0, |it| it.packets());
        prop_assert_eq!(receiving.taken()[0].packets.len(), given as usize);
        prop_assert_eq!(receiving.receiver.stats().malformed.total(), 0);
    }
}
