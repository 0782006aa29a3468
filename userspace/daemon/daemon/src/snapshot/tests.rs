//! Pictures of packets, beside those of the frames that were sent.

use onair_essence::Format;
use onair_essence::media_time::RtpClock;
use onair_essence::video::{Appearance, Depth, FrameRate, Sampling, Scan, VideoFormat};
use onair_pixels::{Picture, rgb8};
use tokio::sync::mpsc::unbounded_channel;

use self::flow::{FlowSender, PAYLOAD_TYPE, raster};
use super::*;

#[path = "../../../../../tests/src/network/flow.rs"]
#[expect(
    unreachable_pub,
    reason = "the whole-system tests have it in their library"
)]
mod flow;

fn begun(
    format: impl Into<Format>,
    events: &UnboundedSender<RecorderEvent>,
) -> Result<Producer, Problem> {
    let format = format.into();
    let stream = FrameStream {
        clock: RtpClock {
            hz: format.clock_hz(),
            offset: 0,
        },
        format: &format,
        payload_types: PAYLOAD_TYPE.into(),
        timeout_ns: 100_000_000,
    };
    begin(7, &stream, events)
}

fn png_of(format: &VideoFormat, frame: &[u8]) -> Vec<u8> {
    let picture = Picture::of(format, format.height()).unwrap();
    let shown = Shown {
        size: (format.width(), format.height()),
        rgb: rgb8(&picture, Appearance::default(), frame).unwrap(),
        said: Appearance::default(),
        figures: None,
    };
    picture::png(&shown).unwrap()
}

/// Makes a picture of what `send` offers.
fn pictured(
    format: VideoFormat,
    send: impl FnOnce(&mut dyn FnMut(u64, &[u8])),
) -> Result<Vec<u8>, Box<Problem>> {
    let (events, mut inbox) = unbounded_channel();
    let mut producer = begun(format, &events).unwrap();
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
fn packets_from_amid_a_frame_then_the_picture_of_the_next_one() {
    for depth in [8, 10] {
        let format = raster(depth);
        let mut whole = Vec::new();
        let png = pictured(format, |offer| {
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
        assert_eq!(png.unwrap(), png_of(&format, &whole));
    }
}

#[test]
fn packets_that_end_before_a_frame_is_complete_then_no_picture() {
    let format = raster(10);
    let ended = pictured(format, |offer| {
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
        begun(format, &events).unwrap_err()
    };
    let float = of((32, 32), (Sampling::Rgb, Depth::SixteenFloat));
    assert!(float.detail.contains("floating point"), "{float}");
    let large = of((8192, 4320), (Sampling::Rgb, Depth::Twelve));
    assert!(large.detail.contains("more than"), "{large}");
    assert_eq!(large.code, ProblemCode::NoPicture);
    let jpeg_xs = r#"{"jpeg_xs": {"width": 1280, "height": 720, "frame_rate": "25", "depth": 10, "bytes": 60000}}"#;
    for (format, said) in [
        (r#"{"ancillary": {"frame_rate": "25"}}"#, "no picture"),
        (jpeg_xs, "does not decode"),
    ] {
        let format: Format = serde_json::from_str(format).unwrap();
        let refused = begun(format, &events).unwrap_err();
        assert!(refused.detail.contains(said), "{refused}");
        assert_eq!(refused.code, ProblemCode::NoPicture);
    }
}
