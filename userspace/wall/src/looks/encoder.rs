//! Compresses pictures, on a thread of its own: frames do not wait for it.

use std::io;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread;

use onair_api::SessionId;

use super::essence::Pixels;
use super::{Looks, Seen};

/// Pictures that wait. One that finds no place is not shown: the next one is not far.
const WAITING: usize = 64;

type Work = (SessionId, Pixels, Seen);

/// The thread, which ends with this.
#[derive(Debug)]
pub(super) struct Encoder(SyncSender<Work>);

impl Encoder {
    pub(super) fn start(looks: Looks) -> io::Result<Self> {
        let (sender, work) = sync_channel::<Work>(WAITING);
        let run = move || {
            for (id, pixels, seen) in work {
                match pixels.jpeg() {
                    Ok(jpeg) => looks.publish(id, seen, jpeg),
                    Err(error) => looks.say(id, &format!("The picture is not shown: {error}.")),
                }
            }
        };
        let thread = thread::Builder::new().name("wall-encode".to_owned());
        thread.spawn(run)?;
        Ok(Self(sender))
    }

    pub(super) fn encode(&self, work: Work) {
        if let Err(TrySendError::Full((id, ..))) = self.0.try_send(work) {
            tracing::debug!(%id, "a picture is left out: the encoder is behind");
        }
    }
}
