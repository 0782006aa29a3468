//! The first packet: what frames are like.

use super::code::Numbers;
use super::{NutError, flag};

const MOST_STREAMS: u64 = 64;

/// Meaning of a frame's first byte.
#[derive(Clone, Copy, Default)]
pub(super) struct FrameCode {
    pub(super) flags: u64,
    pub(super) stream: u64,
    pub(super) size_factor: u64,
    pub(super) size: u64,
    pub(super) reserved: u64,
    pub(super) header: u64,
}

/// The first packet.
#[derive(Default)]
pub(super) struct MainHeader {
    pub(super) streams: u64,
    /// By the first byte of a frame.
    pub(super) codes: Vec<FrameCode>,
    /// How frames begin, if that is not written with each; the first is empty.
    pub(super) headers: Vec<Vec<u8>>,
}

impl MainHeader {
    /// Of the packet's body.
    pub(super) fn parse(body: &[u8]) -> Result<Self, NutError> {
        let mut it = Self::default();
        let mut body = Numbers(body);
        let mut next = || body.next().ok_or(NutError::Damaged("the main header"));
        match next()? {
            2 | 3 => {}
            version => return Err(NutError::Version(version)),
        }
        it.streams = next()?;
        let _max_distance = next()?;
        if it.streams == 0 || it.streams > MOST_STREAMS {
            return Err(NutError::Damaged("the number of streams"));
        }
        for _ in 0..next()? {
            next()?;
            next()?;
        }
        let mut code = FrameCode {
            size_factor: 1,
            ..FrameCode::default()
        };
        while it.codes.len() < 256 {
            code.flags = next()?;
            let mut fields = [None; 8];
            for at in 0..next()? {
                let field = next()?;
                if let Some(place) = usize::try_from(at).ok().and_then(|at| fields.get_mut(at)) {
                    *place = Some(field);
                }
            }
            // The first is a time, the seventh too.
            let [_, factor, stream, size, reserved, count, _, header] = fields;
            code.size_factor = factor.unwrap_or(code.size_factor);
            code.stream = stream.unwrap_or(code.stream);
            code.header = header.unwrap_or(code.header);
            code.reserved = reserved.unwrap_or(0);
            let size = size.unwrap_or(0);
            let count = count.unwrap_or(code.size_factor.wrapping_sub(size));
            if !(1..=256).contains(&count) || size > u64::from(u32::MAX) {
                return Err(NutError::Damaged("the table of frames"));
            }
            for at in 0..count {
                if it.codes.len() == usize::from(b'N') {
                    it.codes.push(FrameCode {
                        flags: flag::INVALID,
                        ..FrameCode::default()
                    });
                }
                it.codes.push(FrameCode {
                    size: size + at,
                    ..code
                });
            }
        }
        if it.codes.len() > 256 {
            return Err(NutError::Damaged("the table of frames"));
        }
        // Absent in version 2.
        let headers = body.next().unwrap_or(0);
        it.headers.push(Vec::new());
        for _ in 0..headers {
            let bytes = body.bytes().filter(|it| it.len() < 256);
            let bytes = bytes.ok_or(NutError::Damaged("what frames begin with"))?;
            it.headers.push(bytes.to_vec());
        }
        Ok(it)
    }
}
