//! Pictures of packets, beside those of the frames that were sent.

use onair_essence::video::assembly::{FrameReport, MissingRange, Sink as _};
use onair_essence::video::{Depth, FrameRate, Sampling, Scan, VideoFormat};
use tokio::sync::mpsc::unbounded_channel;

use self::flow::{FlowSender, assembler, raster};
use super::frame::Frames;
use super::*;

#[path = "../../../../tests/src/network/flow.rs"]
#[expect(
    unreachable_pub,
    reason = "the whole-system tests have it in their library"
)]
mod flow;

/// Makes a picture of what `send` offers.
fn pictured(
    config: AssemblerConfig,
    send: impl FnOnce(&mut dyn FnMut(u64, &[u8])),
) -> Result<Vec<u8>, Box<Problem>> {
    let (events, mut inbox) = unbounded_channel();
    let mut producer = begin(7, config, &events).unwrap();
    send(&mut |at, packet| {
        let size = u32::try_from(packet.len()).unwrap();
        // It refuses packets once the frame is complete.
        let _ = producer.offer(at, size, packet);
    });
    drop(producer);
    match inbox.blocking_recv() {
        Some(RecorderEvent::Pictured {
            snapshot: 7,
            result,
        }) => result,
        other => panic!("{other:?}"),
    }
}

#[test]
fn packets_from_amid_a_frame_on_then_the_picture_of_the_next_one() {
    for depth in [8, 10] {
        let format = raster(depth);
        let mut whole = Vec::new();
        let png = pictured(assembler(format), |offer| {
            let mut sender = FlowSender::new(format);
            let (mut packets, before) = (0, sender.packets());
            sender.frame(|at, packet| {
                packets += 1;
                if packets > before / 2 {
                    offer(at, packet);
                }
            });
            // Packets that are none of the flow.
            offer(1, &[0; 60]);
            offer(1, &[]);
            whole = sender.frame(&mut *offer);
            sender.frame(&mut *offer);
        });
        assert_eq!(png.unwrap(), picture::png(&format, &whole).unwrap());
    }
}

#[test]
fn packets_that_end_before_a_frame_is_complete_then_no_picture() {
    let format = raster(10);
    let ended = pictured(assembler(format), |offer| {
        let mut packets = 0;
        FlowSender::new(format).frame(|at, packet| {
            packets += 1;
            if packets != 2 {
                offer(at, packet);
            }
        });
    });
    let problem = ended.unwrap_err();
    assert_eq!(problem.code, ProblemCode::NoPicture, "{problem}");
    assert!(problem.detail.contains("ended"), "{problem}");
}

#[test]
fn frames_that_cannot_be_shown_then_refused_before_any_thread() {
    let (events, _) = unbounded_channel();
    let of = |size, samples| {
        let rate = FrameRate::new(25, 1).unwrap();
        let format = VideoFormat::of(size, samples, Scan::Progressive, rate).unwrap();
        begin(7, assembler(format), &events).unwrap_err()
    };
    let float = of((32, 32), (Sampling::Rgb, Depth::SixteenFloat));
    assert!(float.detail.contains("floating point"), "{float}");
    let large = of((8192, 4320), (Sampling::Rgb, Depth::Twelve));
    assert!(large.detail.contains("more than"), "{large}");
    assert_eq!(large.code, ProblemCode::NoPicture);
}

#[test]
fn fields_of_different_frames_then_no_frame_until_two_of_one_come() {
    let rate = FrameRate::new(25, 1).unwrap();
    let samples = (Sampling::YCbCr422, Depth::Eight);
    let format = VideoFormat::of((2, 4), samples, Scan::Interlaced, rate).unwrap();
    let mut frames = Frames::new(format);
    let mut finish = |ticks: u32, second_field, byte| {
        let slot = frames.open(ticks).expect("memory for each field");
        frames.write(slot, 0, &[byte; 8]);
        frames.finish(slot, &report(ticks, second_field));
        frames.whole.clone()
    };
    assert_eq!(finish(0, true, 1), None);
    assert_eq!(finish(1_800, false, 2), None);
    // The second field of that frame was lost, and the next first one.
    assert_eq!(finish(1_800 + 3 * 1_800, true, 3), None);
    assert_eq!(finish(20_000, false, 4), None);
    assert_eq!(finish(23_600, false, 5), None);
    let lines = [[5; 4], [6; 4], [5; 4], [6; 4]].concat();
    assert_eq!(finish(25_400, true, 6), Some(lines));
}

fn report(rtp_timestamp: u32, second_field: bool) -> FrameReport {
    FrameReport {
        rtp_timestamp,
        complete: true,
        bytes_missing: 0,
        listed: [MissingRange::default(); onair_essence::video::assembly::LISTED_RANGES],
        listed_count: 0,
        packets_received: 1,
        packets_lost: 0,
        duplicates: 0,
        first_packet_ns: 0,
        last_packet_ns: 0,
        marker_seen: true,
        wrong_format: false,
        second_field,
    }
}
