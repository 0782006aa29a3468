//! The element's calls.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use gstreamer as gst;
use gstreamer::subclass::prelude::*;
use gstreamer::{FlowError, FlowSuccess, glib};
use gstreamer_base::prelude::*;
use gstreamer_base::subclass::prelude::*;
use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;
use onair::{AnySession, AudioFormat, Contents, Error, Layout, PixelFormat, SendError, Timeout};

use crate::attachment::attach_again;
use crate::formats::{chosen, has_fields};
use crate::media::{caps, fill, pads, template};
use crate::settings::{self, Settings, locked, message};
use crate::sound;

/// How long the last frames may take at the end of the stream.
const LAST_FRAMES: Duration = Duration::from_secs(2);
/// A frame that is later than this is not sent.
const LATEST: gst::ClockTime = gst::ClockTime::from_mseconds(20);
/// How long a wait lasts before it looks whether the pipeline still wants it.
const LOOK: u32 = 100;

#[derive(Default)]
struct State {
    format: Option<(PixelFormat, gst_video::VideoInfo)>,
    /// A frame whose lines lie elsewhere than the session's.
    pixels: Vec<u8>,
    /// Samples that fill no block yet.
    samples: Vec<u8>,
}

/// `onairsink`.
#[derive(Default)]
pub(crate) struct OnAirSink {
    settings: Mutex<Settings>,
    state: Mutex<State>,
    session: Mutex<Option<Arc<AnySession>>>,
    /// What it had at the start.
    contents: Mutex<Option<Contents>>,
    flushing: AtomicBool,
}

#[glib::object_subclass]
impl ObjectSubclass for OnAirSink {
    const NAME: &'static str = "GstOnAirSink";
    type Type = super::OnAirSink;
    type ParentType = gstreamer_base::BaseSink;
}

impl ObjectImpl for OnAirSink {
    fn properties() -> &'static [glib::ParamSpec] {
        static ALL: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(settings::properties);
        &ALL
    }

    fn set_property(&self, _: usize, value: &glib::Value, spec: &glib::ParamSpec) {
        settings::set(&self.settings, spec.name(), value);
    }

    fn property(&self, _: usize, spec: &glib::ParamSpec) -> glib::Value {
        settings::get(&self.settings, spec.name())
    }

    fn constructed(&self) {
        self.parent_constructed();
        let sink = self.obj();
        sink.set_qos(true);
        sink.set_max_lateness(i64::try_from(LATEST.nseconds()).unwrap_or(-1));
    }
}

impl GstObjectImpl for OnAirSink {}

impl ElementImpl for OnAirSink {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static IT: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "OnAir sink",
                "Sink/Audio/Video",
                "Sends frames in a send session of OnAir",
                "OnAir",
            )
        });
        Some(&IT)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static ALL: LazyLock<Vec<gst::PadTemplate>> =
            LazyLock::new(|| pads("sink", gst::PadDirection::Sink));
        &ALL
    }
}

impl BaseSinkImpl for OnAirSink {
    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let settings = locked(&self.settings).clone();
        let session = settings
            .client()
            .attach_of::<Contents>(&settings.session, None);
        let session = session
            .map(Arc::new)
            .map_err(|error| not_attached(&error))?;
        if !session.is_sender() {
            let name = session.name();
            return Err(gst::error_msg!(
                gst::ResourceError::Settings,
                ["session {name} receives: use onairsrc"]
            ));
        }
        caps(session.layout(), false).map_err(|error| message(&error))?;
        *locked(&self.contents) = Some(session.layout().clone());
        *locked(&self.session) = Some(session);
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        *locked(&self.session) = None;
        *locked(&self.contents) = None;
        *locked(&self.state) = State::default();
        Ok(())
    }

    fn caps(&self, filter: Option<&gst::Caps>) -> Option<gst::Caps> {
        let contents = locked(&self.contents).clone();
        let own = match contents {
            Some(contents) => caps(&contents, false).ok()?,
            None => template(),
        };
        Some(match filter {
            Some(filter) => filter.intersect_with_mode(&own, gst::CapsIntersectMode::First),
            None => own,
        })
    }

    fn set_caps(&self, caps: &gst::Caps) -> Result<(), gst::LoggableError> {
        let format = match chosen(caps) {
            Some(format) => Some((format, gst_video::VideoInfo::from_caps(caps)?)),
            None => None,
        };
        locked(&self.state).format = format;
        Ok(())
    }

    fn propose_allocation(
        &self,
        query: &mut gst::query::Allocation,
    ) -> Result<(), gst::LoggableError> {
        // Lines may lie anywhere.
        query.add_allocation_meta::<gst_video::VideoMeta>(None);
        self.parent_propose_allocation(query)
    }

    fn event(&self, event: gst::Event) -> bool {
        let session = locked(&self.session).clone();
        match (event.view(), session) {
            (gst::EventView::Eos(_), Some(session)) => {
                let sent = self.send_rest(&session);
                if let Err(error) = sent.and_then(|()| session.flush(LAST_FRAMES)) {
                    gst::element_imp_warning!(
                        self,
                        gst::ResourceError::Write,
                        ["the last frames were not sent: {error}"]
                    );
                }
            }
            (gst::EventView::FlushStop(_), _) => locked(&self.state).samples.clear(),
            _ => {}
        }
        self.parent_event(event)
    }

    fn render(&self, buffer: &gst::Buffer) -> Result<FlowSuccess, FlowError> {
        let mut state = locked(&self.state);
        if let Some(Contents::Audio(_)) = &*locked(&self.contents) {
            let bytes = buffer.map_readable().map_err(|_| FlowError::Error)?;
            state.samples.extend_from_slice(&bytes);
        }
        loop {
            if self.flushing.load(Ordering::SeqCst) {
                // Until the pipeline plays again; an end of it is the error.
                self.obj().wait_preroll()?;
                continue;
            }
            let session = locked(&self.session).clone();
            let session = session.map_or_else(|| self.attach_again(), Ok)?;
            let Some(error) = self.send(&session, &mut state, buffer)? else {
                return Ok(FlowSuccess::Ok);
            };
            match error {
                _ if self.flushing.load(Ordering::SeqCst) => {}
                Error::TimedOut => {}
                Error::Stopped => self.wait_started(&session),
                error => {
                    drop(session);
                    self.leave(&error)?;
                }
            }
        }
    }

    fn unlock(&self) -> Result<(), gst::ErrorMessage> {
        self.flushing.store(true, Ordering::SeqCst);
        if let Some(session) = &*locked(&self.session) {
            session.stop();
        }
        Ok(())
    }

    fn unlock_stop(&self) -> Result<(), gst::ErrorMessage> {
        self.flushing.store(false, Ordering::SeqCst);
        if let Some(session) = &*locked(&self.session) {
            session.start();
        }
        Ok(())
    }
}

static CATEGORY: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "onairsink",
        gst::DebugColorFlags::empty(),
        Some("OnAir sink"),
    )
});

impl OnAirSink {
    /// Sends a frame. The error is the session's.
    fn send(
        &self,
        session: &AnySession,
        state: &mut State,
        buffer: &gst::Buffer,
    ) -> Result<Option<Error>, FlowError> {
        match session.layout() {
            Contents::Video(layout) => self.send_picture(session, layout, state, buffer),
            Contents::Audio(format) => Ok(send_blocks(session, format, &mut state.samples).err()),
            Contents::Ancillary(_) | Contents::JpegXs(_) => self.send_unit(session, buffer),
        }
    }

    /// Sends what a pipeline gives for one frame or field. The error is the session's.
    fn send_unit(
        &self,
        session: &AnySession,
        buffer: &gst::Buffer,
    ) -> Result<Option<Error>, FlowError> {
        let given = buffer.map_readable().map_err(|_| FlowError::Error)?;
        let mut unit = match session.buffer_get_mut(Timeout::NEVER) {
            Ok(unit) => unit,
            Err(error) => return Ok(Some(error)),
        };
        if let Err(error) = fill(session.layout(), &given, &mut unit) {
            gst::element_imp_error!(self, gst::StreamError::Format, ["{error}"]);
            return Err(FlowError::Error);
        }
        Ok(unit.submit().err())
    }

    /// Sends what fills no block, with silence behind it.
    fn send_rest(&self, session: &AnySession) -> Result<(), Error> {
        let samples = &mut locked(&self.state).samples;
        match session.layout() {
            Contents::Audio(format) if !samples.is_empty() => {
                samples.resize(sound::block_bytes(format), 0);
                send_blocks(session, format, samples)
            }
            _ => Ok(()),
        }
    }

    fn send_picture(
        &self,
        session: &AnySession,
        layout: &Layout,
        state: &mut State,
        buffer: &gst::Buffer,
    ) -> Result<Option<Error>, FlowError> {
        let (format, info) = state.format.as_ref().ok_or(FlowError::NotNegotiated)?;
        let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, info);
        let frame = frame.map_err(|_| {
            gst::element_imp_error!(
                self,
                gst::StreamError::Format,
                ["a buffer does not hold a frame"]
            );
            FlowError::Error
        })?;
        if has_fields(layout) && !frame.is_tff() {
            gst::element_imp_error!(
                self,
                gst::StreamError::Format,
                ["the lower field is first in time: the session sends the upper one first"]
            );
            return Err(FlowError::NotSupported);
        }
        let planes = format.planes(&layout.frame_picture());
        state.pixels.resize(planes.bytes, 0);
        for (at, plane) in planes.all().iter().enumerate() {
            let at = u32::try_from(at).map_err(|_| FlowError::Error)?;
            let from = frame.plane_data(at).map_err(|_| FlowError::Error)?;
            let stride = frame.plane_stride()[at as usize];
            let stride = usize::try_from(stride).map_err(|_| FlowError::NotSupported)?;
            let to = &mut state.pixels[plane.offset..plane.offset + plane.stride * plane.lines];
            let lines = to.chunks_exact_mut(plane.stride).zip(from.chunks(stride));
            for (to, from) in lines {
                let bytes = to.len().min(from.len());
                to[..bytes].copy_from_slice(&from[..bytes]);
            }
        }
        match session.send_frame(*format, &state.pixels, Timeout::NEVER) {
            Ok(()) => Ok(None),
            Err(SendError::Session(error)) => Ok(Some(error)),
            Err(SendError::Pixels(error)) => {
                gst::element_imp_error!(self, gst::StreamError::Format, ["{error}"]);
                Err(FlowError::Error)
            }
        }
    }

    fn wait_started(&self, session: &AnySession) {
        while !self.flushing.load(Ordering::SeqCst) {
            match session.wait_started(Timeout::millis(LOOK)) {
                Err(Error::TimedOut) => {}
                // The next call says what it is.
                Ok(()) | Err(_) => return,
            }
        }
    }

    /// The session has ended: that is an error, unless another attempt is wanted.
    fn leave(&self, error: &Error) -> Result<(), FlowError> {
        if !locked(&self.settings).reconnect || !error.may_pass() {
            self.post_error_message(not_attached(error));
            return Err(FlowError::Error);
        }
        gst::warning!(CATEGORY, imp = self, "{error}");
        // The daemon counts the old attachment until it is dropped.
        *locked(&self.session) = None;
        Ok(())
    }

    /// Attaches to what has the session's name now.
    fn attach_again(&self) -> Result<Arc<AnySession>, FlowError> {
        let settings = locked(&self.settings).clone();
        let client = settings.client();
        let attach = || client.attach_of(&settings.session, None).map(Arc::new);
        let again = attach_again(attach, &self.flushing).map_err(|error| {
            self.post_error_message(not_attached(&error));
            FlowError::Error
        })?;
        let session = again.ok_or(FlowError::Flushing)?;
        let now = session.layout();
        if locked(&self.contents).as_ref() != Some(now) {
            gst::element_imp_error!(
                self,
                gst::StreamError::Format,
                ["the session has {now}, and had another format"]
            );
            return Err(FlowError::NotNegotiated);
        }
        *locked(&self.session) = Some(session.clone());
        Ok(session)
    }
}

/// Sends the whole blocks of what waits, the oldest first.
fn send_blocks(
    session: &AnySession,
    format: &AudioFormat,
    samples: &mut Vec<u8>,
) -> Result<(), Error> {
    let bytes = sound::block_bytes(format);
    while samples.len() >= bytes {
        let mut buffer = session.buffer_get_mut(Timeout::NEVER)?;
        sound::fill(format, &samples[..bytes], &mut buffer);
        buffer.submit()?;
        samples.drain(..bytes);
    }
    Ok(())
}

fn not_attached(error: &Error) -> gst::ErrorMessage {
    match error {
        Error::NoSession { .. } => gst::error_msg!(gst::ResourceError::NotFound, ["{error}"]),
        Error::NoDaemon { .. } => gst::error_msg!(gst::ResourceError::OpenWrite, ["{error}"]),
        _ => gst::error_msg!(gst::ResourceError::Write, ["{error}"]),
    }
}
