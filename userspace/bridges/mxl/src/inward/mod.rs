//! A session's units become grains.
//!
//! A buffer is had while it is received: each part of a picture, some lines, is converted *into* the grain and shown to its
//! readers at once, so that they may begin before the frame is whole. What ended incomplete is invalid. The index is the
//! unit's time: its RTP timestamp, unwrapped by the daemon. A unit without one has no index, and is left out.

mod flow;
mod units;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use onair::{Client, Contents, Error, Next, OwnedBuffer, Reattaching, Timeout};
use rustix::time::{ClockId, DynamicClockId, clock_gettime, clock_gettime_dynamic};
use uuid::Uuid;

use crate::ending::Ending;
use crate::flow::{Definition, Format};
use crate::libmxl::Library;
use crate::switch::Switch;
use crate::totals::Totals;
use crate::trouble::Trouble;

pub use flow::{FlowError, OutFlow};

/// How often a thread looks whether it is to end.
const LOOK: Timeout = Timeout::millis(100);
/// Pause between attempts to attach for the first time.
const PAUSE: Duration = Duration::from_millis(250);

/// A session that becomes a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inward {
    /// The session.
    pub session: String,
    /// The flow.
    pub flow: Uuid,
    /// Its label; the session's name when absent.
    pub label: Option<String>,
    /// Its group; the label when absent.
    pub group: Option<String>,
    /// The domain.
    pub domain: PathBuf,
    /// Write also while `CLOCK_TAI` shows UTC.
    pub allow_utc: bool,
}

impl Inward {
    /// Writes the flow until it is to end. Returns what was counted.
    pub fn run(
        &self,
        library: &Arc<Library>,
        client: &Client,
        (ending, switch): (&Ending, &Switch),
    ) -> Totals {
        let mut trouble = Trouble::default();
        let mut writing = Writing {
            of: self,
            library,
            flow: None,
            totals: Totals::default(),
        };
        let mut units = None;
        while !ending.is_here() {
            if switch.flow().is_none() {
                units = None;
                writing.rest();
                ending.wait(PAUSE);
                continue;
            }
            let Some(units) = &mut units else {
                match client.reattaching_of::<Contents>(&self.session, None) {
                    Ok(session) => units = Some(session.while_received()),
                    Err(error) => {
                        trouble.is(&self.session, &error);
                        ending.wait(PAUSE);
                    }
                }
                continue;
            };
            match writing.next(units) {
                Ok(true) => trouble.is_over(&self.session),
                Ok(false) => {}
                Err(error) => {
                    if !matches!(error, UnitError::Flow(FlowError::Paused)) {
                        trouble.is(&self.session, &error);
                    }
                    if error.lasts() {
                        ending.wait(PAUSE);
                    }
                }
            }
        }
        writing.rest();
        writing.totals
    }
}

/// Why a unit was not written.
#[derive(Debug, thiserror::Error)]
pub enum UnitError {
    /// The session.
    #[error(transparent)]
    Session(#[from] Error),
    /// A send session has nothing to give.
    #[error("this session sends: name it as the end of an out")]
    Sends,
    /// Its essence is not carried.
    #[error(transparent)]
    NotCarried(#[from] crate::flow::NotCarried),
    /// The pixels.
    #[error(transparent)]
    Pixels(#[from] onair::ConvertError),
    /// The flow.
    #[error(transparent)]
    Flow(#[from] FlowError),
    /// `CLOCK_TAI` shows UTC.
    #[error(
        "CLOCK_TAI shows UTC, so that indices would be 37 s off: have ptp4l or chrony tell the kernel what TAI is, or \
         set allow_utc"
    )]
    Utc,
    /// No time.
    #[error(
        "the units have no time: the sender's clock is more than 10 s from this machine's (onairctl session signal)"
    )]
    Untimed,
}

impl UnitError {
    /// Whether the next unit will have it as well.
    const fn lasts(&self) -> bool {
        matches!(
            self,
            Self::Session(_) | Self::Sends | Self::NotCarried(_) | Self::Utc
        )
    }
}

/// The writing of one session.
#[derive(Debug)]
struct Writing<'a> {
    of: &'a Inward,
    library: &'a Arc<Library>,
    flow: Option<OutFlow>,
    totals: Totals,
}

impl Writing<'_> {
    /// Waits for a unit and writes it. `false`: none came.
    fn next(&mut self, units: &mut Reattaching<Contents>) -> Result<bool, UnitError> {
        let unit = match units.buffer_get(LOOK) {
            Ok(Next::Buffer(unit)) => unit,
            Ok(Next::Resumed(gap, unit)) => {
                tracing::info!(session = self.of.session, ?gap, "the session is back");
                unit
            }
            Err(Error::TimedOut) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        if unit.session().is_sender() {
            return Err(UnitError::Sends);
        }
        let format = Format::of_session(unit.layout())?;
        let is_utc = tai_minus_utc() == 0;
        if is_utc && !self.of.allow_utc {
            return Err(UnitError::Utc);
        }
        let written = self.write(&unit, format, is_utc);
        match &written {
            Ok(()) => {}
            Err(UnitError::Untimed) => self.totals.untimed += 1,
            Err(_) => self.totals.refused += 1,
        }
        written.map(|()| true)
    }

    fn write(
        &mut self,
        unit: &OwnedBuffer<Contents>,
        format: Format,
        is_utc: bool,
    ) -> Result<(), UnitError> {
        let ns = unit.media_time_ns().ok_or(UnitError::Untimed)?;
        let flow = self.flow.get_or_insert_with(|| {
            let label = self.of.label.clone();
            let label = label.unwrap_or_else(|| self.of.session.clone());
            let definition = Definition {
                id: self.of.flow,
                group: self.of.group.clone().unwrap_or_else(|| label.clone()),
                label,
                format,
                is_utc,
            };
            OutFlow::new(self.library, self.of.domain.clone(), definition)
        });
        flow.set(format, is_utc);
        units::write(unit, ns, flow, &mut self.totals)
    }

    /// Lets the flow go.
    fn rest(&mut self) {
        if let Some(flow) = self.flow.take() {
            self.totals.missing += flow.filled;
            self.totals.openings += flow.openings;
        }
    }
}

/// TAI minus UTC in seconds, as the kernel was told; 0: it was not, and `CLOCK_TAI` shows UTC.
#[must_use]
pub(crate) fn tai_minus_utc() -> i64 {
    let utc = clock_gettime(ClockId::Realtime);
    // Every kernel since 3.10 has it.
    let tai = clock_gettime_dynamic(DynamicClockId::Tai).unwrap_or(utc);
    // The two are read one after the other: half a second more is no difference.
    let ns = (tai.tv_sec - utc.tv_sec) * 1_000_000_000 + (tai.tv_nsec - utc.tv_nsec);
    (ns + 500_000_000).div_euclid(1_000_000_000)
}
