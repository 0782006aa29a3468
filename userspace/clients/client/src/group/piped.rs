//! A group as one stream of bytes for other programs.

use onair_essence::audio::wav;
use onair_pixels::pipe::{NotPiped, PipeFile, PipeFormat, ProgrammeWriter};

use super::{Group, Unit};
use crate::layout::Pictured as _;
use crate::{Contents, ConvertError, Pair, Pairing, PixelFormat};

/// Why a group is not written so.
#[derive(Debug, thiserror::Error)]
pub enum NotProgramme {
    /// It has no video, or more than one, or JPEG XS.
    #[error(
        "group {group} has {pictures} members with pictures, and a stream has one, not of JPEG XS: pipe each member by itself"
    )]
    Pictures {
        /// The group.
        group: String,
        /// How many.
        pictures: usize,
    },
    /// The frames.
    #[error(transparent)]
    Frames(#[from] NotPiped),
}

/// Why a unit is not written.
#[derive(Debug, thiserror::Error)]
pub enum NotWritten {
    /// Its member came back with other contents.
    #[error("member {0} came back with another format: begin anew")]
    Changed(String),
    /// The pixels do not fit.
    #[error(transparent)]
    Pixels(#[from] ConvertError),
}

/// Writes the picture and the sounds of a group as one stream of NUT, with times of TAI; a unit whose sender does not
/// follow TAI has the time when it came. ANC data is left out.
///
/// ```no_run
/// use std::io::Write as _;
///
/// use onair::{Client, GroupWriter, Step, Timeout};
///
/// let mut programme = Client::from_env().attach_group("programme")?;
/// let mut writer = GroupWriter::new(&programme, None)?;
/// let mut out = std::io::stdout().lock();
/// out.write_all(&writer.header())?;
/// let mut bytes = Vec::new();
/// loop {
///     if let Step::Unit(unit) | Step::Resumed(_, unit) = programme.next(Timeout::NEVER)? {
///         writer.write(unit, &mut bytes)?;
///         out.write_all(&bytes)?;
///     }
/// }
/// # #[allow(unreachable_code)]
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct GroupWriter {
    format: PipeFormat,
    writer: ProgrammeWriter,
    /// Of each member: the number of its stream.
    streams: Vec<(Contents, Option<u8>)>,
    fields: Pairing<Unit>,
    timeline: Timeline,
}

/// The times of a stream: on the monotonic clock of the host, which arrivals have.
#[derive(Debug, Default)]
struct Timeline {
    /// How far TAI is ahead of that, by the first unit with a time.
    ahead_ns: Option<u64>,
}

impl Timeline {
    /// The time of a unit that came at `came_ns`, with its time of TAI if its sender follows that.
    fn of(&mut self, media_time_ns: Option<u64>, came_ns: u64) -> u64 {
        let Some(media_ns) = media_time_ns else {
            return came_ns;
        };
        let ahead_ns = self
            .ahead_ns
            .get_or_insert(media_ns.saturating_sub(came_ns));
        media_ns.saturating_sub(*ahead_ns)
    }

    fn of_unit(&mut self, unit: &Unit) -> u64 {
        self.of(unit.media_time_ns(), unit.first_packet_ns())
    }
}

impl GroupWriter {
    /// Of this group from now on; its frames in the pixel format `wanted`, or in one that ffmpeg reads.
    ///
    /// # Errors
    /// [`NotProgramme`].
    pub fn new(group: &Group, wanted: Option<PixelFormat>) -> Result<Self, NotProgramme> {
        let contents = group.members().iter().map(|it| it.contents().clone());
        let contents: Vec<_> = contents.collect();
        let pictures = contents.iter().filter_map(|it| match it {
            Contents::JpegXs(_) => Some(None),
            other => other.pictures().map(|layout| Some(*layout)),
        });
        let pictures: Vec<_> = pictures.collect();
        let [Some(layout)] = pictures[..] else {
            return Err(NotProgramme::Pictures {
                group: group.name().to_owned(),
                pictures: pictures.len(),
            });
        };
        let format = layout.piped(PipeFile::Nut, wanted)?;
        let mut sounds = Vec::new();
        let streams = contents.into_iter().map(|contents| {
            let stream = match &contents {
                Contents::Audio(format) => {
                    sounds.push(format.clone());
                    u8::try_from(sounds.len()).ok()
                }
                other => other.pictures().map(|_| 0),
            };
            (contents, stream)
        });
        let streams = streams.collect();
        Ok(Self {
            format,
            writer: ProgrammeWriter::new(&format, &sounds),
            streams,
            fields: Pairing::of(&layout),
            timeline: Timeline::default(),
        })
    }

    /// How its frames are written.
    #[must_use]
    pub const fn format(&self) -> &PipeFormat {
        &self.format
    }

    /// Whether this unit is of the picture.
    #[must_use]
    pub fn is_picture(&self, unit: &Unit) -> bool {
        unit.contents().pictures().is_some()
    }

    /// Bytes before the first unit.
    #[must_use]
    pub fn header(&self) -> Vec<u8> {
        self.writer.header()
    }

    /// Replaces `out` by the unit and what precedes it. `out` is empty after a first field, whose frame is not whole, a unit
    /// of ANC data, and one that is earlier than what was written. Lines of a field that did not come are those that `out`
    /// had, or zero.
    ///
    /// # Errors
    /// [`NotWritten`]; `out` is empty.
    pub fn write(&mut self, unit: Unit, out: &mut Vec<u8>) -> Result<(), NotWritten> {
        let written = self.write_unit(unit, out);
        if !matches!(written, Ok(true)) {
            out.clear();
        }
        written.map(drop)
    }

    fn write_unit(&mut self, unit: Unit, out: &mut Vec<u8>) -> Result<bool, NotWritten> {
        let name = || unit.session().name().to_owned();
        let (contents, stream) = &self.streams[unit.member()];
        if !contents.has_same_bytes(unit.contents()) {
            return Err(NotWritten::Changed(name()));
        }
        let Some(stream) = *stream else {
            return Ok(false);
        };
        if let Contents::Audio(format) = contents {
            let (mut samples, time) = (Vec::new(), self.timeline.of_unit(&unit));
            wav::append(format, &unit, &mut samples);
            let Some(start) = self.writer.begin(stream, time, samples.len()) else {
                return Ok(false);
            };
            *out = start;
            out.append(&mut samples);
            return Ok(true);
        }
        let (first, second) = match unit.field() {
            None => (unit, None),
            Some(field) => {
                let ticks = unit.rtp_timestamp();
                let pair = self.fields.push(field, ticks, unit);
                // It would be a frame of one field, which has no place behind the frame of this one.
                drop(self.fields.take_waiting());
                match pair {
                    None => return Ok(false),
                    Some(Pair::Both(first, second)) => (first, Some(second)),
                    Some(Pair::First(field) | Pair::Second(field)) => (field, None),
                }
            }
        };
        let (bytes, time) = (self.format.frame_bytes(), self.timeline.of_unit(&first));
        let start = self.writer.begin(stream, time, bytes);
        let Some(start) = start else {
            return Ok(false);
        };
        out.resize(start.len() + bytes, 0);
        let (before, pixels) = out.split_at_mut(start.len());
        before.copy_from_slice(&start);
        for unit in [Some(first), second].into_iter().flatten() {
            unit.unpack_lines(self.format.pixels(), pixels)?;
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_without_a_time_then_placed_by_its_arrival() {
        const TAI_NS: u64 = 1_790_000_000_000_000_000;
        let mut timeline = Timeline::default();
        assert_eq!(timeline.of(None, 4_980), 4_980);
        assert_eq!(timeline.of(Some(TAI_NS), 5_000), 5_000);
        // Its network was slower: the time counts.
        assert_eq!(timeline.of(Some(TAI_NS + 20), 5_023), 5_020);
        assert_eq!(timeline.of(None, 5_021), 5_021);
        assert_eq!(timeline.of(Some(7), 5_040), 0);
    }
}
