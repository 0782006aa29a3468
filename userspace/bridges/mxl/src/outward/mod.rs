//! Grains become the units of a send session, or of a local one.
//!
//! A grain that is whole is converted into a free buffer of the session and submitted: a send session sends it at its own
//! cadence, the readers of a local one have it at once. One that its writer calls invalid, that never came, or that changed
//! while it was converted is left out, as the network leaves out a frame. Of an interlaced session the buffers are first and
//! second fields in turn: a field that is not due is left out as well.

mod flow;
mod units;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use onair::{Client, Error, Timeout};
use uuid::Uuid;

pub use flow::{InFlow, ReadError};

use crate::ending::Ending;
use crate::flow::{Format, NotCarried};
use crate::libmxl::Library;
use crate::switch::Switch;
use crate::totals::Totals;
use crate::trouble::Trouble;
use units::Filled;

/// How long a grain waits for a free buffer of the session.
const ROOM: Timeout = Timeout::millis(100);
/// Pause after what does not pass by itself.
const PAUSE: Duration = Duration::from_millis(250);

/// A flow that becomes a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outward {
    /// The flow; `None`: a controller names it.
    pub flow: Option<Uuid>,
    /// The send or local session.
    pub session: String,
    /// The domain.
    pub domain: PathBuf,
}

/// Why a grain was not sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The flow.
    #[error(transparent)]
    Flow(#[from] ReadError),
    /// The session.
    #[error(transparent)]
    Session(#[from] Error),
    /// Its essence is not carried.
    #[error(transparent)]
    NotCarried(#[from] NotCarried),
    /// The pixels.
    #[error(transparent)]
    Pixels(#[from] onair::ConvertError),
    /// The units are not those of the session.
    #[error(
        "the flow has {flow:?}, the session {session:?}: create a session of the flow's format"
    )]
    OtherUnits {
        /// Of the flow.
        flow: Format,
        /// Of the session.
        session: Format,
    },
}

impl Outward {
    /// Fills the session until it is to end. Returns what was counted.
    pub fn run(
        &self,
        library: &Arc<Library>,
        client: &Client,
        (ending, switch): (&Ending, &Switch),
    ) -> Totals {
        let mut trouble = Trouble::default();
        let mut totals = Totals::default();
        let mut open: Option<InFlow> = None;
        let mut session = None;
        while !ending.is_here() {
            let wanted = switch.flow();
            let flow = match (&mut open, wanted) {
                (Some(flow), Some(id)) if flow.id() == id => flow,
                (last, wanted) => {
                    if let Some(flow) = last.take() {
                        totals.missing += flow.missing;
                        totals.openings += flow.openings;
                    }
                    let Some(id) = wanted else {
                        // A session without a filler has no client of this process.
                        session = None;
                        ending.wait(PAUSE);
                        continue;
                    };
                    last.insert(InFlow::new(library, self.domain.clone(), id))
                }
            };
            match self.next(flow, &mut session, client, &mut totals) {
                Ok(true) => trouble.is_over(&self.session),
                Ok(false) => {
                    if flow.format().is_ok_and(|it| it.is_none()) {
                        ending.wait(Duration::from_millis(5));
                    }
                }
                Err(SendError::Session(Error::TimedOut)) => totals.refused += 1,
                Err(error) => {
                    trouble.is(&self.session, &error);
                    if !matches!(error, SendError::Flow(_)) {
                        ending.wait(PAUSE);
                    }
                }
            }
        }
        if let Some(flow) = open {
            totals.missing += flow.missing;
            totals.openings += flow.openings;
        }
        totals
    }

    /// One grain, if it comes. `true`: it was sent.
    fn next(
        &self,
        flow: &mut InFlow,
        session: &mut Option<Filled>,
        client: &Client,
        totals: &mut Totals,
    ) -> Result<bool, SendError> {
        let Some(format) = flow.format()? else {
            return Ok(false);
        };
        let session = match session {
            Some(session) => session,
            None => session.insert(Filled::attach(client, &self.session)?),
        };
        session.send(flow, format, totals)
    }
}
