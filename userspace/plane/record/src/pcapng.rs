//! Packets in pcapng (draft-ietf-opsawg-pcapng), with times in nanoseconds.
//!
//! Section Header Block; then, for each producer, an Interface Description Block before its first
//! packet; Enhanced Packet Blocks; Interface Statistics Blocks about once a second and at the end.
//! A packet after missing ones carries their number as `epb_dropcount`, and the reason as a
//! comment. Everything is little endian. This module determines the bytes; [`Files`] determines where they
//! go.

use std::fmt::Write as _;
use std::time::SystemTime;

use crate::files::Files;
use crate::manifest::Time;
use crate::producer::{Event, Missed};
use crate::spec::Spec;

pub(crate) const SECTION: u32 = 0x0A0D_0D0A;
pub(crate) const INTERFACE: u32 = 1;
pub(crate) const STATISTICS: u32 = 5;
pub(crate) const PACKET: u32 = 6;
pub(crate) const BYTE_ORDER: u32 = 0x1A2B_3C4D;
const ETHERNET: u16 = 1;

pub(crate) const COMMENT: u16 = 1;
const SHB_HARDWARE: u16 = 2;
const SHB_OS: u16 = 3;
const SHB_USERAPPL: u16 = 4;
const IF_NAME: u16 = 2;
const IF_TSRESOL: u16 = 9;
const EPB_DROPCOUNT: u16 = 4;
const ISB_STARTTIME: u16 = 2;
const ISB_ENDTIME: u16 = 3;
const ISB_IFRECV: u16 = 4;
const ISB_IFDROP: u16 = 5;
const ISB_USRDELIV: u16 = 8;

/// Bytes of an Enhanced Packet Block without the packet.
const PACKET_FRAME: usize = 32;
/// Upper limit of the options of a packet, bytes.
const PACKET_OPTIONS: usize = 512;

/// The pcapng encoder.
pub(crate) struct Pcapng {
    hardware: String,
    system: String,
    application: String,
    comment: String,
    snap_length: u32,
    started: Time,
    /// Interface number of each producer in the current file.
    interfaces: Vec<Option<u32>>,
    next: u32,
    /// Last statistics of each producer, to skip repeats.
    told: Vec<(u64, u64)>,
}

impl Pcapng {
    pub(crate) fn new(spec: &Spec) -> Self {
        let uname = rustix::system::uname();
        let text = |it: &std::ffi::CStr| it.to_string_lossy().into_owned();
        let mut comment = format!("recording {}", spec.name);
        if let Some(session) = &spec.session {
            // Writing to a String does not fail.
            let _ = write!(comment, " of session {} ({})", session.name, session.id);
        }
        Self {
            hardware: text(uname.machine()),
            system: format!("{} {}", text(uname.sysname()), text(uname.release())),
            application: spec.application.clone(),
            comment,
            snap_length: spec.snap_length,
            started: Time(SystemTime::now()),
            interfaces: Vec::new(),
            next: 0,
            told: Vec::new(),
        }
    }

    /// A producer's interface number in the current file. Writes the description on first use.
    fn interface(&mut self, producer: usize, files: &mut Files) -> u32 {
        if self.interfaces.len() <= producer {
            self.interfaces.resize(producer + 1, None);
            self.told.resize(producer + 1, (0, 0));
        }
        if let Some(number) = self.interfaces[producer] {
            return number;
        }
        let number = self.next;
        self.next += 1;
        self.interfaces[producer] = Some(number);
        let name = files.totals(producer).name.clone();
        interface_block(files.out(), &name, self.snap_length);
        files.mark_own();
        number
    }

    fn statistics(&mut self, producer: usize, files: &mut Files, last: bool) {
        let counts = files.totals(producer).counts();
        let (received, dropped) = (counts.arrived, counts.dropped.total());
        let interface = self.interface(producer, files);
        if !last && self.told[producer] == (received, dropped) {
            return;
        }
        self.told[producer] = (received, dropped);
        let now = Time(SystemTime::now()).unix_ns();
        let started = self.started.unix_ns();
        statistics_block(files.out(), interface, now, |block| {
            if last {
                block.option(ISB_STARTTIME, &split_time(started));
                block.option(ISB_ENDTIME, &split_time(now));
            }
            block.option(ISB_IFRECV, &received.to_le_bytes());
            block.option(ISB_IFDROP, &dropped.to_le_bytes());
            // Accepted events, including those not yet on disk.
            block.option(ISB_USRDELIV, &counts.accepted.to_le_bytes());
            if last && dropped > 0 {
                let text = format!(
                    "{dropped} not recorded: {} ring full, {} disk full, {} disk fault, {} after the end",
                    counts.dropped.ring_full,
                    counts.dropped.disk_full,
                    counts.dropped.disk_fault,
                    counts.dropped.not_accepting
                );
                block.option(COMMENT, text.as_bytes());
            }
        });
        files.mark_own();
    }
}

impl Pcapng {
    /// Begins a file: writes its header.
    pub(crate) fn begin_file(&mut self, files: &mut Files) {
        self.interfaces.clear();
        self.told.clear();
        self.next = 0;
        let part = files.part_number();
        let out = files.out();
        let comment = match part {
            1 => self.comment.clone(),
            part => format!("{}, part {part}", self.comment),
        };
        section_block(
            out,
            &[
                (COMMENT, &comment),
                (SHB_HARDWARE, &self.hardware),
                (SHB_OS, &self.system),
                (SHB_USERAPPL, &self.application),
            ],
        );
        files.mark_own();
    }

    /// Handles an event of producer number `producer`.
    pub(crate) fn event(&mut self, producer: usize, event: &Event<'_>, files: &mut Files) {
        let size = PACKET_FRAME + event.bytes.len() + PACKET_OPTIONS;
        if files.must_split(size, event.at_ns) {
            self.end_file(files);
            files.next_part();
            self.begin_file(files);
        }
        let interface = self.interface(producer, files);
        packet_block(files.out(), interface, event);
        files.mark(producer, event.bytes.len() as u64, event.at_ns);
    }

    /// Called about once a second.
    pub(crate) fn tick(&mut self, files: &mut Files) {
        for producer in 0..files.producers().len() {
            self.statistics(producer, files, false);
        }
    }

    /// Ends a file: writes its trailer.
    pub(crate) fn end_file(&mut self, files: &mut Files) {
        for producer in 0..files.producers().len() {
            self.statistics(producer, files, true);
        }
    }
}

/// A block in progress: its length is filled in at the end.
pub(crate) struct Block<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    has_options: bool,
}

impl<'a> Block<'a> {
    pub(crate) fn begin(out: &'a mut Vec<u8>, kind: u32) -> Self {
        let start = out.len();
        out.extend_from_slice(&kind.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        Self {
            out,
            start,
            has_options: false,
        }
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    fn pad(&mut self) {
        let len = (self.out.len() - self.start).next_multiple_of(4);
        self.out.resize(self.start + len, 0);
    }

    /// Adds an option. A value that is too long is truncated.
    pub(crate) fn option(&mut self, code: u16, value: &[u8]) {
        let len = u16::try_from(value.len()).unwrap_or(u16::MAX);
        self.has_options = true;
        self.out.extend_from_slice(&code.to_le_bytes());
        self.out.extend_from_slice(&len.to_le_bytes());
        self.out.extend_from_slice(&value[..usize::from(len)]);
        self.pad();
    }

    pub(crate) fn end(self) {
        if self.has_options {
            self.out.extend_from_slice(&[0; 4]);
        }
        let size = self.out.len() - self.start + 4;
        let size = u32::try_from(size).expect("a block is a packet and some options");
        self.out.extend_from_slice(&size.to_le_bytes());
        self.out[self.start + 4..self.start + 8].copy_from_slice(&size.to_le_bytes());
    }
}

pub(crate) fn section_block(out: &mut Vec<u8>, texts: &[(u16, &str)]) {
    let mut block = Block::begin(out, SECTION);
    block.bytes(&BYTE_ORDER.to_le_bytes());
    block.bytes(&1u16.to_le_bytes());
    block.bytes(&0u16.to_le_bytes());
    // The section's length: unspecified.
    block.bytes(&u64::MAX.to_le_bytes());
    for (code, text) in texts.iter().filter(|(_, text)| !text.is_empty()) {
        block.option(*code, text.as_bytes());
    }
    block.end();
}

pub(crate) fn interface_block(out: &mut Vec<u8>, name: &str, snap_length: u32) {
    let mut block = Block::begin(out, INTERFACE);
    block.bytes(&ETHERNET.to_le_bytes());
    block.bytes(&[0; 2]);
    block.bytes(&snap_length.to_le_bytes());
    block.option(IF_NAME, name.as_bytes());
    block.option(IF_TSRESOL, &[9]);
    block.end();
}

/// A time in the order of the block fields: upper half first.
fn split_time(ns: u64) -> [u8; 8] {
    ns.rotate_left(32).to_le_bytes()
}

fn packet_block(out: &mut Vec<u8>, interface: u32, event: &Event<'_>) {
    let captured = u32::try_from(event.bytes.len()).expect("at most the snap length");
    let mut block = Block::begin(out, PACKET);
    block.bytes(&interface.to_le_bytes());
    block.bytes(&split_time(event.at_ns));
    block.bytes(&captured.to_le_bytes());
    block.bytes(&event.wire_len.max(captured).to_le_bytes());
    block.bytes(event.bytes);
    block.pad();
    if event.missed.total() > 0 {
        block.option(COMMENT, gap_comment(&event.missed).as_bytes());
        block.option(EPB_DROPCOUNT, &event.missed.total().to_le_bytes());
    }
    block.end();
}

fn gap_comment(missed: &Missed) -> String {
    let mut text = format!("gap: {} not recorded", missed.total());
    let causes = [
        ("ring full", missed.ring_full),
        ("disk full", missed.disk_full),
        ("disk fault", missed.disk_fault),
    ];
    for (cause, count) in causes.into_iter().filter(|(_, count)| *count > 0) {
        // Writing to a String does not fail.
        let _ = write!(text, ", {count} {cause}");
    }
    text
}

pub(crate) fn statistics_block(
    out: &mut Vec<u8>,
    interface: u32,
    at_ns: u64,
    options: impl FnOnce(&mut Block<'_>),
) {
    let mut block = Block::begin(out, STATISTICS);
    block.bytes(&interface.to_le_bytes());
    block.bytes(&split_time(at_ns));
    options(&mut block);
    block.end();
}

/// Statistics that repair adds for each interface: packets found, and a comment.
pub(crate) fn repair_statistics(
    out: &mut Vec<u8>,
    interface: u32,
    at_ns: u64,
    found: u64,
    says: &str,
) {
    statistics_block(out, interface, at_ns, |block| {
        block.option(ISB_USRDELIV, &found.to_le_bytes());
        if !says.is_empty() {
            block.option(COMMENT, says.as_bytes());
        }
    });
}
