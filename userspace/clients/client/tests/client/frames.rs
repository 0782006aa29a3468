use std::time::Duration;

use onair::{Error, Field, PixelFormat, Session, Timeout};
use onair_ipc::meta::FrameMeta;
use onair_pixels::Lines;

use crate::fake::{FRAME_BYTES, Fake, HEIGHT, WIDTH};

/// Half a frame time of the fake session in ticks of 90 kHz.
const FIELD: u32 = 750;

/// Loans a buffer full of `byte`, at `fields` half frame times.
fn publish(fake: &Fake, frame: u32, field: Option<Field>, fields: u32, byte: u8) {
    let meta = FrameMeta {
        number: fields.into(),
        rtp_timestamp: fields * FIELD,
        tag: Field::tag(field),
        ..FrameMeta::default()
    };
    let mut world = fake.world();
    let member = &mut world.members[0];
    member.frames.write(frame, 0, &[byte; FRAME_BYTES as usize]);
    member.lender.publish(frame, &meta).unwrap();
}

/// The frame's lines, each by its first byte, over 9s.
fn lines(session: &Session, frame: &onair::Frame<'_>) -> Vec<u8> {
    let picture = session.layout().frame_picture();
    let mut pixels = vec![9; PixelFormat::Uyvy.planes(&picture).bytes];
    frame.unpack(PixelFormat::Uyvy, &mut pixels).unwrap();
    let rows = pixels.chunks_exact(WIDTH as usize * 2);
    rows.map(|row| {
        assert!(row.iter().all(|byte| *byte == row[0]));
        row[0]
    })
    .collect()
}

fn in_turn(first: u8, second: u8) -> Vec<u8> {
    let rows = [first, second].into_iter().cycle();
    rows.take(HEIGHT as usize).collect()
}

#[test]
fn frame_of_two_fields_then_woven_and_both_returned() {
    let (fake, session) = Fake::attached();
    publish(&fake, 0, Some(Field::First), 0, 1);
    publish(&fake, 1, Some(Field::Second), 1, 2);
    let mut frames = session.frames().unwrap();
    let frame = frames.get(Timeout::NOW).unwrap();
    assert!(frame.is_complete() && frame.missing().is_none());
    assert_eq!(frame.buffers().count(), 2);
    assert_eq!(lines(&session, &frame), in_turn(1, 2));
    assert_eq!(session.buffers_held(), 2);
    drop(frame);
    let mut free = fake.reap();
    free.sort_unstable();
    assert_eq!(free, [0, 1]);
}

#[test]
fn frame_whole_then_its_buffer() {
    let (fake, session) = Fake::attached();
    publish(&fake, 0, None, 0, 3);
    let frame = session.frames().unwrap().get(Timeout::NOW).unwrap();
    assert!(frame.is_complete());
    assert_eq!(lines(&session, &frame), in_turn(3, 3));
}

#[test]
fn field_without_the_other_then_said_and_its_lines_untouched() {
    let (fake, session) = Fake::attached();
    publish(&fake, 0, Some(Field::First), 0, 1);
    // The second field of the next frame.
    publish(&fake, 1, Some(Field::Second), 3, 2);
    let mut frames = session.frames().unwrap();
    let frame = frames.get(Timeout::NOW).unwrap();
    assert_eq!(frame.missing(), Some(Field::Second));
    assert!(!frame.is_complete());
    assert_eq!(lines(&session, &frame), in_turn(1, 9));
    let frame = frames.get(Timeout::NOW).unwrap();
    assert_eq!(frame.missing(), Some(Field::First));
    assert_eq!(lines(&session, &frame), in_turn(9, 2));
}

#[test]
fn first_field_alone_at_time_out_or_stop_then_kept_and_returned() {
    let (fake, session) = Fake::attached();
    publish(&fake, 0, Some(Field::First), 0, 1);
    let mut frames = session.frames().unwrap();
    let late = frames.get(Duration::from_millis(5).into());
    assert!(matches!(late, Err(Error::TimedOut)));
    assert_eq!(session.buffers_held(), 1);
    publish(&fake, 1, Some(Field::Second), 1, 2);
    let frame = frames.get(Timeout::NOW).unwrap();
    assert_eq!(lines(&session, &frame), in_turn(1, 2));
    drop(frame);

    publish(&fake, 2, Some(Field::First), 2, 1);
    assert!(matches!(frames.get(Timeout::NOW), Err(Error::TimedOut)));
    // A first field that is kept must not hold up a drain.
    fake.stop();
    assert!(matches!(frames.get(Timeout::NOW), Err(Error::Stopped)));
    assert_eq!(session.buffers_held(), 0);
}

#[test]
fn fields_of_a_frame_packed_then_those_lines() {
    let fake = Fake::sending();
    let session = Session::attach(&fake.path, "test").unwrap();
    fake.publish(0, 0);
    fake.publish(1, 0);
    let picture = session.layout().frame_picture();
    let pixels: Vec<u8> = (0..HEIGHT)
        .flat_map(|row| [u8::try_from(row).unwrap(); WIDTH as usize * 2])
        .collect();
    for (field, first) in [(Field::First, 0), (Field::Second, 1)] {
        let mut buffer = session.buffer_get_mut(Timeout::NOW).unwrap();
        buffer.fill(99);
        buffer
            .pack_field(PixelFormat::Uyvy, field, &pixels)
            .unwrap();
        let lines = if first == 0 {
            Lines::First
        } else {
            Lines::Second
        };
        let bytes = picture.bytes_of(lines);
        let rows = buffer[..bytes].chunks_exact(WIDTH as usize * 2);
        let rows: Vec<u8> = rows.map(|row| row[0]).collect();
        let expected: Vec<u8> = (first..u8::try_from(HEIGHT).unwrap()).step_by(2).collect();
        assert_eq!(rows, expected);
        assert!(buffer[bytes..].iter().all(|byte| *byte == 99));
    }
}
