//! The thread that asks ptp4l.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::Builder;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use onair_api::{EventKind, PtpState};
use onair_dataplane::tai_minus_utc;
use onair_settings::config::{PhcSetting, PtpQuestion};

use super::{PtpClient, Silence, Status, SteeredClock, Tracker, judge};
use crate::sockets::socket_file::SocketFile;

/// Pause between two inquiries.
const PAUSE: Duration = Duration::from_secs(1);
/// A status of this age is no longer true: the thread hangs in a device or in the file system.
const STALE: Duration = Duration::from_secs(15);

/// The status, as the control thread sees it. Dropping it ends the thread after its inquiry, and
/// removes the socket's file.
#[derive(Debug)]
pub struct PtpWatch {
    published: Option<Published>,
    last: Arc<Status>,
    changes: u64,
}

#[derive(Debug)]
struct Published {
    latest: Arc<ArcSwap<(Instant, Arc<Status>)>>,
    _running: Sender<()>,
    _file: SocketFile,
}

impl PtpWatch {
    /// ptp4l is not asked.
    #[must_use]
    pub fn off() -> Self {
        Self {
            published: None,
            last: Arc::new(Status::empty(PtpState::Off, None)),
            changes: 0,
        }
    }

    /// Starts the thread, which asks on `socket`, bound to `file`.
    ///
    /// # Errors
    /// The kernel's: cannot create a thread.
    pub fn start(
        question: PtpQuestion,
        socket: UnixDatagram,
        file: SocketFile,
    ) -> io::Result<Self> {
        let first = Arc::new(Status::empty(PtpState::Absent, None));
        let latest = Arc::new(ArcSwap::from_pointee((Instant::now(), Arc::clone(&first))));
        let (running, ended) = channel::<()>();
        let own = Arc::clone(&latest);
        let PtpQuestion {
            peers,
            domain,
            max_offset_us,
            phc,
        } = question;
        let mut client = PtpClient::new(socket, file.path().to_owned(), peers, domain);
        Builder::new().name("ptp".into()).spawn(move || {
            let mut tracker = Tracker::default();
            loop {
                let status = inquire(&mut client, &mut tracker, max_offset_us, &phc).clone();
                own.store(Arc::new((Instant::now(), Arc::new(status))));
                if ended.recv_timeout(PAUSE) != Err(RecvTimeoutError::Timeout) {
                    break;
                }
            }
        })?;
        Ok(Self {
            published: Some(Published {
                latest,
                _running: running,
                _file: file,
            }),
            last: first,
            changes: 0,
        })
    }

    /// Takes over the newest status. Returns the events since the last call.
    pub fn follow(&mut self, now: Instant) -> Vec<EventKind> {
        let Some(published) = &self.published else {
            return Vec::new();
        };
        let (at, newest) = &**published.latest.load();
        let is_stale = now.saturating_duration_since(*at) > STALE;
        let was_seen = newest.health.state != PtpState::Absent;
        let newest = if is_stale && was_seen {
            let reason = "the thread that asks ptp4l hangs: look at the hardware clock's device";
            Arc::new(Status::empty(PtpState::Lost, Some(reason.to_owned())))
        } else {
            Arc::clone(newest)
        };
        let before = std::mem::replace(&mut self.last, newest);
        if self.last.reference != before.reference {
            self.changes += 1;
        }
        self.last.events_since(&before)
    }

    /// The status of the last [`Self::follow`].
    #[must_use]
    pub fn status(&self) -> &Status {
        &self.last
    }

    /// How often the reference of timestamps has changed.
    #[must_use]
    pub const fn changes(&self) -> u64 {
        self.changes
    }
}

fn inquire<'a>(
    client: &mut PtpClient,
    tracker: &'a mut Tracker,
    max_offset_us: u64,
    phc: &PhcSetting,
) -> &'a Status {
    match client.ask() {
        Ok(reading) => {
            let clock = SteeredClock::of(&reading, phc);
            let judged = judge(&reading, tai_minus_utc(), &clock, max_offset_us);
            let peer = client.peer().map(Path::display);
            let peer = peer.map_or_else(String::new, |it| it.to_string());
            tracker.answered(&reading, peer, &clock, judged)
        }
        Err(silence) => tracker.silent(&Silence::to_string(&silence)),
    }
}
