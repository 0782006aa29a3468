//! Samples from standard input to the session, whose clock paces them.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::Duration;

use onair::{AnySession, AudioFormat, Contents, Timeout};
use onair_essence::audio::wav;

use super::Form;
use super::form::block_bytes;
use crate::command::pipe::counts::Counts;
use crate::command::pipe::ending::{Ending, PipeEvent, Why, failed};
use crate::failure::pipe::PipeFailure;

/// Bytes that are read at once while the samples' place is unknown.
const PART: u64 = 4096;

/// Sends at most so many blocks, and waits up to `flush` until the last one is sent. Returns why it ended.
pub(super) fn run(
    session: &Arc<AnySession>,
    form: Form,
    most: u64,
    (ending, ends, flush): (Ending, &Receiver<PipeEvent>, Duration),
    counts: &Arc<Counts>,
) -> Why {
    let (reader, passed) = (Arc::clone(session), Arc::clone(counts));
    thread::spawn(move || {
        let why = pass(&reader, form, most, &passed);
        ending.end(why.unwrap_or_else(|why| why));
    });
    let why = match ends.recv() {
        Ok(PipeEvent::End(why)) => why,
        _ => Why::InputEnded,
    };
    match (&why, session.flush(flush)) {
        // They are sent, or it has ended for the reason that is known.
        (_, Ok(_)) | (Why::Failed(_), _) => why,
        (_, Err(error)) => Why::Failed(PipeFailure::NotFlushed(error)),
    }
}

fn pass(session: &AnySession, form: Form, most: u64, counts: &Counts) -> Result<Why, Why> {
    let Contents::Audio(format) = session.layout() else {
        return Ok(Why::InputEnded);
    };
    let input = samples(format, form, io::stdin().lock());
    let mut input = input.map_err(Why::Failed)?;
    let mut block = Vec::new();
    loop {
        block.clear();
        let bytes = block_bytes(format);
        let read = input.by_ref().take(bytes as u64).read_to_end(&mut block);
        if read.map_err(|error| Why::Failed(PipeFailure::Read(error)))? == 0 {
            return Ok(Why::InputEnded);
        }
        // The rest of the last block is silence.
        block.resize(bytes, 0);
        let buffer = session.buffer_get_mut(Timeout::NEVER);
        let mut buffer = buffer.map_err(|error| failed(session, error))?;
        wav::fill(format, &block, &mut buffer);
        buffer.submit().map_err(|error| failed(session, error))?;
        if counts.passed(bytes) == most {
            return Ok(Why::Enough);
        }
    }
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
