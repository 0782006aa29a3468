use std::io::Read as _;

use onair_essence::video::Appearance;
use proptest::prelude::*;

use super::*;

const VIDEO: NutVideo = NutVideo {
    width: 6,
    height: 2,
    tag: *b"UYVY",
};
const FRAME: usize = 24;

/// Frames as a file, and where each packet of it begins.
fn file(frames: &[[u8; FRAME]]) -> Vec<u8> {
    let writer = NutWriter::new(VIDEO, (30_000, 1001), Appearance::default());
    let mut out = writer.header();
    for (at, frame) in frames.iter().enumerate() {
        out.extend(writer.frame(at as u64, frame.len()));
        out.extend_from_slice(frame);
    }
    out
}

fn read(input: &[u8]) -> Result<Vec<[u8; FRAME]>, NutError> {
    let mut reader = NutReader::open(input)?;
    assert_eq!(reader.video().tag.len(), 4);
    let (mut all, mut frame) = (Vec::new(), [0; FRAME]);
    while reader.read(&mut frame)? {
        all.push(frame);
    }
    Ok(all)
}

/// The start of a file, and its one packet of a kind.
fn with_main(body: &[u64]) -> Vec<u8> {
    let mut numbers = Vec::new();
    body.iter().for_each(|it| code::put(&mut numbers, *it));
    let mut out = FILE_ID.to_vec();
    out.extend(start::MAIN.to_be_bytes());
    code::put(&mut out, numbers.len() as u64 + 4);
    out.extend(&numbers);
    out.extend(code::checksum(&numbers).to_be_bytes());
    out
}

#[test]
fn other_inputs_then_said_what_they_are() {
    let said = |input: &[u8]| read(input).unwrap_err().to_string();
    assert!(said(b"").contains("is not NUT"));
    assert!(said(b"YUV4MPEG2 W16 H4 F25:1 Ip A1:1 C422\n").contains("is not NUT"));
    assert!(said(&with_main(&[4, 1])).contains("version 4"));
    assert!(said(&with_main(&[3, 65, 1])).contains("number of streams"));
    assert!(said(&with_main(&[3, 1, 9, u64::MAX])).contains("main header"));
    assert!(said(&with_main(&[3, 1, 9, 0, 0, 6, 0, 1, 0, 0, 0, 257])).contains("table"));
    let mut long = FILE_ID.to_vec();
    long.extend(start::MAIN.to_be_bytes());
    long.extend([0xff, 0xff, 0xff, 0x7f]);
    assert!(said(&long).contains("ends"));
    // Its frames are larger.
    let larger = file(&[[1; FRAME]]);
    let mut reader = NutReader::open(&larger[..]).unwrap();
    let said = reader.read(&mut [0; 20]).unwrap_err().to_string();
    assert_eq!(said, "a frame of the input has 24 bytes, and 20 are needed");
}

proptest! {
    #[test]
    fn frames_written_then_read(frames in prop::collection::vec(any::<[u8; FRAME]>(), 0..5)) {
        prop_assert_eq!(read(&file(&frames)).unwrap(), frames);
    }

    #[test]
    fn file_cut_anywhere_then_whole_frames_and_the_end(count in 1usize..4, cut: prop::sample::Index) {
        let frames = vec![[7; FRAME]; count];
        let whole = file(&frames);
        let cut = cut.index(whole.len());
        let mut reader = match NutReader::open(&whole[..cut]) {
            Ok(reader) => reader,
            Err(NutError::NotNut | NutError::Ends) => return Ok(()),
            Err(other) => panic!("{other}"),
        };
        let mut frame = [0; FRAME];
        let end = std::iter::repeat_with(|| reader.read(&mut frame)).take(5).find(|it| !matches!(it, Ok(true)));
        prop_assert!(matches!(end, Some(Ok(false) | Err(NutError::Ends))));
    }

    #[test]
    fn damaged_file_then_an_end_in_time_and_no_foreign_frame(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = file(&[[7; FRAME]; 3]);
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(frames) = read(&bytes) {
            prop_assert!(frames.len() <= 3);
        }
    }

    #[test]
    fn any_bytes_behind_the_file_id_then_no_panic(rest in prop::collection::vec(any::<u8>(), 0..400)) {
        let bytes = [&FILE_ID[..], &rest].concat();
        drop(read(&bytes));
        // With a valid start.
        let bytes = [&file(&[])[..], &rest].concat();
        drop(read(&bytes));
    }

    #[test]
    fn main_header_of_any_numbers_then_no_panic(numbers in prop::collection::vec(0u64..300, 0..60)) {
        drop(read(&with_main(&numbers)));
        drop(read(&with_main(&[&[3, 1, 9, 0][..], &numbers].concat())));
    }
}

#[test]
fn skipped_packets_of_any_length_then_no_memory_is_taken() {
    let mut bytes = file(&[]);
    bytes.extend(start::INDEX.to_be_bytes());
    let from = bytes.len() - 8;
    code::put(&mut bytes, u64::MAX >> 1);
    let sum = code::checksum(&bytes[from..]);
    bytes.extend(sum.to_be_bytes());
    let endless = io::repeat(1).take(1 << 20);
    let mut reader = NutReader::open(bytes.chain(endless)).unwrap();
    assert!(matches!(reader.read(&mut [0; FRAME]), Err(NutError::Ends)));
}
