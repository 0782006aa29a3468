//! Finds the frames of one stream in what another program wrote. The input is not trusted: each length has a bound,
//! and each packet that is used a checksum.

use std::io::{self, BufRead as _, BufReader, Read};

use super::code::{Numbers, checksum, push};
use super::main_header::{FrameCode, MainHeader};
use super::{FILE_ID, LONG_PACKET, NutError, NutVideo, flag, info, start};

/// Most bytes of a packet that is kept to be read; FFmpeg's have some hundred.
const LONGEST_PACKET: u64 = 1 << 16;
/// Most fields that a later version may add to a frame.
const MOST_RESERVED: u64 = 64;
const BUFFER: usize = 1 << 16;

/// Reads frames.
pub struct NutReader<R> {
    input: BufReader<R>,
    main: MainHeader,
    /// Number of the stream whose frames are read.
    stream: u64,
    video: NutVideo,
    rate: Option<(u32, u32)>,
    /// The start code of a packet whose rest was not read.
    begun: Option<u64>,
}

impl<R: Read> NutReader<R> {
    /// Reads up to the first frame. Its first stream of pictures is the one that is read.
    ///
    /// # Errors
    /// [`NutError`].
    pub fn open(input: R) -> Result<Self, NutError> {
        let mut input = BufReader::with_capacity(BUFFER, input);
        let mut id = [0; FILE_ID.len()];
        input
            .read_exact(&mut id)
            .map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => NutError::NotNut,
                _ => NutError::Read(error),
            })?;
        if id != *FILE_ID {
            return Err(NutError::NotNut);
        }
        let mut reader = Self {
            input,
            main: MainHeader::default(),
            stream: 0,
            video: NutVideo {
                width: 0,
                height: 0,
                tag: [0; 4],
            },
            rate: None,
            begun: None,
        };
        let code = reader.start_code(None)?;
        if code != start::MAIN {
            return Err(NutError::Damaged("it does not begin with the main header"));
        }
        reader.main = MainHeader::parse(&reader.packet(code)?)?;
        let mut described = 0;
        let mut found = None;
        while described < reader.main.streams {
            let code = reader.start_code(None)?;
            if code == start::STREAM {
                let body = reader.packet(code)?;
                described += 1;
                if let (None, Some(it)) = (&found, stream(&body)?) {
                    found = Some(it);
                }
            } else {
                reader.skip_packet(code)?;
            }
        }
        (reader.stream, reader.video) = found.ok_or(NutError::NoVideo)?;
        if reader.stream >= reader.main.streams {
            return Err(NutError::Damaged("the number of a stream"));
        }
        reader.read_information()?;
        Ok(reader)
    }

    /// The stream.
    #[must_use]
    pub const fn video(&self) -> NutVideo {
        self.video
    }

    /// Its frames a second, as a fraction; `None`: the writer did not say.
    #[must_use]
    pub const fn rate(&self) -> Option<(u32, u32)> {
        self.rate
    }

    /// Reads the next frame, whose bytes fill `frame`. False: the input has ended, before a frame.
    ///
    /// # Errors
    /// [`NutError`]. No frame follows.
    pub fn read(&mut self, frame: &mut [u8]) -> Result<bool, NutError> {
        if let Some(code) = self.begun.take() {
            self.skip_packet(code)?;
        }
        loop {
            let Some(first) = self.byte_or_end()? else {
                return Ok(false);
            };
            if first == b'N' {
                let code = self.start_code(Some(first))?;
                self.skip_packet(code)?;
            } else if self.frame(first, frame)? {
                return Ok(true);
            }
        }
    }

    /// A frame of any stream. Whether it was one of ours.
    fn frame(&mut self, first: u8, frame: &mut [u8]) -> Result<bool, NutError> {
        let damaged = |what| NutError::Damaged(what);
        let FrameCode {
            mut flags,
            mut stream,
            size_factor,
            mut size,
            mut reserved,
            mut header,
        } = self.main.codes[usize::from(first)];
        // What the checksum is of.
        let mut read = vec![first];
        let mut number = || self.number(&mut read);
        if flags & flag::INVALID != 0 {
            return Err(damaged("a frame of no kind"));
        }
        if flags & flag::CODED != 0 {
            flags ^= number()?;
        }
        if flags & flag::STREAM_ID != 0 {
            stream = number()?;
        }
        if flags & flag::CODED_PTS != 0 {
            number()?;
        }
        if flags & flag::SIZE_MSB != 0 {
            let more = number()?.checked_mul(size_factor);
            let sum = more.and_then(|more| size.checked_add(more));
            size = sum.ok_or(damaged("the size of a frame"))?;
        }
        if flags & flag::MATCH_TIME != 0 {
            number()?;
        }
        if flags & flag::HEADER_INDEX != 0 {
            header = number()?;
        }
        if flags & flag::RESERVED != 0 {
            reserved = number()?;
        }
        if reserved > MOST_RESERVED {
            return Err(damaged("fields of a frame"));
        }
        for _ in 0..reserved {
            number()?;
        }
        if flags & flag::CHECKSUM != 0 {
            let sum = self.four()?;
            if sum != checksum(&read) {
                return Err(damaged("the checksum of a frame's start"));
            }
        }
        if stream >= self.main.streams || flags & flag::INVALID != 0 {
            return Err(damaged("a frame of no stream"));
        }
        // A long frame has all of its bytes.
        let begun: &[u8] = match size > LONG_PACKET {
            true => &[],
            false => {
                let header = usize::try_from(header).ok();
                let header = header.and_then(|it| self.main.headers.get(it));
                header.ok_or(damaged("the start of a frame"))?
            }
        };
        let rest = size.checked_sub(begun.len() as u64);
        let rest = rest.ok_or(damaged("the size of a frame"))?;
        if stream != self.stream {
            return self.skip(rest).map(|()| false);
        }
        if flags & flag::SIDE_DATA != 0 {
            return Err(damaged(
                "it has side data in frames: let ffmpeg write version 3",
            ));
        }
        if size != frame.len() as u64 {
            return Err(NutError::Bytes {
                have: size,
                need: frame.len(),
            });
        }
        let (start, rest) = frame.split_at_mut(begun.len());
        start.copy_from_slice(begun);
        self.input.read_exact(rest)?;
        Ok(true)
    }

    /// Reads the packets of information that come before the first frame.
    fn read_information(&mut self) -> Result<(), NutError> {
        loop {
            match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Ok([b'N', ..]) => {}
                other => return Ok(other.map(drop)?),
            }
            let code = self.start_code(None)?;
            if code != start::INFO {
                self.begun = Some(code);
                return Ok(());
            }
            let body = self.packet(code)?;
            self.rate = info::rate(&body, self.stream).or(self.rate);
        }
    }

    /// The body of a packet whose start code was read.
    fn packet(&mut self, code: u64) -> Result<Vec<u8>, NutError> {
        let length = self.length(code)?;
        if !(4..=LONGEST_PACKET).contains(&length) {
            return Err(NutError::Damaged("the length of a header"));
        }
        let mut body = vec![0; usize::try_from(length).unwrap_or_default() - 4];
        self.input.read_exact(&mut body)?;
        if self.four()? != checksum(&body) {
            return Err(NutError::Damaged("the checksum of a header"));
        }
        Ok(body)
    }

    fn skip_packet(&mut self, code: u64) -> Result<(), NutError> {
        use start::{INDEX, INFO, MAIN, STREAM, SYNC_POINT};
        if ![INDEX, INFO, MAIN, STREAM, SYNC_POINT].contains(&code) {
            return Err(NutError::Damaged("a packet of no kind"));
        }
        let length = self.length(code)?;
        self.skip(length)
    }

    /// Bytes of a packet behind its start.
    fn length(&mut self, code: u64) -> Result<u64, NutError> {
        let mut read = code.to_be_bytes().to_vec();
        let length = self.number(&mut read)?;
        if length > LONG_PACKET && self.four()? != checksum(&read) {
            return Err(NutError::Damaged("the checksum of a packet's start"));
        }
        Ok(length)
    }

    fn skip(&mut self, bytes: u64) -> Result<(), NutError> {
        let skipped = io::copy(&mut self.input.by_ref().take(bytes), &mut io::sink())?;
        if skipped < bytes {
            Err(NutError::Ends)
        } else {
            Ok(())
        }
    }

    fn start_code(&mut self, first: Option<u8>) -> Result<u64, NutError> {
        let mut code = [0; 8];
        let have = usize::from(first.is_some());
        code[0] = first.unwrap_or_default();
        self.input.read_exact(&mut code[have..])?;
        Ok(u64::from_be_bytes(code))
    }

    fn byte_or_end(&mut self) -> Result<Option<u8>, NutError> {
        let mut byte = [0];
        match self.input.read_exact(&mut byte) {
            Ok(()) => Ok(Some(byte[0])),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn four(&mut self) -> Result<u32, NutError> {
        let mut four = [0; 4];
        self.input.read_exact(&mut four)?;
        Ok(u32::from_be_bytes(four))
    }

    fn number(&mut self, read: &mut Vec<u8>) -> Result<u64, NutError> {
        let mut value = 0;
        loop {
            let byte = self.byte_or_end()?.ok_or(NutError::Ends)?;
            read.push(byte);
            value = push(value, byte).ok_or(NutError::Damaged("a number"))?;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
    }
}

/// Number and description of a stream; `None` if it has no pictures.
fn stream(body: &[u8]) -> Result<Option<(u64, NutVideo)>, NutError> {
    let read = || {
        let mut body = Numbers(body);
        let (id, class) = (body.next()?, body.next()?);
        let tag = body.bytes()?;
        if class != 0 {
            return Some(None);
        }
        // Time base, shift, distance, delay, flags.
        (0..5).try_for_each(|_| body.next().map(drop))?;
        body.bytes()?;
        let width = u32::try_from(body.next()?).ok()?;
        let height = u32::try_from(body.next()?).ok()?;
        let tag = tag.try_into().ok()?;
        Some(Some((id, NutVideo { width, height, tag })))
    };
    read().ok_or(NutError::Damaged("the description of a stream"))
}
