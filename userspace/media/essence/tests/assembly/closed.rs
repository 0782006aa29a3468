//! What belongs to a closed frame, to another source or to another format is known as such.

use onair_essence::receive::Depacketise as _;
use onair_essence::video::{Depth, VideoFormat};

use crate::rig::{Memory, Receiver, Sender, TIMEOUT_NS, assert_accounted, format, numbers, small};

const MS: u64 = 1_000_000;

/// A frame of more packets than a restart takes.
fn long() -> VideoFormat {
    format(20, 20, Depth::Ten)
}

/// RTP timestamps of the shown frames, in order.
fn shown(memory: &Memory) -> Vec<u32> {
    let reports = memory.finished.iter();
    reports.map(|(report, _)| report.rtp_timestamp).collect()
}

fn assert_each_once(memory: &Memory) {
    let stamps = shown(memory);
    let again = stamps.windows(2).find(|pair| pair[0] >= pair[1]);
    assert_eq!(again, None);
}

#[test]
fn source_silent_after_65536_packets_then_late_and_no_restart() {
    let mut rx = Receiver::new(long());
    let mut sender = Sender::new(long(), 60);
    let frames = 65_536 / u64::from(sender.packetiser.packets()) + 2;
    for number in 0..frames {
        rx.push(&sender.frame(number), number * MS);
    }
    let now = frames * MS;
    let frame = sender.frame(frames);
    rx.push(&frame[..3], now);
    rx.assembler.expire(now + TIMEOUT_NS, &mut rx.memory);
    rx.push(&frame[3..], now + 3 * TIMEOUT_NS);
    rx.push(&sender.frame(frames + 1), now + 3 * TIMEOUT_NS);
    assert_each_once(&rx.memory);
    let stats = rx.assembler.stats();
    assert_eq!((stats.restarts, stats.units_incomplete), (0, 1));
    assert_eq!(stats.units_complete, frames + 1);
    assert_eq!(stats.late, frame.len() as u64 - 3);
    assert_eq!(stats.lost, 0);
    assert_accounted(stats);
}

#[test]
fn source_silent_anywhere_in_a_frame_then_each_is_shown_once() {
    let packets = Sender::new(long(), 60).frame(0).len();
    for silence in [0, 1, 2, 30, 200, 1_000, 2_500, 10_000, 3_600_000] {
        for at in 1..packets {
            let mut rx = Receiver::new(long());
            let mut sender = Sender::new(long(), 60);
            let mut now = 0;
            for number in 0..6 {
                let frame = sender.frame(number);
                rx.push(&frame[..at], now);
                if number == 3 {
                    now += silence * MS;
                    rx.assembler.expire(now, &mut rx.memory);
                }
                rx.push(&frame[at..], now);
            }
            assert_each_once(&rx.memory);
            assert_eq!(
                rx.memory.finished.len(),
                6,
                "{silence} ms before packet {at}"
            );
            let stats = rx.assembler.stats();
            assert_eq!((stats.restarts, stats.lost), (0, 0));
            assert_accounted(stats);
        }
    }
}

#[test]
fn frames_repeated_late_then_duplicates_and_no_new_frame() {
    for delay in [3, 200, 1_000, 1_900] {
        let mut rx = Receiver::new(long());
        let mut sender = Sender::new(long(), 60);
        let frames: Vec<_> = (0..5).map(|number| sender.frame(number)).collect();
        for frame in &frames {
            rx.push(frame, 0);
        }
        for frame in &frames[2..] {
            rx.push(frame, delay * MS);
        }
        rx.push(&sender.frame(5), delay * MS);
        assert_each_once(&rx.memory);
        assert_eq!(numbers(&rx.memory), [0, 1, 2, 3, 4, 5], "{delay} ms");
        let stats = rx.assembler.stats();
        assert_eq!((stats.restarts, stats.late), (0, 0));
        assert_eq!(stats.duplicate, 3 * frames[0].len() as u64);
        assert_accounted(stats);
    }
}

#[test]
fn packets_late_by_half_the_sequence_range_then_no_harm() {
    let mut rx = Receiver::new(long());
    let mut sender = Sender::new(long(), 60);
    let held = sender.frame(0);
    rx.push(&held[..3], 0);
    let later = 40_000 / held.len() as u64;
    for number in 1..=later {
        rx.push(&sender.frame(number), number * MS);
    }
    let live = sender.frame(later + 1);
    rx.push(&live[..2], later * MS);
    rx.push(&held[3..], later * MS);
    rx.push(&live[2..], later * MS);
    assert_eq!(numbers(&rx.memory), (1..=later + 1).collect::<Vec<_>>());
    let stats = rx.assembler.stats();
    assert_eq!(stats.late, held.len() as u64 - 3);
    assert_eq!((stats.restarts, stats.duplicate), (0, 0));
    assert_accounted(stats);
}

#[test]
fn packets_lost_for_any_sequence_range_then_the_next_are_whole() {
    let per_frame = Sender::new(long(), 60).frame(0).len() as u64;
    for lost in [
        0, 1, 20_000, 32_768, 40_000, 60_000, 65_535, 65_536, 200_000,
    ] {
        let gone = u64::max(1, lost / per_frame);
        let mut rx = Receiver::new(long());
        let mut sender = Sender::new(long(), 60);
        for number in 0..3 {
            rx.push(&sender.frame(number), number * MS);
        }
        for number in 3..3 + gone {
            sender.frame(number);
        }
        // As long as the sender took for them, at 60 frames a second.
        let now = 3 * MS + gone * 1_000 * MS / 60;
        for number in 3 + gone..8 + gone {
            rx.push(&sender.frame(number), now);
        }
        let came: Vec<_> = (0..3).chain(3 + gone..8 + gone).collect();
        assert_eq!(numbers(&rx.memory), came, "{lost} packets lost");
        assert_eq!(
            (
                rx.assembler.stats().restarts,
                rx.assembler.stats().duplicate
            ),
            (0, 0)
        );
        rx.assert_accounted();
    }
}

#[test]
fn sender_of_a_taller_raster_then_no_complete_frame_and_no_loss() {
    let (session, taller) = (format(20, 6, Depth::Ten), format(20, 8, Depth::Ten));
    let mut rx = Receiver::new(session);
    let mut sender = Sender::new(taller, 60);
    for number in 0..20 {
        rx.push(&sender.frame(number), number * MS);
    }
    rx.assembler.close(&mut rx.memory);
    assert!(
        rx.memory
            .finished
            .iter()
            .all(|(report, _)| !report.complete)
    );
    assert_each_once(&rx.memory);
    let stats = rx.assembler.stats();
    assert_eq!((stats.units_complete, stats.lost), (0, 0));
    assert_accounted(stats);
}

#[test]
fn sender_of_a_wider_raster_then_no_frame_is_complete() {
    let (session, wider) = (format(20, 6, Depth::Ten), format(40, 6, Depth::Ten));
    let mut rx = Receiver::new(session);
    let mut sender = Sender::new(wider, 62);
    for number in 0..20 {
        rx.push(&sender.frame(number), number * MS);
    }
    rx.assembler.close(&mut rx.memory);
    assert_eq!(rx.assembler.stats().units_complete, 0);
    assert_eq!(rx.assembler.stats().lost, 0);
}

/// An interlaced sender: the second field has a timestamp of its own and the field bit.
#[test]
fn fields_into_half_their_height_then_at_most_one_is_complete() {
    let session = small();
    let mut rx = Receiver::new(session);
    let mut sender = Sender::new(session, 60);
    for number in 0..20u64 {
        let mut field = sender.frame(number);
        if number % 2 == 1 {
            for packet in &mut field {
                packet[16] |= 0x80;
                if packet[18] & 0x80 != 0 {
                    packet[22] |= 0x80;
                }
            }
        }
        rx.push(&field, number * MS);
    }
    rx.assembler.close(&mut rx.memory);
    let stats = rx.assembler.stats();
    assert_eq!(stats.units_complete, 1, "{stats:?}");
    assert_eq!(stats.lost, 0);
    assert_accounted(stats);
}

#[test]
fn packets_late_by_any_time_then_not_lost() {
    for delay in [2, 200, 1_000] {
        let mut rx = Receiver::new(long());
        let mut sender = Sender::new(long(), 60);
        let first = sender.frame(0);
        rx.push(&first[..4], 0);
        rx.push(&first[9..], 0);
        for number in 1..4 {
            rx.push(&sender.frame(number), number * MS);
        }
        assert_eq!(rx.assembler.stats().lost, 5);
        rx.push(&first[4..7], delay * MS);
        rx.push(&first[4..7], delay * MS);
        let stats = rx.assembler.stats();
        assert_eq!((stats.late, stats.duplicate), (3, 3));
        assert_eq!(stats.lost - stats.lost_arrived, 2);
        assert_accounted(stats);
    }
}

#[test]
fn two_sources_in_one_flow_then_the_first_until_it_is_silent() {
    let mut rx = Receiver::new(small());
    let (mut ours, mut other) = (Sender::new(small(), 60), Sender::new(small(), 60));
    other.ssrc = 6;
    other.timestamp = 1 << 30;
    for number in 0..20 {
        let pairs = ours
            .frame(number)
            .into_iter()
            .zip(other.frame(100 + number));
        for (first, second) in pairs {
            rx.assembler
                .packet(&first, number * TIMEOUT_NS / 2, &mut rx.memory);
            rx.assembler
                .packet(&second, number * TIMEOUT_NS / 2, &mut rx.memory);
        }
    }
    assert_eq!(numbers(&rx.memory), (0..20).collect::<Vec<_>>());
    let stats = *rx.assembler.stats();
    assert_eq!((stats.ssrc_changes, stats.units_incomplete), (0, 0));
    assert_eq!(stats.other_ssrc_packets, stats.packets / 2);
    assert_eq!(
        (rx.assembler.ssrc(), rx.assembler.other_ssrc()),
        (Some(5), Some(6))
    );
    assert_accounted(&stats);
    let now = 11 * TIMEOUT_NS;
    rx.push(&other.frame(120), now);
    assert_eq!(rx.assembler.stats().ssrc_changes, 1);
    assert_eq!(rx.assembler.ssrc(), Some(6));
    assert_eq!(numbers(&rx.memory).last(), Some(&120));
}

#[test]
fn source_that_repeats_its_packets_then_not_silent() {
    let mut rx = Receiver::new(small());
    let (mut ours, mut other) = (Sender::new(small(), 60), Sender::new(small(), 60));
    other.ssrc = 6;
    let frame = ours.frame(0);
    for round in 1..10 {
        rx.push(&frame, round * MS * 2);
        let now = round * MS * 2 + MS / 2;
        rx.push(&other.frame(round), now);
    }
    assert_eq!(numbers(&rx.memory), [0]);
    assert_eq!(rx.assembler.stats().ssrc_changes, 0);
    rx.assert_accounted();
}

#[test]
fn source_restarts_at_other_numbers_then_followed_after_timeout() {
    // Ahead and behind, with and without a pause.
    for (timestamp, sequence, pause) in [
        (7, 40_000, 0),
        (7, 40_000, 200),
        (1 << 30, 40_000, 0),
        (1 << 30, 50_000, 200),
        (3_000_000_000, 9, 200),
    ] {
        let mut rx = Receiver::new(long());
        let mut sender = Sender::new(long(), 60);
        sender.timestamp = 1 << 20;
        for number in 0..10 {
            rx.push(&sender.frame(number), number * MS / 4);
        }
        let mut sender = Sender::new(long(), 60);
        (sender.timestamp, sender.sequence) = (timestamp, sequence);
        for number in 100..120 {
            let now = (number - 90) * MS / 4 + pause * MS;
            rx.push(&sender.frame(number), now);
        }
        let numbers = numbers(&rx.memory);
        assert_eq!(
            rx.assembler.stats().restarts,
            1,
            "{timestamp} {sequence} {pause}"
        );
        assert_eq!(numbers.last(), Some(&119));
        // Within the time-out, 1 ms, and the first frames' packets that prove it.
        assert!(numbers.len() >= 10 + 20 - 6, "{numbers:?}");
        rx.assert_accounted();
    }
}

#[test]
fn packet_of_a_wild_number_amid_a_stream_then_no_frame_suffers() {
    let mut rx = Receiver::new(long());
    let mut sender = Sender::new(long(), 60);
    for number in 0..20 {
        let frame = sender.frame(number);
        rx.push(&frame[..5], number * MS);
        let mut wild = frame[7].clone();
        wild[2..8].copy_from_slice(&[0x77, 7, 0x40, 0, 0, u8::try_from(number).unwrap()]);
        rx.assembler.packet(&wild, number * MS, &mut rx.memory);
        rx.push(&frame[5..], number * MS);
    }
    assert_eq!(numbers(&rx.memory), (0..20).collect::<Vec<_>>());
    assert_eq!(
        (rx.assembler.stats().restarts, rx.assembler.stats().late),
        (0, 20)
    );
    rx.assert_accounted();
}

/// Its timestamp could be right, its sequence number could not.
#[test]
fn packet_of_a_wild_sequence_number_ahead_then_no_frame_suffers() {
    let mut rx = Receiver::new(long());
    let mut sender = Sender::new(long(), 60);
    for number in 0..60 {
        let frame = sender.frame(number);
        rx.push(&frame, number * MS / 2);
        if number == 20 {
            let mut wild = frame[7].clone();
            let ahead = (sender.timestamp + 45_000).to_be_bytes();
            wild[2..4].copy_from_slice(&[0x77, 7]);
            wild[4..8].copy_from_slice(&ahead);
            rx.assembler.packet(&wild, number * MS / 2, &mut rx.memory);
        }
        rx.assembler.expire(number * MS / 2, &mut rx.memory);
    }
    assert_eq!(numbers(&rx.memory), (0..60).collect::<Vec<_>>());
    assert_eq!(
        (rx.assembler.stats().restarts, rx.assembler.stats().late),
        (0, 1)
    );
    rx.assert_accounted();
}

/// A sender whose timestamps follow the time of day restarts with a random sequence number.
#[test]
fn source_restarts_with_timely_timestamps_then_nothing_is_lost() {
    let mut rx = Receiver::new(long());
    let mut sender = Sender::new(long(), 60);
    for number in 0..20 {
        rx.push(&sender.frame(number), number * 50 * MS / 3);
    }
    for number in 20..50 {
        sender.frame(number);
    }
    sender.sequence = sender.sequence.wrapping_add(30_000);
    for number in 50..60 {
        rx.push(&sender.frame(number), number * 50 * MS / 3);
    }
    assert_eq!(
        numbers(&rx.memory),
        (0..20).chain(50..60).collect::<Vec<_>>()
    );
    assert_eq!(
        (rx.assembler.stats().restarts, rx.assembler.stats().lost),
        (1, 0)
    );
    rx.assert_accounted();
}

#[test]
fn sender_without_markers_then_frames_are_whole_at_the_next_one() {
    let mut rx = Receiver::new(long());
    let mut sender = Sender::new(long(), 60);
    for number in 0..10 {
        let mut frame = sender.frame(number);
        frame.last_mut().unwrap()[1] &= 0x7f;
        rx.push(&frame, number * MS);
    }
    rx.assembler.expire(11 * MS, &mut rx.memory);
    assert_eq!(numbers(&rx.memory), (0..10).collect::<Vec<_>>());
    assert_eq!(rx.assembler.stats().lost, 0);
}
