//! The boxes before a codestream: video support and colour specification (ISO/IEC 21122-3, Annex A).

use onair_net::bytes::{array, u16_at};

use super::{HeaderError, START, Structure};

/// Bytes of a box before its contents: its length and its type.
pub(super) const BOX_BYTES: usize = 8;
/// Most boxes before a codestream, and in another.
const MOST_BOXES: usize = 8;

pub(super) const VIDEO_SUPPORT: [u8; 4] = *b"jpvs";
pub(super) const VIDEO_INFORMATION: [u8; 4] = *b"jpvi";
pub(super) const PROFILE_LEVEL: [u8; 4] = *b"jxpl";
pub(super) const COLOUR: [u8; 4] = *b"colr";

/// The boxes' facts about the samples of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BoxSamples {
    /// Bits of a sample.
    pub depth: u8,
    /// Number of the structure of the components.
    pub structure: u8,
}

impl BoxSamples {
    /// Whether it says that samples have so many bits and this structure.
    #[must_use]
    pub fn is(self, depth: u8, structure: Structure) -> bool {
        let number = structure.number();
        self.depth == depth && number.is_none_or(|it| it == self.structure)
    }
}

/// Contents of a unit's boxes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Boxes {
    /// Bytes of all boxes.
    pub bytes: usize,
    /// Frames or fields a second: numerator and denominator.
    pub rate: Option<(u32, u32)>,
    /// Samples of the picture.
    pub samples: Option<BoxSamples>,
    /// Profile and level, as in the codestream's header; 0: unrestricted.
    pub profile_level: Option<(u16, u16)>,
    /// Colour primaries, transfer and matrix (ITU-T H.273).
    pub colour: Option<[u16; 3]>,
}

/// Type, contents, and what is behind a box.
type Split<'a> = ([u8; 4], &'a [u8], &'a [u8]);

fn split(bytes: &[u8]) -> Result<Split<'_>, HeaderError> {
    let length = u32::from_be_bytes(array(bytes, 0).ok_or(HeaderError::Short)?);
    let kind = array(bytes, 4).ok_or(HeaderError::Short)?;
    let length = usize::try_from(length).map_err(|_| HeaderError::Box)?;
    if !(BOX_BYTES..=super::HEAD_BYTES).contains(&length) {
        return Err(HeaderError::Box);
    }
    let (whole, rest) = bytes.split_at_checked(length).ok_or(HeaderError::Short)?;
    Ok((kind, &whole[BOX_BYTES..], rest))
}

impl Boxes {
    /// Reads the boxes at the start of a unit, up to its codestream. There may be none.
    ///
    /// # Errors
    /// [`HeaderError`].
    pub(super) fn parse(unit: &[u8]) -> Result<Self, HeaderError> {
        let mut boxes = Self::default();
        let mut rest = unit;
        for _ in 0..=MOST_BOXES {
            if u16_at(rest, 0).ok_or(HeaderError::Short)? == START {
                boxes.bytes = unit.len() - rest.len();
                return Ok(boxes);
            }
            let (kind, contents, behind) = split(rest)?;
            rest = behind;
            match kind {
                VIDEO_SUPPORT => boxes.video_support(contents)?,
                COLOUR => boxes.colour(contents),
                _ => {}
            }
        }
        Err(HeaderError::Box)
    }

    fn video_support(&mut self, contents: &[u8]) -> Result<(), HeaderError> {
        let mut rest = contents;
        for _ in 0..MOST_BOXES {
            if rest.is_empty() {
                return Ok(());
            }
            // All of them are there.
            let (kind, contents, behind) = split(rest).map_err(|_| HeaderError::Box)?;
            rest = behind;
            match kind {
                VIDEO_INFORMATION => self.information(contents).ok_or(HeaderError::Box)?,
                PROFILE_LEVEL => {
                    let profile = u16_at(contents, 0).zip(u16_at(contents, 2));
                    self.profile_level = Some(profile.ok_or(HeaderError::Box)?);
                }
                _ => {}
            }
        }
        Err(HeaderError::Box)
    }

    /// Bit rate, frame rate, samples, time code.
    fn information(&mut self, contents: &[u8]) -> Option<()> {
        // Two bits of the scan, the code of the denominator, a byte of nothing, the numerator.
        let [first, _, a, b]: [u8; 4] = array(contents, 4)?;
        let denominator = first & 0x3f;
        let numerator = u32::from(u16::from_be_bytes([a, b]));
        self.rate = match (numerator, denominator) {
            (0, _) => None,
            (numerator, 1) => Some((numerator, 1)),
            (numerator, 2) => Some((numerator * 1000, 1001)),
            _ => None,
        };
        let samples = u16_at(contents, 8)?;
        let [_, low] = samples.to_be_bytes();
        self.samples = (samples & 0x8000 != 0).then_some(BoxSamples {
            depth: (low >> 4) + 1,
            structure: low & 0x0f,
        });
        contents.get(10..14).map(|_| ())
    }

    /// Only that of enumerated values is read.
    fn colour(&mut self, contents: &[u8]) {
        if let [5, _, _, a, b, c, d, e, f, ..] = *contents {
            let values = [[a, b], [c, d], [e, f]];
            self.colour = Some(values.map(u16::from_be_bytes));
        }
    }
}
