//! Frames of a capture file, one after the other. Any bytes may be in it.
//!
//! The content of a frame does not belong here.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use indicatif::ProgressBar;
use onair_essence::survey::Link;
use pcap_parser::traits::{PcapNGPacketBlock as _, PcapReaderIterator};
use pcap_parser::{Block, PcapBlockOwned, PcapError, create_reader};

/// Bytes of the reading buffer.
const BUFFER_BYTES: usize = 1 << 20;
/// Largest record: what is larger is damage.
const MAX_RECORD_BYTES: usize = 16 << 20;
/// Interfaces of a pcapng section.
const MAX_INTERFACES: usize = 4096;
const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// A capture file cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CaptureError {
    #[error("cannot read {}: {error}", path.display())]
    Read { path: PathBuf, error: io::Error },
    #[error("{} is not a regular file: give a capture file", path.display())]
    NoFile { path: PathBuf },
    #[error("{}: {what}", path.display())]
    Format { path: PathBuf, what: &'static str },
}

/// An Ethernet frame or an IP packet of a capture.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    /// Nanoseconds since the epoch of the capturing machine's clock.
    pub(crate) at_ns: u64,
    pub(crate) link: Link,
    pub(crate) bytes: &'a [u8],
}

/// A capture file.
#[derive(Debug)]
pub(crate) struct CaptureFile {
    path: PathBuf,
    bytes: u64,
}

/// Contents of a file.
#[derive(Debug, Default)]
pub(crate) struct Read {
    /// `pcap` or `pcapng`.
    pub(crate) format: &'static str,
    pub(crate) frames: u64,
    /// Frames of which only the start was captured.
    pub(crate) cut: u64,
    /// Frames without a time.
    pub(crate) timeless: u64,
    pub(crate) unknown_link: u64,
    pub(crate) links: Vec<i32>,
    pub(crate) resolutions: Vec<String>,
    /// Why the file was not read to its end, and where reading ended.
    pub(crate) damage: Option<String>,
}

impl Read {
    /// Of a file of which only so many frames were read.
    pub(crate) fn of(frames: u64) -> Self {
        Self {
            frames,
            ..Self::default()
        }
    }
}

/// How an interface of pcapng counts time, and its link.
#[derive(Debug, Clone, Copy)]
struct Interface {
    link: Option<Link>,
    /// Units a second.
    resolution: Option<u64>,
    /// Seconds.
    offset: i64,
}

impl CaptureFile {
    pub(crate) fn open(path: &Path) -> Result<Self, CaptureError> {
        let path = path.to_owned();
        match fs::metadata(&path) {
            Ok(facts) if facts.is_file() => Ok(Self {
                path,
                bytes: facts.len(),
            }),
            Ok(_) => Err(CaptureError::NoFile { path }),
            Err(error) => Err(CaptureError::Read { path, error }),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Passes each frame to `each`. A file that is cut or damaged is read up to there.
    pub(crate) fn read(
        &self,
        bar: &ProgressBar,
        mut each: impl FnMut(Frame<'_>),
    ) -> Result<Read, CaptureError> {
        self.try_read(bar, |frame| {
            each(frame);
            Ok(())
        })
    }

    /// As [`Self::read`], until `each` fails.
    pub(crate) fn try_read<E: From<CaptureError>>(
        &self,
        bar: &ProgressBar,
        mut each: impl FnMut(Frame<'_>) -> Result<(), E>,
    ) -> Result<Read, E> {
        let file = File::open(&self.path).map_err(|error| {
            let path = self.path.clone();
            CaptureError::Read { path, error }
        })?;
        let mut reader = create_reader(BUFFER_BYTES, file).map_err(|error| {
            let (path, what) = (self.path.clone(), self.not_a_capture(&error));
            CaptureError::Format { path, what }
        })?;
        let mut read = Read::default();
        let mut section = Section::default();
        let mut room = BUFFER_BYTES;
        bar.set_position(0);
        loop {
            match next(&mut *reader, &mut room) {
                Next::Block(offset, block) => {
                    section.block(&block, &mut read, &mut each)?;
                    drop(block);
                    reader.consume(offset);
                    bar.set_position(reader.consumed() as u64);
                }
                Next::More => {}
                Next::End => break,
                Next::Damage(what) => {
                    let at = reader.consumed();
                    read.damage = Some(format!("{what} after byte {at}"));
                    break;
                }
            }
        }
        Ok(read)
    }

    fn not_a_capture(&self, error: &PcapError<&[u8]>) -> &'static str {
        let mut start = [0; 2];
        let read =
            File::open(&self.path).and_then(|mut file| io::Read::read_exact(&mut file, &mut start));
        if read.is_ok() && start == [0x1f, 0x8b] {
            return "it is compressed: unpack it with gunzip first";
        }
        match error {
            PcapError::Eof => "it is empty",
            PcapError::ReadError => "it cannot be read",
            _ => "it is neither pcap nor pcapng",
        }
    }
}

enum Next<'a> {
    Block(usize, PcapBlockOwned<'a>),
    /// Bytes were added to the buffer.
    More,
    End,
    Damage(&'static str),
}

/// The next block, or more bytes for it.
fn next<'a>(reader: &'a mut (dyn PcapReaderIterator + Send), room: &mut usize) -> Next<'a> {
    enum Want {
        Bytes,
        Room,
    }
    // The borrow of a block lasts as long as the reader's, so that only its end may return one.
    let want = match reader.next() {
        Ok((0, _)) => return Next::Damage("a record without bytes"),
        Ok(_) => None,
        Err(PcapError::Eof) => return Next::End,
        Err(PcapError::Incomplete(_)) => Some(Want::Bytes),
        Err(PcapError::BufferTooSmall) => Some(Want::Room),
        Err(PcapError::UnexpectedEof) => return Next::Damage("the file ends within a record"),
        Err(PcapError::ReadError) => return Next::Damage("the file cannot be read"),
        Err(_) => return Next::Damage("the file is damaged"),
    };
    match want {
        None => match reader.next() {
            Ok((offset, block)) => Next::Block(offset, block),
            Err(_) => Next::Damage("the file is damaged"),
        },
        Some(want) => {
            let is_full = reader.data().len() >= *room;
            if matches!(want, Want::Room) || is_full {
                *room *= 2;
                if *room > MAX_RECORD_BYTES || !reader.grow(*room) {
                    return Next::Damage("a record of many megabytes, which is damage,");
                }
            }
            match reader.refill() {
                Ok(()) => Next::More,
                Err(_) => Next::Damage("the file cannot be read"),
            }
        }
    }
}

/// Facts about the next block from the blocks before it.
#[derive(Debug, Default)]
struct Section {
    interfaces: Vec<Interface>,
}

impl Section {
    fn block<E>(
        &mut self,
        block: &PcapBlockOwned<'_>,
        read: &mut Read,
        each: &mut impl FnMut(Frame<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        match block {
            PcapBlockOwned::LegacyHeader(header) => {
                let nanos = header.is_nanosecond_precision();
                let resolution = if nanos { NANOS_PER_SECOND } else { 1_000_000 };
                read.format = "pcap";
                self.interface(header.network.0, Some(resolution), 0, read);
            }
            PcapBlockOwned::Legacy(packet) => {
                let Some(interface) = self.interfaces.first() else {
                    return Ok(());
                };
                let units = interface.resolution.unwrap_or(1_000_000);
                let ticks = u64::from(packet.ts_sec) * units + u64::from(packet.ts_usec);
                let place = (*interface, ticks, packet.origlen);
                return read.frame(place, packet.data, each);
            }
            PcapBlockOwned::NG(Block::SectionHeader(_)) => {
                read.format = "pcapng";
                self.interfaces.clear();
            }
            PcapBlockOwned::NG(Block::InterfaceDescription(it)) => {
                self.interface(it.linktype.0, it.ts_resolution(), it.ts_offset(), read);
            }
            PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                let index = usize::try_from(packet.if_id).unwrap_or(usize::MAX);
                let Some(interface) = self.interfaces.get(index) else {
                    read.frames += 1;
                    read.unknown_link += 1;
                    return Ok(());
                };
                let ticks = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
                let place = (*interface, ticks, packet.origlen);
                return read.frame(place, packet.packet_data(), each);
            }
            PcapBlockOwned::NG(Block::SimplePacket(_)) => {
                read.frames += 1;
                read.timeless += 1;
            }
            PcapBlockOwned::NG(_) => {}
        }
        Ok(())
    }

    fn interface(&mut self, link: i32, resolution: Option<u64>, offset: i64, read: &mut Read) {
        if self.interfaces.len() < MAX_INTERFACES {
            self.interfaces.push(Interface {
                link: Link::of_number(link),
                resolution,
                offset,
            });
        }
        let unit = match resolution {
            Some(NANOS_PER_SECOND) => "ns".to_owned(),
            Some(1_000_000) => "µs".to_owned(),
            Some(other) => format!("1/{other} s"),
            None => "unknown".to_owned(),
        };
        if !read.links.contains(&link) && read.links.len() < 8 {
            read.links.push(link);
        }
        if !read.resolutions.contains(&unit) && read.resolutions.len() < 8 {
            read.resolutions.push(unit);
        }
    }
}

impl Read {
    fn frame<E>(
        &mut self,
        (interface, ticks, wire_bytes): (Interface, u64, u32),
        bytes: &[u8],
        each: &mut impl FnMut(Frame<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.frames += 1;
        self.cut += u64::from((bytes.len() as u64) < u64::from(wire_bytes));
        let (Some(link), Some(resolution)) = (interface.link, interface.resolution) else {
            self.unknown_link += 1;
            return Ok(());
        };
        let at_ns = nanos(ticks, resolution, interface.offset);
        each(Frame { at_ns, link, bytes })
    }
}

/// `ticks` of `1/resolution` seconds, `offset` seconds later, in nanoseconds; saturates.
fn nanos(ticks: u64, resolution: u64, offset: i64) -> u64 {
    let second = u128::from(NANOS_PER_SECOND);
    let ns = u128::from(ticks) * second / u128::from(resolution.max(1));
    let offset_ns = i128::from(offset) * i128::from(NANOS_PER_SECOND);
    let ns = i128::try_from(ns)
        .unwrap_or(i128::MAX)
        .saturating_add(offset_ns);
    u64::try_from(ns.max(0)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn time_of_any_resolution_is_in_nanoseconds() {
        assert_eq!(nanos(5, 1_000_000, 0), 5_000);
        assert_eq!(
            nanos(1_500_000_000_123_456_789, NANOS_PER_SECOND, 0),
            1_500_000_000_123_456_789
        );
        assert_eq!(nanos(3 << 20, 1 << 20, 37), 40 * NANOS_PER_SECOND);
        assert_eq!(nanos(7, 1, -8), 0);
        assert_eq!(nanos(u64::MAX, 1, i64::MAX), u64::MAX);
    }

    /// A pcapng file with an interface and two frames, or a pcap file with one.
    fn whole(ng: bool) -> Vec<u8> {
        let words = |words: &[u32]| {
            words
                .iter()
                .flat_map(|it| it.to_le_bytes())
                .collect::<Vec<_>>()
        };
        let frame = [0x0102_0304; 16];
        if !ng {
            let head = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 1, 7, 8, 64, 64];
            return words(&[&head[..], &frame].concat());
        }
        let section = [0x0a0d_0d0a, 28, 0x1a2b_3c4d, 1, u32::MAX, u32::MAX, 28];
        let interface = [1, 32, 1, 65_535, 0x0001_0009, 9, 0, 32];
        let packet = [&[6, 96, 0, 0, 1, 64, 64][..], &frame, &[96]].concat();
        words(&[&section[..], &interface, &packet, &packet].concat())
    }

    fn frames(bytes: &[u8]) -> Result<Read, CaptureError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), bytes).unwrap();
        let capture = CaptureFile::open(file.path())?;
        let mut passed = 0;
        let read = capture.read(&ProgressBar::hidden(), |_| passed += 1)?;
        assert!(passed <= read.frames);
        Ok(read)
    }

    #[test]
    fn whole_files_are_read() {
        assert_eq!(frames(&whole(false)).unwrap().frames, 1);
        let read = frames(&whole(true)).unwrap();
        assert_eq!((read.frames, read.damage), (2, None));
    }

    proptest! {
        #[test]
        fn damaged_file_is_no_panic_and_ends(
            ng: bool,
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
            bytes in 0usize..400,
        ) {
            let mut file = whole(ng);
            for (at, byte) in changes {
                let at = at.index(file.len());
                file[at] = byte;
            }
            file.truncate(bytes);
            if let Ok(read) = frames(&file) {
                prop_assert!(read.frames <= 20);
            }
        }

        #[test]
        fn any_bytes_behind_a_head_are_no_panic(
            ng: bool,
            rest in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let head = if ng { 60 } else { 24 };
            let file = [&whole(ng)[..head], &rest].concat();
            prop_assert!(frames(&file).is_ok());
        }
    }
}
