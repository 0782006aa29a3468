//! One attachment: what is asked for, the probe's challenge, and the memory that is granted.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use onair_api::SessionId;
use onair_ipc::caller::Attachment;
use onair_ipc::message::{Attach, Attached, ChallengeOrAttached, DESCRIPTORS, Proved};
use onair_ipc::{label, membarrier, site};
use onair_pixels::PixelFormat;

use crate::carries::{Carries, LayoutError};
use crate::connection::Connection;
use crate::link::Line;
use crate::{Error, Session};

/// Purpose of a process that attaches.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wanted {
    /// Pixel format of the buffers.
    pub(crate) format: Option<PixelFormat>,
    /// RTP timestamp of the last unit that it had.
    pub(crate) after: Option<u32>,
    /// It fills frames.
    pub(crate) fills: bool,
    /// It takes some frames, not all.
    pub(crate) samples: bool,
}

impl Wanted {
    /// To fill frames.
    pub(crate) fn filler() -> Self {
        Self {
            fills: true,
            ..Self::default()
        }
    }

    /// Attaches over a connection that has asked for nothing yet. `timeout` is that of the session's later requests.
    ///
    /// # Errors
    /// Those of `Client::attach_of`.
    pub(crate) fn attach<L: Carries>(
        self,
        connection: Connection,
        session: &str,
        timeout: Duration,
    ) -> Result<Session<L>, Error> {
        let Wanted {
            format,
            after,
            fills,
            samples,
        } = self;
        let request = Attach {
            session: session.to_owned(),
            layout: format.map(|it| it.ffmpeg().to_owned()),
            after,
            fills,
            samples,
        };
        let (attached, descriptors) = match connection.ask(request, session)? {
            (ChallengeOrAttached::Attached(attached), descriptors) => (attached, descriptors),
            (ChallengeOrAttached::Challenge(challenge), _) => {
                let token = SessionToken::parse(&challenge.token)?;
                label!("attach.challenged");
                site::canary(token.0);
                label!("attach.canary_passed");
                connection.ask(Proved {}, session)?
            }
        };
        if fills && !attached.sends {
            return Err(Error::NotASender(attached.name));
        }
        let id: SessionId = attached
            .session
            .parse()
            .map_err(|error| Error::Protocol(format!("{error}")))?;
        let layout = L::of(&attached).map_err(|what| match what {
            LayoutError::Essence(carries) => Error::OtherEssence {
                session: attached.name.clone(),
                carries,
            },
            what => Error::Protocol(format!("invalid description of the session: {what}")),
        })?;
        if let Some(format) = format.filter(|it| layout.pixel_format() != Some(*it)) {
            let got = attached.layout.as_deref().unwrap_or("pixel groups");
            return Err(Error::Protocol(format!(
                "{format} was asked for, and the buffers are in {got}"
            )));
        }
        label!("attach.described");
        let attachment = map(&attached, id, descriptors, connection)?;
        label!("attach.done");
        Ok(Session::new(
            attachment,
            attached,
            id,
            layout,
            Line::new(),
            timeout,
        ))
    }
}

/// The token of a challenge: 16 hex digits.
struct SessionToken(u64);

impl SessionToken {
    fn parse(text: &str) -> Result<Self, Error> {
        Some(text)
            .filter(|text| text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|text| u64::from_str_radix(text, 16).ok())
            .map(Self)
            .ok_or_else(|| Error::Protocol("the challenge is not 16 hex digits".into()))
    }
}

fn map(
    attached: &Attached,
    id: SessionId,
    descriptors: Vec<OwnedFd>,
    connection: Connection,
) -> Result<Arc<Attachment>, Error> {
    let count = descriptors.len();
    let Ok(files) = descriptors.try_into() else {
        return Err(Error::Protocol(format!(
            "{count} descriptors came with the attachment instead of {DESCRIPTORS}"
        )));
    };
    // For each attachment: a forked child has to register itself.
    label!("attach.before_register");
    let membarrier = membarrier::register();
    label!("attach.registered");
    Attachment::map(attached, id.0, files, connection.into_socket(), membarrier)
        .map_err(Error::from)
}
