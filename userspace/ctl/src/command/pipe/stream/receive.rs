//! From the session to standard output.

use std::convert::Infallible;
use std::io::{self, Write as _};
use std::sync::Arc;

use onair::{AnySession, Timeout};

use super::Form;
use crate::command::pipe::counts::Counts;
use crate::command::pipe::ending::{Why, failed};
use crate::failure::pipe::PipeFailure;

/// Writes at most so many buffers. Returns why it ended.
pub(super) fn run(
    session: &Arc<AnySession>,
    form: Form,
    most: u64,
    counts: &Counts,
) -> Result<Infallible, Why> {
    let mut out = io::stdout().lock();
    let mut bytes = form.header(session.layout());
    let mut next = None;
    loop {
        let buffer = session.buffer_get_owned(Timeout::NEVER);
        let buffer = buffer.map_err(|error| failed(session, error))?;
        let missed = counts.follow(&mut next, buffer.number());
        counts.came(buffer.status().is_complete());
        Form::write(&buffer, missed, &mut bytes).map_err(Why::Failed)?;
        drop(buffer);
        match out.write_all(&bytes).and_then(|()| out.flush()) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Err(Why::ReaderGone),
            Err(error) => return Err(Why::Failed(PipeFailure::Write(error))),
        }
        if counts.passed(bytes.len()) == most {
            return Err(Why::Enough);
        }
        bytes.clear();
    }
}
