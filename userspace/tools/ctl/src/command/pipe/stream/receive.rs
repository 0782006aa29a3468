//! From the session to standard output.

use std::convert::Infallible;
use std::io::{self, Read as _, Write as _};
use std::sync::Arc;
use std::time::Instant;

use onair::{AnySession, Timeout};

use super::Form;
use super::form::Gaps;
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
    let (mut next, mut gaps) = (None, Gaps::new());
    loop {
        let buffer = session.buffer_get_owned(Timeout::NEVER);
        let buffer = buffer.map_err(|error| failed(session, error))?;
        counts.follow(&mut next, buffer.number());
        counts.came(buffer.status().is_complete());
        let silence = gaps.before(buffer.layout(), buffer.rtp_timestamp(), Instant::now());
        let head = bytes.len();
        Form::write(&buffer, &mut bytes).map_err(Why::Failed)?;
        drop(buffer);
        let (head, samples) = bytes.split_at(head);
        let mut zeros = io::repeat(0).take(silence);
        let written = out
            .write_all(head)
            .and_then(|()| io::copy(&mut zeros, &mut out))
            .and_then(|_| out.write_all(samples))
            .and_then(|()| out.flush());
        counts.add_bytes(usize::try_from(silence).unwrap_or(usize::MAX));
        match written {
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
