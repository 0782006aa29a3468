//! Input of an export: the packet files, and the manifest that describes them.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use onair_api::SessionSpec;
use onair_essence::media_time::RtpClock;
use onair_essence::rtp::PayloadTypes;
use onair_pixels::FrameStream;
use onair_pixels::export::Destinations;
use onair_record::{FileReport, Manifest, Stage};
use onair_sdp::{Media, SessionDescription};

use super::Export;
use super::exporter::Exporter;
use crate::failure::export::ExportError;

/// Names that are listed when a folder has several manifests.
const LISTED: usize = 10;

/// Input of an export.
pub(super) struct Input {
    /// Name of the recording, or of the file without its extension.
    pub(super) name: String,
    /// Packet files, in order.
    pub(super) files: Vec<PathBuf>,
    /// Packets that the recorder could not keep.
    pub(super) missing: u64,
    /// Which packets.
    pub(super) part: ExportRange,
    pub(super) exporter: Exporter,
}

impl Input {
    pub(super) fn find(arguments: &Export) -> Result<Self, ExportError> {
        let path = &arguments.recording;
        let is_manifest = path.extension().is_some_and(|it| it == "json");
        if is_manifest || path.is_dir() {
            let path = match is_manifest {
                true => path.clone(),
                false => only_manifest(path)?,
            };
            let manifest = read(&path)?;
            let folder = path.parent().unwrap_or(Path::new(""));
            let start_ns = manifest.started_at.unix_ns();
            let part = ExportRange::new(Some(start_ns), arguments.from, arguments.length);
            let is_wanted = |it: &&FileReport| {
                it.last_at
                    .is_none_or(|last| !part.is_before(last.unix_ns()))
            };
            let files = manifest.files.iter().filter(is_wanted);
            let files = files.map(|it| folder.join(&it.name));
            return Ok(Self {
                files: files.collect(),
                missing: manifest.totals.missing(),
                part: part.clone(),
                exporter: exporter(arguments, || Ok(manifest.clone()))?,
                name: manifest.name.to_string(),
            });
        }
        let name = path.file_stem().unwrap_or(path.as_os_str());
        Ok(Self {
            name: name.to_string_lossy().into_owned(),
            exporter: exporter(arguments, || manifest_beside(path))?,
            missing: 0,
            part: ExportRange::new(None, arguments.from, arguments.length),
            files: vec![path.clone()],
        })
    }
}

/// The exporter of the stream that the session description describes; else of the session in the manifest.
fn exporter(
    arguments: &Export,
    manifest: impl FnOnce() -> Result<Manifest, ExportError>,
) -> Result<Exporter, ExportError> {
    if let Some(path) = &arguments.sdp {
        let (media, second) = described(path, arguments.flow)?;
        let destination = destination(&media);
        let format = media
            .format()
            .map_err(|error| ExportError::Stream { destination, error })?;
        let stream = FrameStream {
            payload_types: PayloadTypes {
                first: media.payload_type,
                second: second.map_or(media.payload_type, |it| it.1),
            },
            clock: RtpClock {
                hz: format.clock_hz(),
                offset: media.clock_offset(),
            },
            timeout_ns: format.default_timeout_ns(),
            format: &format,
        };
        let to = Destinations {
            first: Some(destination),
            second: second.map(|it| it.0).filter(|it| *it != destination),
        };
        return Exporter::new(&stream, to, (arguments.format, arguments.width));
    }
    let manifest = manifest()?;
    let name = manifest.name.to_string();
    let session = manifest.session;
    let session = session.ok_or_else(|| ExportError::NoFormat(name.clone()))?;
    let spec: SessionSpec = serde_json::from_value(session.spec)
        .map_err(|error| ExportError::Format { name, error })?;
    let stream = FrameStream {
        format: &spec.format,
        payload_types: spec.flow.payload_types(),
        clock: spec.rtp_clock(),
        timeout_ns: spec.frame_timeout_ns(),
    };
    let second = spec.flow.second.as_ref().map(|it| it.destination);
    let to = Destinations {
        // A change of the destination is recorded, too.
        first: None,
        second: second.filter(|it| *it != spec.flow.destination),
    };
    Exporter::new(&stream, to, (arguments.format, arguments.width))
}

fn destination(media: &Media) -> SocketAddr {
    SocketAddr::new(media.destination, media.port)
}

/// The stream of a session description: that with a leg to `flow`, or the only one, with destination and payload type of
/// its second leg.
fn described(
    path: &Path,
    flow: Option<SocketAddr>,
) -> Result<(Media, Option<(SocketAddr, u8)>), ExportError> {
    let bytes = fs::read(path).map_err(|error| unread(path, error))?;
    let description = SessionDescription::read(&bytes).map_err(|error| {
        let path = path.to_owned();
        ExportError::Sdp { path, error }
    })?;
    let path = path.to_owned();
    let of_leg = |it: &Media| (destination(it), it.payload_type);
    match flow {
        Some(flow) => {
            let is_to = |it: &&Media| destination(it) == flow;
            let streams = description.streams().unwrap_or_default();
            let mut streams = streams.iter().flatten();
            let legs = streams.find(|it| is_to(&it.media) || it.second.as_ref().is_some_and(is_to));
            if let Some(stream) = legs {
                let second = stream.second.map(of_leg);
                return Ok((stream.media.clone(), second));
            }
            // One that has no rate, say: the error names it.
            let found = description.media.iter().find(is_to).cloned();
            let found = found.ok_or(ExportError::NoStream { path, flow })?;
            Ok((found, None))
        }
        None => match description.chosen(None) {
            Ok(chosen) => {
                let second = chosen.second.map(of_leg);
                Ok((chosen.media.clone(), second))
            }
            Err(error) => Err(ExportError::NoneChosen { path, error }),
        },
    }
}

fn unread(path: &Path, error: std::io::Error) -> ExportError {
    let path = path.to_owned();
    ExportError::Read { path, error }
}

/// The manifest in `folder`, if there is one only.
fn only_manifest(folder: &Path) -> Result<PathBuf, ExportError> {
    let entries = fs::read_dir(folder).map_err(|error| unread(folder, error))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| unread(folder, error))?.path();
        if path.extension().is_some_and(|it| it == "json") {
            found.push(path);
        }
    }
    found.sort();
    match &found[..] {
        [] => Err(ExportError::EmptyFolder(folder.to_owned())),
        [one] => Ok(one.clone()),
        several => {
            let names = several.iter().filter_map(|it| it.file_name());
            let names = names.map(|it| it.to_string_lossy().into_owned());
            Err(ExportError::Several {
                folder: folder.to_owned(),
                names: names.take(LISTED).collect(),
            })
        }
    }
}

/// The manifest of the recording that `file` belongs to.
fn manifest_beside(file: &Path) -> Result<Manifest, ExportError> {
    let whole = file.with_extension("json");
    if whole.is_file() {
        return read(&whole);
    }
    // A part's name ends in its number; another recording's name may end like that, too.
    let of_part = file.with_extension("").with_extension("json");
    let name = file.file_name().unwrap_or(file.as_os_str());
    if of_part.is_file() {
        let manifest = read(&of_part)?;
        if manifest.files.iter().any(|it| name == it.name.as_str()) {
            return Ok(manifest);
        }
    }
    Err(ExportError::NoManifest(file.to_owned()))
}

fn read(path: &Path) -> Result<Manifest, ExportError> {
    let text = fs::read(path).map_err(|error| unread(path, error))?;
    let manifest: Manifest = serde_json::from_slice(&text).map_err(|error| {
        let path = path.to_owned();
        ExportError::Manifest { path, error }
    })?;
    if manifest.stage == Stage::Recording {
        return Err(ExportError::Running(manifest.name.to_string()));
    }
    Ok(manifest)
}

/// Where a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RangePosition {
    Before,
    Within,
    After,
}

/// Times of packets, in nanoseconds since 1970.
#[derive(Clone, Debug)]
pub(super) struct ExportRange {
    /// The time that `from_ns` counts from; `None`: the first packet.
    start_ns: Option<u64>,
    from_ns: u64,
    length_ns: Option<u64>,
}

impl ExportRange {
    pub(super) fn new(
        start_ns: Option<u64>,
        from: Option<Duration>,
        length: Option<Duration>,
    ) -> Self {
        let ns = |it: Duration| u64::try_from(it.as_nanos()).unwrap_or(u64::MAX);
        Self {
            start_ns,
            from_ns: from.map_or(0, ns),
            length_ns: length.map(ns),
        }
    }

    /// Whether nothing up to this time is within it.
    pub(super) fn is_before(&self, at_ns: u64) -> bool {
        let start = self.start_ns.unwrap_or(at_ns);
        self.from_ns > 0 && at_ns < start.saturating_add(self.from_ns)
    }

    /// The place of a packet; packets come in the order of the file.
    pub(super) fn of(&mut self, at_ns: u64) -> RangePosition {
        self.start_ns.get_or_insert(at_ns);
        if self.is_before(at_ns) {
            return RangePosition::Before;
        }
        let from = self.start_ns.unwrap_or(at_ns).saturating_add(self.from_ns);
        let is_after = |length: u64| at_ns >= from.saturating_add(length);
        match self.length_ns.is_some_and(is_after) {
            true => RangePosition::After,
            false => RangePosition::Within,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_of_a_capture_then_packets_of_its_times() {
        let seconds = |it| Some(Duration::from_secs(it));
        let second = 1_000_000_000;
        let mut all = ExportRange::new(None, None, None);
        assert_eq!(
            [5, 3, u64::MAX].map(|it| all.of(it)),
            [RangePosition::Within; 3]
        );
        // From the first packet, or from the given start.
        for (start, first) in [(None, 7 * second), (Some(7 * second), 8 * second)] {
            let mut part = ExportRange::new(start, seconds(2), seconds(1));
            let places = [
                first,
                9 * second - 1,
                9 * second,
                10 * second - 1,
                10 * second,
            ];
            assert_eq!(
                places.map(|it| part.of(it)),
                [
                    RangePosition::Before,
                    RangePosition::Before,
                    RangePosition::Within,
                    RangePosition::Within,
                    RangePosition::After
                ]
            );
        }
    }
}
