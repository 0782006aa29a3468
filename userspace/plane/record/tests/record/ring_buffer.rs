//! Rings and flushes.

use std::sync::Barrier;
use std::time::Instant;

use super::rig::{Stop, capture, finish, number, packet, soon, start};

#[test]
#[expect(non_snake_case, reason = "the name that the requirements give")]
fn ring_buffer__flush__then_data_preserved() {
    let (folder, mut recording) = start(|spec| spec.ring_bytes = 64 * 1024);
    let mut producers: Vec<_> = (0..4)
        .map(|number| recording.producer(&format!("p{number}")).unwrap())
        .collect();
    let mut accepted = 0;
    for round in 0..20 {
        // More in all than a ring holds, but never at one time.
        for (name, producer) in (0u32..).zip(&mut producers) {
            for at in 0..100 {
                let number = round * 100 + at;
                assert!(producer.offer(number, 1400, &packet(name, number)));
            }
        }
        accepted += 400;
        let flushed = recording.flush(soon()).unwrap();
        assert_eq!(flushed.accepted, accepted);
        assert_eq!((flushed.written, flushed.lost), (accepted, 0));
        let status = recording.status();
        assert_eq!(
            (status.totals.written, status.totals.pending),
            (accepted, 0)
        );
    }
    // A flush has written it to the file before the end.
    let unfinished = folder.path().join("rec.pcapng.part");
    let early = super::pcapng::read(&std::fs::read(unfinished).unwrap()).unwrap();
    assert_eq!(early.packets.len(), 8000);
    let manifest = finish(&mut recording);
    let capture = capture(&folder.path().join("rec.pcapng"));
    assert_eq!(capture.packets, early.packets);
    assert_eq!(manifest.totals.written, 8000);
    for name in 0..4u32 {
        let own = capture
            .packets
            .iter()
            .filter(|it| number(&it.bytes).0 == name);
        let numbers: Vec<_> = own.map(|it| number(&it.bytes).1).collect();
        assert_eq!(numbers, (0..2000).collect::<Vec<_>>());
    }
}

#[test]
fn ring_buffer_flush_amid_producers_then_accepted_is_written() {
    let (_folder, mut recording) = start(|_| {});
    let (stop, barrier) = (Stop::new(), Barrier::new(5));
    std::thread::scope(|scope| {
        let _stop = stop.guard();
        for name in 0..4u32 {
            let mut producer = recording.producer(&format!("p{name}")).unwrap();
            let (stop, barrier) = (&stop, &barrier);
            scope.spawn(move || {
                barrier.wait();
                for number in 0.. {
                    if stop.is_set() {
                        break;
                    }
                    producer.offer(number, 96, &packet(name, number));
                }
            });
        }
        barrier.wait();
        for _ in 0..20 {
            let before = recording.status().totals.accepted;
            let flushed = recording.flush(soon()).unwrap();
            assert!(flushed.accepted >= before);
            assert!(flushed.written + flushed.lost >= before, "{flushed:?}");
        }
    });
    let manifest = finish(&mut recording);
    assert_eq!(manifest.totals.lost.total(), 0);
    assert_eq!(manifest.totals.written, manifest.totals.accepted);
}

#[test]
fn ring_buffer_full_then_counted_and_marked_where_it_is_missing() {
    let (folder, mut recording) = start(|spec| spec.ring_bytes = 64 * 1024);
    let mut producer = recording.producer("p").unwrap();
    let (mut kept, mut missed, mut next) = (Vec::new(), 0, 0u64);
    // Until the drain thread was too slow once and has made room again.
    while missed == 0 || kept.last() != Some(&(next - 1)) {
        if producer.offer(next, 96, &packet(0, next)) {
            kept.push(next);
        } else {
            missed += 1;
        }
        next += 1;
        assert!(Instant::now() < soon());
    }
    let manifest = finish(&mut recording);
    assert_eq!(manifest.totals.dropped.ring_full, missed);
    assert_eq!(manifest.totals.arrived, next);
    let capture = capture(&folder.path().join("rec.pcapng"));
    let numbers: Vec<_> = capture
        .packets
        .iter()
        .map(|it| number(&it.bytes).1)
        .collect();
    assert_eq!(numbers, kept);
    let mut expected = 0;
    for packet in &capture.packets {
        // Each gap has its length and reason in its place.
        assert_eq!(packet.dropped, number(&packet.bytes).1 - expected);
        assert_eq!(packet.comments.len(), usize::from(packet.dropped > 0));
        expected = number(&packet.bytes).1 + 1;
    }
    let listed: u64 = manifest.gaps.iter().map(|gap| gap.ring_full).sum();
    assert!(manifest.gaps_more > 0 || listed == missed);
    assert_eq!(
        capture.interfaces[0].statistics,
        Some((Some(next), Some(missed), Some(kept.len() as u64)))
    );
}
