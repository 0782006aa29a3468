//! The header of a codestream, up to its component table (ISO/IEC 21122-1, Annex A).

use arrayvec::ArrayVec;
use onair_net::bytes::{array, u16_at};

use super::{Boxes, CAPABILITIES, COMPONENTS, HeaderError, PICTURE, SLICE, START, Structure};

/// Bytes of a picture header behind its marker.
pub(super) const PICTURE_BYTES: usize = 26;
/// Most components of a picture.
const MOST_COMPONENTS: usize = 8;
/// Most segments between the picture header and the component table.
const MOST_SEGMENTS: usize = 8;

/// A component of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Component {
    /// Bits of a sample.
    pub depth: u8,
    /// Pixels of a line that have one sample.
    pub pixels: u8,
    /// Lines that have one.
    pub lines: u8,
}

/// Contents of a unit's headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitHeader {
    /// The boxes before the codestream.
    pub boxes: Boxes,
    /// `Lcod`: bytes of the codestream, from its start to its end; 0: not said.
    pub codestream_bytes: u32,
    /// `Ppih`; 0: unrestricted.
    pub profile: u16,
    /// `Plev`; 0: unrestricted.
    pub level: u16,
    /// Pixels of a line.
    pub width: u16,
    /// Lines.
    pub height: u16,
    /// `Hsl`: heights of a precinct that a slice has.
    pub slice_precincts: u16,
    /// The components.
    pub components: ArrayVec<Component, MOST_COMPONENTS>,
}

impl UnitHeader {
    /// Reads the headers at the start of a unit.
    ///
    /// # Errors
    /// [`HeaderError`].
    pub fn parse(unit: &[u8]) -> Result<Self, HeaderError> {
        let boxes = Boxes::parse(unit)?;
        let mut segments = Segments(&unit[boxes.bytes..]);
        segments.marker(START)?;
        segments.segment(CAPABILITIES)?;
        let picture = segments.segment(PICTURE)?;
        let mut header = Self::picture(boxes, picture)?;
        for _ in 0..MOST_SEGMENTS {
            match segments.next()? {
                (COMPONENTS, table) => {
                    header.table(table, picture[16])?;
                    return Ok(header);
                }
                (SLICE, _) => return Err(HeaderError::Marker(SLICE)),
                _ => {}
            }
        }
        Err(HeaderError::Marker(COMPONENTS))
    }

    /// `picture`: behind the length.
    fn picture(boxes: Boxes, picture: &[u8]) -> Result<Self, HeaderError> {
        if picture.len() != PICTURE_BYTES - 2 {
            return Err(HeaderError::Marker(PICTURE));
        }
        let number = |at| u16_at(picture, at).ok_or(HeaderError::Value);
        let (width, height) = (number(8)?, number(10)?);
        let components = usize::from(picture[16]);
        if width == 0 || height == 0 || !(1..=MOST_COMPONENTS).contains(&components) {
            return Err(HeaderError::Value);
        }
        Ok(Self {
            boxes,
            codestream_bytes: u32::from_be_bytes(array(picture, 0).ok_or(HeaderError::Value)?),
            profile: number(4)?,
            level: number(6)?,
            width,
            height,
            slice_precincts: number(14)?,
            components: ArrayVec::new(),
        })
    }

    fn table(&mut self, table: &[u8], components: u8) -> Result<(), HeaderError> {
        let all = table.chunks_exact(2);
        if table.len() != 2 * usize::from(components) {
            return Err(HeaderError::Marker(COMPONENTS));
        }
        self.components.extend(all.map(|two| Component {
            depth: two[0],
            pixels: two[1] >> 4,
            lines: two[1] & 0x0f,
        }));
        Ok(())
    }

    /// Bytes of the whole unit, if the header says it.
    #[must_use]
    pub fn unit_bytes(&self) -> Option<usize> {
        let bytes = usize::try_from(self.codestream_bytes).ok()?;
        (bytes > 0).then(|| self.boxes.bytes.saturating_add(bytes))
    }

    /// Profile and level of the codestream; what it leaves open is that of its box. 0: unrestricted.
    #[must_use]
    pub fn profile_level(&self) -> (u16, u16) {
        let (profile, level) = self.boxes.profile_level.unwrap_or_default();
        let or = |own: u16, of_box: u16| if own == 0 { of_box } else { own };
        (or(self.profile, profile), or(self.level, level))
    }

    /// Bits of a sample, if all components have as many.
    #[must_use]
    pub fn depth(&self) -> Option<u8> {
        let depth = self.components.first()?.depth;
        let is_same = self.components.iter().all(|it| it.depth == depth);
        is_same.then_some(depth)
    }

    /// How the components are sampled, if in a usual way.
    #[must_use]
    pub fn structure(&self) -> Option<Structure> {
        use Structure::{Full, Half, Quarter, Single};
        let steps = || self.components.iter().map(|it| (it.pixels, it.lines));
        let mut all = [Single, Full, Half, Quarter].into_iter();
        all.find(|it| it.steps().iter().copied().eq(steps()))
    }
}

/// Segments of a codestream, one behind the other.
struct Segments<'a>(&'a [u8]);

impl<'a> Segments<'a> {
    fn marker(&mut self, wanted: u16) -> Result<(), HeaderError> {
        let marker = u16_at(self.0, 0).ok_or(HeaderError::Short)?;
        self.0 = &self.0[2..];
        match marker == wanted {
            true => Ok(()),
            false => Err(HeaderError::Marker(marker)),
        }
    }

    /// Marker and contents of the next one. Its length counts itself.
    fn next(&mut self) -> Result<(u16, &'a [u8]), HeaderError> {
        let marker = u16_at(self.0, 0).ok_or(HeaderError::Short)?;
        let length = u16_at(self.0, 2).ok_or(HeaderError::Short)?;
        let end = 2 + usize::from(length);
        if length < 2 || end > super::HEAD_BYTES {
            return Err(HeaderError::Marker(marker));
        }
        let (segment, rest) = self.0.split_at_checked(end).ok_or(HeaderError::Short)?;
        self.0 = rest;
        Ok((marker, &segment[4..]))
    }

    fn segment(&mut self, wanted: u16) -> Result<&'a [u8], HeaderError> {
        match self.next()? {
            (marker, contents) if marker == wanted => Ok(contents),
            (marker, _) => Err(HeaderError::Marker(marker)),
        }
    }
}
