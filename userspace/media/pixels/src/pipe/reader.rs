//! The frames of another program.

use std::io::{self, BufRead as _, BufReader, Read};

use onair_essence::video::Scan;

use super::{PipeFile, PipeFormat, tag};
use crate::export::FrameFile;
use crate::nut::{NutError, NutReader};

/// Longest line of YUV4MPEG2.
const LONGEST_LINE: usize = 4096;

/// Name of y4m's field for the order of fields.
const FIELDS: &str = "field order";
const TOP_FIRST: &str = "t";

/// Why no frame comes.
#[derive(Debug, thiserror::Error)]
pub enum PipedError {
    /// Of NUT.
    #[error(transparent)]
    Nut(#[from] NutError),
    /// The input fails.
    #[error("cannot read the input: {0}")]
    Read(#[source] io::Error),
    /// It ends inside a frame.
    #[error("the input ends in the middle of a frame")]
    Ends,
    /// It is something else.
    #[error("the input is not y4m: give its --format")]
    NotY4m,
    /// Its frames are others than the session's.
    #[error(
        "the input has {what} {have}, and the session {need}: {}",
        advice(what, need)
    )]
    Other {
        /// Which property.
        what: &'static str,
        /// Of the input.
        have: String,
        /// Of the session.
        need: String,
    },
}

fn advice(what: &str, need: &str) -> String {
    match (what, need) {
        ("size", _) => format!("scale it (ffmpeg -s {need})"),
        ("rate", _) => format!("convert it (ffmpeg -r {need})"),
        (FIELDS, TOP_FIRST) => "convert it (ffmpeg -vf fieldorder=tff)".to_owned(),
        (FIELDS, _) => "deinterlace it (ffmpeg -vf yadif)".to_owned(),
        _ => "convert it (ffmpeg -pix_fmt), or give its --layout".to_owned(),
    }
}

impl From<io::Error> for PipedError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Ends,
            _ => Self::Read(error),
        }
    }
}

/// Reads the frames of a session's format.
pub struct PipeReader<R> {
    bytes: usize,
    input: Input<R>,
}

enum Input<R> {
    Nut(Box<NutReader<R>>),
    Y4m(BufReader<R>),
    Raw(R),
}

impl<R: Read> PipeReader<R> {
    /// Reads up to the first frame, and checks what is said of the frames. Raw frames say nothing; NUT says nothing of
    /// fields, and some writers no rate.
    ///
    /// # Errors
    /// [`PipedError`].
    pub fn open(format: &PipeFormat, input: R) -> Result<Self, PipedError> {
        let input = match format.file {
            PipeFile::Nut => {
                let reader = NutReader::open(input)?;
                let video = reader.video();
                check_size(format, (video.width, video.height))?;
                let need = tag(format.pixels).unwrap_or_default();
                if video.tag != need {
                    return Err(PipedError::Other {
                        what: "pixel format",
                        have: video.tag.escape_ascii().to_string(),
                        need: format!("{} ({})", need.escape_ascii(), format.pixels),
                    });
                }
                if let Some((rate, per)) = reader.rate() {
                    let text = format!("{rate}/{per}");
                    check_rate(format, Some((rate.into(), per.into())), &text)?;
                }
                Input::Nut(Box::new(reader))
            }
            PipeFile::Y4m => {
                let mut input = BufReader::new(input);
                check_y4m(format, &line(&mut input)?.ok_or(PipedError::NotY4m)?)?;
                Input::Y4m(input)
            }
            PipeFile::Raw => Input::Raw(input),
        };
        Ok(Self {
            bytes: format.bytes,
            input,
        })
    }

    /// Reads the next frame to `frame`. False: the input has ended, before a frame.
    ///
    /// # Errors
    /// [`PipedError`]. No frame follows.
    pub fn read(&mut self, frame: &mut Vec<u8>) -> Result<bool, PipedError> {
        frame.resize(self.bytes, 0);
        match &mut self.input {
            Input::Nut(reader) => Ok(reader.read(frame)?),
            Input::Y4m(input) => match line(input)? {
                None => Ok(false),
                Some(line) if line.starts_with(b"FRAME") => {
                    input.read_exact(frame)?;
                    Ok(true)
                }
                Some(_) => Err(PipedError::NotY4m),
            },
            Input::Raw(input) => {
                let read = input.by_ref().take(1).read(&mut frame[..1]);
                if read? == 0 {
                    return Ok(false);
                }
                input.read_exact(&mut frame[1..])?;
                Ok(true)
            }
        }
    }
}

/// A line without its end; `None`: the input has ended.
fn line(input: &mut BufReader<impl Read>) -> Result<Option<Vec<u8>>, PipedError> {
    let mut line = Vec::new();
    input
        .take(LONGEST_LINE as u64)
        .read_until(b'\n', &mut line)?;
    match line.pop() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        Some(_) if line.len() + 1 == LONGEST_LINE => Err(PipedError::NotY4m),
        Some(_) => Err(PipedError::Ends),
    }
}

fn check_size(format: &PipeFormat, have: (u32, u32)) -> Result<(), PipedError> {
    let need = (format.video.width(), format.video.height());
    let name = |(width, height)| format!("{width}x{height}");
    check("size", have == need, || (name(have), name(need)))
}

fn check(
    what: &'static str,
    is_same: bool,
    names: impl FnOnce() -> (String, String),
) -> Result<(), PipedError> {
    if is_same {
        return Ok(());
    }
    let (have, need) = names();
    Err(PipedError::Other { what, have, need })
}

/// `have`: frames a second as a fraction, and its text.
fn check_rate(format: &PipeFormat, have: Option<(u64, u64)>, text: &str) -> Result<(), PipedError> {
    let own = format.video.rate();
    let is_same = have.is_some_and(|(rate, per)| {
        let product = |one: u64, other: u32| u128::from(one) * u128::from(other);
        product(rate, own.denominator()) == product(per, own.numerator())
    });
    check("rate", is_same, || (text.to_owned(), own.to_string()))
}

fn check_y4m(format: &PipeFormat, line: &[u8]) -> Result<(), PipedError> {
    let line = std::str::from_utf8(line).map_err(|_| PipedError::NotY4m)?;
    let words = line.strip_prefix("YUV4MPEG2 ").ok_or(PipedError::NotY4m)?;
    let word = |letter: char| words.split(' ').find_map(|it| it.strip_prefix(letter));
    let number = |letter| word(letter).and_then(|it| it.parse::<u32>().ok());
    let (width, height) = (number('W').unwrap_or(0), number('H').unwrap_or(0));
    check_size(format, (width, height))?;
    let rate = word('F').unwrap_or_default();
    let parsed = rate
        .split_once(':')
        .and_then(|(num, den)| Some((num.parse::<u64>().ok()?, den.parse::<u64>().ok()?)));
    check_rate(format, parsed, rate)?;
    let is_interlaced = format.video.scan() == Scan::Interlaced;
    let order = word('I').unwrap_or_default();
    // Progressive frames may be sent as fields.
    let fits = match order {
        TOP_FIRST => is_interlaced,
        "b" | "m" => false,
        _ => true,
    };
    let own = if is_interlaced { TOP_FIRST } else { "p" };
    check(FIELDS, fits, || (order.to_owned(), own.to_owned()))?;
    let header = FrameFile::Y4m.header(&format.video, format.said);
    let header = String::from_utf8_lossy(&header);
    let need = header
        .split_whitespace()
        .find_map(|it| it.strip_prefix('C'))
        .unwrap_or_default();
    let have = word('C').unwrap_or("420");
    // The names of 4:2:0 with 8 bits say where the samples lie.
    let is_same =
        have == need || (need == "420mpeg2" && ["420", "420jpeg", "420paldv"].contains(&have));
    check("pixel format", is_same, || {
        (have.to_owned(), need.to_owned())
    })
}
