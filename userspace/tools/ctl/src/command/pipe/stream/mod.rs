//! Audio and ancillary data, buffer by buffer: blocks of samples, or a line of JSON for each frame or field.
//!
//! A buffer is returned before its bytes are written: a reader that is too slow misses buffers, which are counted, and
//! of audio are silence.

mod form;
mod receive;
mod send;

use std::collections::BTreeMap;
use std::sync::Arc;

use onair::{Client, Contents};

use super::Pipe;
use super::counts::Counts;
use super::ending::{Ending, PipeEvent};
use crate::args::Options;
use crate::failure::Failure;
use crate::failure::pipe::PipeFailure;

pub(super) use form::Form;

/// Passes buffers on until something ends it, and sums up.
pub(super) fn run(
    pipe: &Pipe,
    client: &Client,
    form: Form,
    options: &Options,
) -> Result<u8, Failure> {
    let is_plain = pipe.unix.is_none() && pipe.layout.is_none() && !pipe.reattach;
    if !is_plain || pipe.send && form == Form::Lines {
        return Err(PipeFailure::Plain.into());
    }
    let name = pipe.session.to_string();
    let session = match pipe.send {
        true => client.attach_to_fill_of::<Contents>(&name),
        false => client.attach_of::<Contents>(&name, None),
    };
    let session = Arc::new(session.map_err(|error| pipe.not_attached(error))?);
    form.check(session.layout())?;
    if session.is_sender() != pipe.send {
        return Err(PipeFailure::Direction {
            session: session.name().to_owned(),
            sends: !pipe.send,
        }
        .into());
    }
    let (ending, ends) = Ending::of(&session)?;
    let counts = Counts::of(session.name());
    let most = pipe.frames.unwrap_or(u64::MAX);
    let why = if pipe.send {
        let (timeout, passed) = (options.timeout, &counts);
        send::run(&session, form, most, (ending, &ends, timeout), passed)
    } else {
        let Err(why) = receive::run(&session, form, most, &counts);
        // The first reason counts: it is what stopped the session.
        match ends.try_recv() {
            Ok(PipeEvent::End(first)) => first,
            _ => why,
        }
    };
    pipe.sum_up(options, &counts, form.as_str(), BTreeMap::new(), why)
}
