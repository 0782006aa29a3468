//! Samples from standard input to the session, whose clock paces them.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use onair::{AnySession, AudioFormat, Contents, Timeout};
use onair_essence::audio::wav;

use super::form::block_bytes;
use super::{Ended, Ends, Form, failed};
use crate::document::pipe::Piped;
use crate::failure::pipe::PipeFailure;

/// Bytes that are read at once while the samples' place is unknown.
const PART: u64 = 4096;

/// Sends at most so many blocks, and waits up to `flush` until the last one is sent.
pub(super) fn run(
    session: &Arc<AnySession>,
    form: Form,
    most: u64,
    (ends, flush): (&Ends, Duration),
    piped: &mut Piped,
) -> Ended {
    let (tell, counts) = (ends.tell.clone(), Arc::new(AtomicU64::new(0)));
    let (reader, sent) = (Arc::clone(session), Arc::clone(&counts));
    thread::spawn(move || drop(tell.send(pass(&reader, form, most, &sent))));
    let ended = ends.told.recv().unwrap_or(Ok("input_ended"));
    let flushed = session.flush(flush);
    piped.frames = counts.load(Ordering::Relaxed);
    if let Contents::Audio(format) = session.layout() {
        piped.bytes = piped.frames * block_bytes(format) as u64;
    }
    match flushed {
        Err(error) if ended.is_ok() => Err(PipeFailure::NotFlushed(error)),
        _ => ended,
    }
}

fn pass(session: &AnySession, form: Form, most: u64, sent: &AtomicU64) -> Ended {
    let Contents::Audio(format) = session.layout() else {
        return Ok("input_ended");
    };
    let mut input = samples(format, form, io::stdin().lock())?;
    let mut block = Vec::new();
    while sent.load(Ordering::Relaxed) < most {
        block.clear();
        let bytes = block_bytes(format);
        let read = input.by_ref().take(bytes as u64).read_to_end(&mut block);
        if read.map_err(PipeFailure::Read)? == 0 {
            return Ok("input_ended");
        }
        // The rest of the last block is silence.
        block.resize(bytes, 0);
        let buffer = session.buffer_get_mut(Timeout::NEVER);
        let mut buffer = buffer.map_err(|error| failed(session, error))?;
        wav::fill(format, &block, &mut buffer);
        buffer.submit().map_err(|error| failed(session, error))?;
        sent.fetch_add(1, Ordering::Relaxed);
    }
    Ok("enough")
}

/// The samples of the input.
fn samples(
    format: &AudioFormat,
    form: Form,
    mut input: impl Read,
) -> Result<impl Read, PipeFailure> {
    let (mut head, mut bytes) = (Vec::new(), None);
    if form == Form::Wav {
        let found = loop {
            if let Some(found) = wav::read(format, &head).map_err(PipeFailure::NotWav)? {
                break found;
            }
            let read = input.by_ref().take(PART).read_to_end(&mut head);
            if read.map_err(PipeFailure::Read)? == 0 {
                return Err(PipeFailure::NotWav(wav::NotWav::Incomplete));
            }
        };
        head.drain(..found.start);
        bytes = found.bytes;
    }
    let all = io::Cursor::new(head).chain(input);
    Ok(all.take(bytes.unwrap_or(u64::MAX)))
}
