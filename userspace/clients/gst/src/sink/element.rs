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
use onair::{
    AnySession, AudioFormat, Contents, Error, FrameError, Layout, Pictured as _, PixelFormat,
    Timeout,
};

use crate::attachment::attach_again;
use crate::data::{Alignment, Gathered, is_other_rate};
use crate::formats::{chosen, has_fields};
use crate::media::{caps, fill, pads, template};
use crate::settings::{self, Settings, locked, message};
use crate::sound;

use super::local::specification;

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
    /// Ancillary data.
    gathered: Gathered,
}

/// `onairsink`.
#[derive(Default)]
pub(crate) struct OnAirSink {
    settings: Mutex<Settings>,
    /// It makes a local session if there is none of the name.
    local: AtomicBool,
    state: Mutex<State>,
    session: Mutex<Option<Arc<AnySession>>>,
    /// Its contents at the start.
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
        static ALL: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            let local = glib::ParamSpecBoolean::builder("local")
                .nick("Local")
                .blurb(
                    "If there is no session of the name: create a local one of the pipeline's caps. It stays \
                     when the pipeline ends",
                )
                .mutable_ready()
                .build();
            settings::properties().into_iter().chain([local]).collect()
        });
        &ALL
    }

    fn set_property(&self, _: usize, value: &glib::Value, spec: &glib::ParamSpec) {
        match spec.name() {
            "local" => {
                let local = value.get().unwrap_or_default();
                self.local.store(local, Ordering::SeqCst);
            }
            name => settings::set(&self.settings, name, value),
        }
    }

    fn property(&self, _: usize, spec: &glib::ParamSpec) -> glib::Value {
        match spec.name() {
            "local" => self.local.load(Ordering::SeqCst).to_value(),
            name => settings::get(&self.settings, name),
        }
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
                "Sends frames in a send session of OnAir, or fills a local one",
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
            .attach_to_fill_of::<Contents>(&settings.session);
        let session = match session {
            Ok(session) => session,
            // The caps say what to create.
            Err(Error::NoSession { .. } | Error::Stale) if self.local.load(Ordering::SeqCst) => {
                return Ok(());
            }
            Err(Error::NotASender(name)) => {
                return Err(gst::error_msg!(
                    gst::ResourceError::Settings,
                    ("session {name} receives: use onairsrc")
                ));
            }
            Err(error) => return Err(not_attached(&error)),
        };
        caps(session.layout(), false).map_err(|error| message(&error))?;
        self.fills(session);
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
            Some(contents) => {
                let mut own = caps(&contents, false).ok()?;
                own.merge(of_another_scan(&contents, &own));
                own
            }
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
        if locked(&self.contents).is_none() {
            let session = self.create(caps).inspect_err(|why| {
                gst::element_imp_error!(self, gst::StreamError::Format, ("{why}"));
            });
            self.fills(session.map_err(|why| gst::loggable_error!(CATEGORY, "{why}"))?);
        }
        let contents = locked(&self.contents).clone();
        if let Some(why) = contents.and_then(|it| not_sent(&it, caps)) {
            gst::element_imp_error!(self, gst::StreamError::Format, ("{why}"));
            return Err(gst::loggable_error!(CATEGORY, "{why}"));
        }
        let mut state = locked(&self.state);
        (state.format, state.gathered.alignment) = (format, Alignment::of(caps));
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
                        ("the last frames were not sent: {error}")
                    );
                }
            }
            (gst::EventView::FlushStop(_), _) => {
                let mut state = locked(&self.state);
                state.samples.clear();
                state.gathered.clear();
            }
            _ => {}
        }
        self.parent_event(event)
    }

    fn render(&self, buffer: &gst::Buffer) -> Result<FlowSuccess, FlowError> {
        let mut state = locked(&self.state);
        let bytes = || buffer.map_readable().map_err(|_| FlowError::Error);
        match &*locked(&self.contents) {
            Some(Contents::Audio(_)) => state.samples.extend_from_slice(&bytes()?),
            Some(Contents::Ancillary(_)) => state.gathered.add(buffer, &bytes()?),
            _ => {}
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
    fn fills(&self, session: AnySession) {
        *locked(&self.contents) = Some(session.layout().clone());
        *locked(&self.session) = Some(Arc::new(session));
    }

    /// Makes a local session of the pipeline's caps, and fills it.
    fn create(&self, caps: &gst::CapsRef) -> Result<AnySession, String> {
        let settings = locked(&self.settings).clone();
        let specification = specification(&settings.session, caps).map_err(|it| it.to_string())?;
        let created = settings.client().create_of(&specification);
        created.map_err(|error| error.to_string())
    }

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
            Contents::Ancillary(_) => self.send_gathered(session, &mut state.gathered),
            Contents::JpegXs(_) => {
                let given = buffer.map_readable().map_err(|_| FlowError::Error)?;
                self.send_unit(session, &given)
            }
        }
    }

    /// Sends the frames that are whole, the oldest first. The error is the session's.
    fn send_gathered(
        &self,
        session: &AnySession,
        gathered: &mut Gathered,
    ) -> Result<Option<Error>, FlowError> {
        while let Some(frame) = gathered.frames.first() {
            if let Some(error) = self.send_unit(session, frame)? {
                return Ok(Some(error));
            }
            gathered.frames.remove(0);
        }
        Ok(None)
    }

    /// Sends what a pipeline gives for one frame or field. The error is the session's.
    fn send_unit(&self, session: &AnySession, given: &[u8]) -> Result<Option<Error>, FlowError> {
        let mut unit = match session.buffer_get_mut(Timeout::NEVER) {
            Ok(unit) => unit,
            Err(error) => return Ok(Some(error)),
        };
        if let Err(error) = fill(session.layout(), given, &mut unit) {
            gst::element_imp_error!(self, gst::StreamError::Format, ("{error}"));
            return Err(FlowError::Error);
        }
        Ok(unit.submit().err())
    }

    /// Sends what fills no block, with silence behind it.
    fn send_rest(&self, session: &AnySession) -> Result<(), Error> {
        let state = &mut *locked(&self.state);
        let samples = &mut state.samples;
        match session.layout() {
            Contents::Ancillary(_) => {
                state.gathered.end();
                let sent = self.send_gathered(session, &mut state.gathered);
                sent.ok().flatten().map_or(Ok(()), Err)
            }
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
                ("a buffer does not hold a frame")
            );
            FlowError::Error
        })?;
        if has_fields(layout) && !frame.is_tff() {
            gst::element_imp_error!(
                self,
                gst::StreamError::Format,
                ("the lower field is first in time: the session sends the upper one first")
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
            Err(FrameError::Session(error)) => Ok(Some(error)),
            Err(FrameError::Pixels(error)) => {
                gst::element_imp_error!(self, gst::StreamError::Format, ("{error}"));
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
        let caps = self.obj().sink_pad().current_caps();
        let caps = caps.filter(|_| self.local.load(Ordering::SeqCst));
        let attach = || {
            let found = client.attach_to_fill_of(&settings.session);
            let session = match (found, &caps) {
                // It was destroyed, or a daemon that started anew knows it no more.
                (Err(Error::NoSession { .. } | Error::Stale), Some(caps)) => {
                    // The caps were those of a session before.
                    let made = specification(&settings.session, caps).map_err(|_| Error::Stale);
                    made.and_then(|it| client.create_of(&it))
                }
                (found, _) => found,
            };
            session.map(Arc::new)
        };
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
                ("the session has {now}, and had another format")
            );
            return Err(FlowError::NotNegotiated);
        }
        *locked(&self.session) = Some(session.clone());
        Ok(session)
    }
}

/// The session's caps, but for the scan: a pipeline that has one of these is told what is wrong with it.
fn of_another_scan(contents: &Contents, own: &gst::Caps) -> gst::Caps {
    let Some(layout) = contents.pictures() else {
        return gst::Caps::new_empty();
    };
    let others = match has_fields(layout) {
        true => gst::List::new(["progressive"]),
        false => gst::List::new(["interleaved", "mixed"]),
    };
    let mut caps = own.clone();
    caps.make_mut().set("interlace-mode", others);
    caps
}

/// Why video or data of these caps is not sent, although their other fields fit.
fn not_sent(contents: &Contents, caps: &gst::CapsRef) -> Option<String> {
    if let Contents::Ancillary(stream) = contents {
        let text = || format!("the pipeline has another frame rate than the session: {stream}");
        return is_other_rate(stream, caps).then(text);
    }
    let layout = contents.pictures()?;
    let structure = caps.structure(0)?;
    let is = |field: &str, value: &str| structure.get::<&str>(field).is_ok_and(|it| it == value);
    let is_progressive = structure
        .get::<&str>("interlace-mode")
        .map_or(true, |it| it == "progressive");
    match (has_fields(layout), is_progressive) {
        (true, true) => Some(format!(
            "the pipeline's video is progressive, and the session is interlaced: put interlace before onairsink, or \
             create a session without interlace ({contents})"
        )),
        (false, false) => Some(format!(
            "the pipeline's video is interlaced, and the session is progressive: put deinterlace before onairsink, or \
             create an interlaced session ({contents})"
        )),
        (true, false) if is("field-order", "bottom-field-first") => {
            Some("the lower field is first in time: the session sends the upper one first".into())
        }
        _ => None,
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
        Error::NoSession { .. } => gst::error_msg!(gst::ResourceError::NotFound, ("{error}")),
        Error::NoDaemon { .. } => gst::error_msg!(gst::ResourceError::OpenWrite, ("{error}")),
        _ => gst::error_msg!(gst::ResourceError::Write, ("{error}")),
    }
}
