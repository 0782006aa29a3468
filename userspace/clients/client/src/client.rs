//! Connections to the daemon.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use onair_api::SessionSpec;
use onair_ipc::label;
use onair_ipc::message::Create;
use onair_pixels::PixelFormat;

use crate::attach::Wanted;
use crate::carries::Carries;
use crate::connection::Connection;
use crate::{AncillarySession, AudioSession, Error, Session};

/// The attach socket of a daemon with the default configuration.
pub const DEFAULT_SOCKET: &str = "/run/onair/attach.sock";
/// Environment variable with the path of another attach socket.
pub const SOCKET_VARIABLE: &str = "ONAIR_ATTACH";
/// Default time for the daemon to answer a request. Attaching includes the time in which the probe
/// arms this process's files.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The daemon's socket and the time-out of requests. It has no connection: each attachment has its
/// own.
///
/// ```no_run
/// use std::time::Duration;
///
/// use onair::Client;
///
/// let client = Client::from_env().response_timeout(Duration::from_secs(5));
/// let session = client.attach("studio")?;
/// # Ok::<(), onair::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    path: PathBuf,
    timeout: Duration,
}

impl Client {
    /// The daemon at the attach socket `path`. This call sends no request.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            timeout: TIMEOUT,
        }
    }

    /// The daemon at `$ONAIR_ATTACH`, or else at [`DEFAULT_SOCKET`].
    #[must_use]
    pub fn from_env() -> Self {
        let path = std::env::var_os(SOCKET_VARIABLE).filter(|path| !path.is_empty());
        Self::at(path.map_or_else(|| PathBuf::from(DEFAULT_SOCKET), PathBuf::from))
    }

    /// The daemon at the attach socket `path`. This call checks that it answers.
    ///
    /// # Errors
    /// [`Error::NoDaemon`], [`Error::NoAnswer`], [`Error::Protocol`] if it speaks another version.
    pub fn connect(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let client = Self::at(path);
        client.check()?;
        Ok(client)
    }

    /// Checks that the daemon answers.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub fn check(&self) -> Result<(), Error> {
        self.open().map(drop)
    }

    /// Sets the time for the daemon to answer a request (default 30 s). It does not limit
    /// `buffer_get` and the other calls that wait in shared memory.
    #[must_use]
    pub fn response_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The attach socket.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Attaches this process to a live session, by name or id.
    ///
    /// # Errors
    /// [`Error::NoSession`], [`Error::Stale`] (an id of the past), [`Error::Refused`] (not allowed,
    /// `limit_reached`, `probe_blind`, …), [`Error::NoDaemon`], [`Error::NoAnswer`],
    /// [`Error::Protocol`].
    pub fn attach(&self, session: &str) -> Result<Session, Error> {
        self.attach_of(session, None)
    }

    /// Attaches this process to a live session, by name or id, of the essence `L`, or of any:
    /// [`Contents`](crate::Contents). With a `format`, as [`Client::attach_as`].
    ///
    /// # Errors
    /// As [`Client::attach_as`]; [`Error::OtherEssence`] if the session carries another essence.
    pub fn attach_of<L: Carries>(
        &self,
        session: &str,
        format: Option<PixelFormat>,
    ) -> Result<Session<L>, Error> {
        self.attach_after(session, format, None)
    }

    /// As [`Client::attach_of`], by a process that attaches again: `after` is the RTP timestamp of the last unit that it
    /// had. It gets the units after that one first which the daemon keeps.
    pub(crate) fn attach_after<L: Carries>(
        &self,
        session: &str,
        format: Option<PixelFormat>,
        after: Option<u32>,
    ) -> Result<Session<L>, Error> {
        let wanted = Wanted {
            format,
            after,
            ..Wanted::default()
        };
        wanted.attach(self.open()?, session, self.timeout)
    }

    /// Attaches this process to a session, to fill its frames: those of a send session, as [`Client::attach`], or those
    /// that the readers of a local session get, which [`Client::attach`] would read. One process fills a session at a
    /// time.
    ///
    /// ```no_run
    /// use onair::{Client, Timeout};
    ///
    /// let mix = Client::from_env().attach_to_fill("mix")?;
    /// let mut frame = mix.buffer_get_mut(Timeout::NEVER)?;
    /// frame.fill(0x80);
    /// frame.submit()?;
    /// # Ok::<(), onair::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Refused`] with `limit_reached` while another process fills it, or can still write to its frames;
    /// [`Error::NotASender`] if the session receives; those of [`Client::attach`].
    pub fn attach_to_fill(&self, session: &str) -> Result<Session, Error> {
        self.attach_to_fill_of(session)
    }

    /// As [`Client::attach_to_fill`], of the essence `L`, or of any: [`Contents`](crate::Contents).
    ///
    /// # Errors
    /// As [`Client::attach_to_fill`]; [`Error::OtherEssence`] if the session carries another essence.
    pub fn attach_to_fill_of<L: Carries>(&self, session: &str) -> Result<Session<L>, Error> {
        Wanted::filler().attach(self.open()?, session, self.timeout)
    }

    /// Attaches this process to a live session, to *sample* it: to take some frames, not all, such as two a second for a
    /// small picture. Of what it does not take the newest frames wait, as many as its quota. No frame counts as lost for it,
    /// and no other client is affected. A quota that it holds for ever is its own. It takes a place of `max_attachments`,
    /// as its loans need memory. To a session that this process is to fill, it attaches as [`Client::attach_to_fill`].
    ///
    /// # Errors
    /// As [`Client::attach`].
    pub fn attach_to_sample(&self, session: &str) -> Result<Session, Error> {
        self.attach_to_sample_of(session, None)
    }

    /// As [`Client::attach_to_sample`], of the essence `L`, or of any: [`Contents`](crate::Contents). With a `format`, as
    /// [`Client::attach_as`].
    ///
    /// # Errors
    /// As [`Client::attach_to_sample`] and [`Client::attach_as`]; [`Error::OtherEssence`] if the session carries another
    /// essence.
    pub fn attach_to_sample_of<L: Carries>(
        &self,
        session: &str,
        format: Option<PixelFormat>,
    ) -> Result<Session<L>, Error> {
        let wanted = Wanted {
            format,
            samples: true,
            ..Wanted::default()
        };
        wanted.attach(self.open()?, session, self.timeout)
    }

    /// Attaches this process to the frames of a receive session in the pixel format `format`: each buffer has
    /// the pixels, in the planes that [`Layout::planes`](crate::Layout::planes) describes. An operator has made a converted
    /// session with these frames, to which this process attaches.
    ///
    /// ```no_run
    /// use onair::{Client, PixelFormat, Timeout};
    ///
    /// let session = Client::from_env().attach_as("studio", PixelFormat::V210)?;
    /// let planes = session.layout().planes(None).expect("it has a pixel format");
    /// let buffer = session.buffer_get(Timeout::NEVER)?;
    /// for plane in planes.all() {
    ///     let line = &buffer[plane.offset..][..plane.stride];
    ///     println!("{} lines, the first one begins with {:x?}", plane.lines, &line[..4]);
    /// }
    /// # Ok::<(), onair::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Refused`] with `not_converted` if there is no such session: the message has the command that makes one; with
    /// `invalid_spec` if there can be none. Those of [`Client::attach`].
    pub fn attach_as(&self, session: &str, format: PixelFormat) -> Result<Session, Error> {
        self.attach_of(session, Some(format))
    }

    /// Creates a session that this process owns, and attaches to it; to a local session, to fill it. The owner may end
    /// the session: [`Session::stop`], join its callers, [`Session::destroy`].
    ///
    /// # Errors
    /// [`Error::Refused`] (`invalid_spec`, `name_taken`, `no_such_port`, `limit_reached`, …), and
    /// those of [`Client::attach`]. If attaching fails the session stays; the daemon's
    /// administrator may destroy it.
    pub fn create(&self, spec: &SessionSpec) -> Result<Session, Error> {
        self.create_of(spec)
    }

    /// As [`Client::create`], of the essence `L`, or of any: [`Contents`](crate::Contents).
    ///
    /// # Errors
    /// As [`Client::create`]; [`Error::OtherEssence`] if the session carries another essence: it stays.
    pub fn create_of<L: Carries>(&self, spec: &SessionSpec) -> Result<Session<L>, Error> {
        let name = spec.name.as_str();
        let wanted = match spec.is_local() {
            true => Wanted::filler(),
            false => Wanted::default(),
        };
        let connection = self.open()?;
        let spec = serde_json::to_value(spec)
            .map_err(|error| Error::Protocol(format!("cannot write the specification: {error}")))?;
        let (created, _) = connection.ask(Create { spec }, name)?;
        label!("create.created");
        wanted.attach(connection, &created.session, self.timeout)
    }

    /// Attaches over a connection that the daemon made: it says to which session, and whether this process fills it. For
    /// the daemon's own converter.
    #[doc(hidden)]
    pub fn attach_over(socket: OwnedFd, fills: bool) -> Result<Session, Error> {
        let client = Self::from_env();
        let connection = Connection::over(socket, client.timeout)?;
        let wanted = Wanted {
            fills,
            ..Wanted::default()
        };
        wanted.attach(connection, "", client.timeout)
    }

    pub(crate) fn open(&self) -> Result<Connection, Error> {
        Connection::open(&self.path, self.timeout)
    }

    /// Attaches this process to a session of audio, by name or id.
    ///
    /// ```no_run
    /// use onair::{Client, Timeout};
    ///
    /// let session = Client::from_env().attach_audio("mic1")?;
    /// let mut samples = vec![0.0_f32; session.layout().block_samples() as usize];
    /// let block = session.buffer_get(Timeout::NEVER)?;
    /// block.audio().channel(0, &mut samples);
    /// # Ok::<(), onair::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Client::attach`]; [`Error::OtherEssence`] if the session carries no audio.
    pub fn attach_audio(&self, session: &str) -> Result<AudioSession, Error> {
        self.attach_of(session, None)
    }

    /// Attaches this process to a session of ancillary data, by name or id.
    ///
    /// ```no_run
    /// use onair::{Client, Timeout};
    ///
    /// let session = Client::from_env().attach_ancillary("cc1")?;
    /// let buffer = session.buffer_get(Timeout::NEVER)?;
    /// for packet in buffer.ancillary()?.iter().filter(|it| !it.record.is_wrong()) {
    ///     println!("line {}: {:x?}", packet.record.place.line, packet.kind());
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Client::attach`]; [`Error::OtherEssence`] if the session carries no ancillary data.
    pub fn attach_ancillary(&self, session: &str) -> Result<AncillarySession, Error> {
        self.attach_of(session, None)
    }
}

impl Session {
    /// Attaches to a live session, by name or id, of the daemon at the attach socket `path`: short
    /// for [`Client::attach`].
    ///
    /// # Errors
    /// As [`Client::attach`].
    pub fn attach(path: impl Into<PathBuf>, session: &str) -> Result<Self, Error> {
        Client::at(path).attach(session)
    }

    /// Creates a session and attaches to it as its owner: short for [`Client::create`].
    ///
    /// # Errors
    /// As [`Client::create`].
    pub fn create(path: impl Into<PathBuf>, spec: &SessionSpec) -> Result<Self, Error> {
        Client::at(path).create(spec)
    }
}
