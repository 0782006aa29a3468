//! A strict reader of pcapng files (draft-ietf-opsawg-pcapng), written from the draft and not from
//! the recorder: everything that it does not expect is an error.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};

/// One interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// `if_name`.
    pub name: String,
    /// Its snap length.
    pub snap_length: u32,
    /// What its last statistics said: `isb_ifrecv`, `isb_ifdrop`, `isb_usrdeliv`.
    pub statistics: Option<(Option<u64>, Option<u64>, Option<u64>)>,
    /// Comments of its statistics.
    pub comments: Vec<String>,
}

/// One packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The interface's number.
    pub interface: usize,
    /// Nanoseconds since 1970.
    pub at_ns: u64,
    /// Bytes on the wire.
    pub wire_len: u32,
    /// What was captured.
    pub bytes: Vec<u8>,
    /// `epb_dropcount`; 0 without one.
    pub dropped: u64,
    /// Its comments.
    pub comments: Vec<String>,
}

/// A whole file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capture {
    /// Options of the section header, as text, by their code.
    pub section: BTreeMap<u16, String>,
    /// The interfaces, by their number.
    pub interfaces: Vec<Interface>,
    /// The packets, in their order.
    pub packets: Vec<Packet>,
    /// Where each block ends.
    pub block_ends: Vec<usize>,
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16> {
    let bytes = bytes.get(at..at + 2).context("cut short")?;
    Ok(u16::from_le_bytes(bytes.try_into()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32> {
    let bytes = bytes.get(at..at + 4).context("cut short")?;
    Ok(u32::from_le_bytes(bytes.try_into()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Result<u64> {
    let bytes = bytes.get(at..at + 8).context("cut short")?;
    Ok(u64::from_le_bytes(bytes.try_into()?))
}

/// A time: the upper half stands first.
fn time_at(bytes: &[u8], at: usize) -> Result<u64> {
    Ok(u64::from(u32_at(bytes, at)?) << 32 | u64::from(u32_at(bytes, at + 4)?))
}

/// Options that fill `bytes` to their end.
fn options(mut bytes: &[u8]) -> Result<Vec<(u16, &[u8])>> {
    let mut options = Vec::new();
    while !bytes.is_empty() {
        let (code, len) = (u16_at(bytes, 0)?, usize::from(u16_at(bytes, 2)?));
        if code == 0 {
            ensure!(len == 0 && bytes.len() == 4, "opt_endofopt is not the end");
            return Ok(options);
        }
        let value = bytes.get(4..4 + len).context("an option is cut short")?;
        let padded = len.next_multiple_of(4);
        let padding = bytes.get(4 + len..4 + padded).context("no padding")?;
        ensure!(padding.iter().all(|it| *it == 0), "padding is not 0");
        options.push((code, value));
        bytes = &bytes[4 + padded..];
        ensure!(!bytes.is_empty(), "options without opt_endofopt");
    }
    Ok(options)
}

fn text(value: &[u8]) -> Result<String> {
    Ok(std::str::from_utf8(value).context("not UTF-8")?.to_owned())
}

/// Reads a whole file.
pub fn read(bytes: &[u8]) -> Result<Capture> {
    let mut capture = Capture::default();
    let mut at = 0;
    while at < bytes.len() {
        let place = || format!("block at byte {at} of {}", bytes.len());
        let kind = u32_at(bytes, at).with_context(place)?;
        let len = usize::try_from(u32_at(bytes, at + 4).with_context(place)?)?;
        ensure!(len >= 12 && len % 4 == 0, "{}: length {len}", place());
        let block = bytes.get(at..at + len).with_context(place)?;
        ensure!(
            u32_at(block, len - 4)? as usize == len,
            "{}: lengths differ",
            place()
        );
        ensure!(
            (at == 0) == (kind == 0x0A0D_0D0A),
            "{}: the section header stands first, and once",
            place()
        );
        read_block(&mut capture, kind, &block[8..len - 4]).with_context(place)?;
        at += len;
        capture.block_ends.push(at);
    }
    ensure!(!capture.block_ends.is_empty(), "an empty file");
    Ok(capture)
}

fn read_block(capture: &mut Capture, kind: u32, body: &[u8]) -> Result<()> {
    match kind {
        0x0A0D_0D0A => {
            ensure!(u32_at(body, 0)? == 0x1A2B_3C4D, "byte order");
            ensure!((u16_at(body, 4)?, u16_at(body, 6)?) == (1, 0), "version");
            ensure!(u64_at(body, 8)? == u64::MAX, "section length");
            for (code, value) in options(&body[16..])? {
                ensure!((1..=4).contains(&code), "option {code} of the section");
                capture.section.insert(code, text(value)?);
            }
        }
        1 => {
            ensure!(u16_at(body, 0)? == 1, "link type");
            let mut interface = Interface {
                snap_length: u32_at(body, 4)?,
                ..Interface::default()
            };
            let mut is_nano = false;
            for (code, value) in options(&body[8..])? {
                match code {
                    2 => interface.name = text(value)?,
                    9 => is_nano = value == [9],
                    other => bail!("option {other} of an interface"),
                }
            }
            ensure!(is_nano, "not in nanoseconds");
            capture.interfaces.push(interface);
        }
        5 => {
            let number = u32_at(body, 0)? as usize;
            let interface = capture.interfaces.get_mut(number);
            let interface = interface.context("statistics of no interface")?;
            let mut counts = (None, None, None);
            for (code, value) in options(&body[12..])? {
                match code {
                    1 => interface.comments.push(text(value)?),
                    2 | 3 => ensure!(value.len() == 8, "a time of {} bytes", value.len()),
                    4 => counts.0 = Some(u64_at(value, 0)?),
                    5 => counts.1 = Some(u64_at(value, 0)?),
                    8 => counts.2 = Some(u64_at(value, 0)?),
                    other => bail!("option {other} of statistics"),
                }
            }
            interface.statistics = Some(counts);
        }
        6 => {
            let interface = u32_at(body, 0)? as usize;
            let snap_length = capture.interfaces.get(interface);
            let snap_length = snap_length.context("a packet of no interface")?.snap_length;
            let (captured, wire_len) = (u32_at(body, 12)?, u32_at(body, 16)?);
            ensure!(
                captured <= wire_len && captured <= snap_length,
                "captured {captured} of {wire_len}, snap length {snap_length}"
            );
            let end = 20 + captured as usize;
            let bytes = body.get(20..end).context("a packet is cut short")?;
            let padded = end.next_multiple_of(4);
            let padding = body.get(end..padded).context("no padding")?;
            ensure!(padding.iter().all(|it| *it == 0), "padding is not 0");
            let mut packet = Packet {
                interface,
                at_ns: time_at(body, 4)?,
                wire_len,
                bytes: bytes.to_vec(),
                dropped: 0,
                comments: Vec::new(),
            };
            for (code, value) in options(&body[padded..])? {
                match code {
                    1 => packet.comments.push(text(value)?),
                    4 => packet.dropped = u64_at(value, 0)?,
                    other => bail!("option {other} of a packet"),
                }
            }
            capture.packets.push(packet);
        }
        other => bail!("a block of type {other}"),
    }
    Ok(())
}
