//! Compresses pictures, on a thread of its own: frames do not wait for it.

use std::io;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread;

use axum::body::Bytes;
use onair_api::SessionId;

use super::essence::Pixels;
use super::{LookContent, Looks};

/// Pictures that wait. One that finds no place is not shown: the next one is not far.
const WAITING: usize = 64;

/// A picture or sound to compress.
pub(super) enum Work {
    Pixels(Pixels, LookContent),
    /// A snapshot as the daemon made it, to be so wide.
    Png(Bytes, u16),
}

/// The thread, which ends with the last clone of this.
#[derive(Clone, Debug)]
pub(super) struct Encoder(SyncSender<(SessionId, Work)>);

impl Encoder {
    pub(super) fn start(looks: Looks) -> io::Result<Self> {
        let (sender, work) = sync_channel::<(SessionId, Work)>(WAITING);
        let run = move || {
            for (id, work) in work {
                match jpeg(work) {
                    Ok((seen, jpeg)) => looks.publish(id, seen, jpeg),
                    Err(why) => looks.say(id, &why),
                }
            }
        };
        let thread = thread::Builder::new().name("wall-encode".to_owned());
        thread.spawn(run)?;
        Ok(Self(sender))
    }

    pub(super) fn encode(&self, id: SessionId, work: Work) {
        if let Err(TrySendError::Full((id, ..))) = self.0.try_send((id, work)) {
            tracing::debug!(%id, "a picture is left out: the encoder is behind");
        }
    }
}

fn jpeg(work: Work) -> Result<(LookContent, Bytes), String> {
    let (pixels, seen) = match work {
        Work::Pixels(pixels, seen) => (pixels, seen),
        Work::Png(png, width) => {
            let pixels = Pixels::of_png(&png, width);
            let pixels = pixels.ok_or("No picture: the daemon's snapshot is unknown.")?;
            let seen = LookContent::Picture {
                number: None,
                complete: true,
                size: pixels.size,
            };
            (pixels, seen)
        }
    };
    let jpeg = pixels.jpeg();
    let jpeg = jpeg.map_err(|error| format!("The picture is not shown: {error}."))?;
    Ok((seen, jpeg))
}
