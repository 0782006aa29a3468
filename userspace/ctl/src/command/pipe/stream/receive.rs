//! From the session to standard output.

use std::io::{self, Write as _};
use std::sync::Arc;

use onair::{AnySession, Timeout};

use super::{Ended, Form, failed};
use crate::document::pipe::Piped;
use crate::failure::pipe::PipeFailure;

/// Writes at most so many buffers.
pub(super) fn run(session: &Arc<AnySession>, form: Form, most: u64, piped: &mut Piped) -> Ended {
    let mut out = io::stdout().lock();
    let mut bytes = form.header(session.layout());
    let mut next = None;
    while piped.frames < most {
        let buffer = session.buffer_get_owned(Timeout::NEVER);
        let buffer = buffer.map_err(|error| failed(session, error))?;
        let missed = next.map_or(0, |next| buffer.number().saturating_sub(next));
        piped.missed_buffers += missed;
        next = Some(buffer.number() + 1);
        piped.incomplete_frames += u64::from(!buffer.status().is_complete());
        Form::write(&buffer, missed, &mut bytes)?;
        drop(buffer);
        match out.write_all(&bytes).and_then(|()| out.flush()) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok("reader_gone"),
            Err(error) => return Err(PipeFailure::Write(error)),
        }
        piped.frames += 1;
        piped.bytes += bytes.len() as u64;
        bytes.clear();
    }
    Ok("enough")
}
