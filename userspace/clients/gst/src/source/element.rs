//! The element's calls.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer::subclass::prelude::*;
use gstreamer::{FlowError, glib};
use gstreamer_base::prelude::*;
use gstreamer_base::subclass::base_src::CreateSuccess;
use gstreamer_base::subclass::prelude::*;
use onair::{
    AnySession, Contents, Error, FrameError, OwnedBuffer, OwnedFrame, PixelFormat, Timeout,
};

use super::flow::Flow;
use crate::attachment::{attach_again, attach_as};
use crate::data::Alignment;
use crate::formats::chosen;
use crate::media::{are_alike, caps, frame_time, has_fields, is_readable, pads, template};
use crate::settings::{self, Settings, locked, message};

/// Frames that the pipeline may hold: half of a session's default quota.
const LOANS: u32 = 2;
/// How long a wait for a start lasts before it looks whether the pipeline still wants it.
const LOOK: u32 = 100;

/// The negotiated formats of pictures and of ancillary data.
type Chosen = (Option<PixelFormat>, Alignment);

#[derive(Default)]
pub(super) struct State {
    /// From the start on: what the session has.
    contents: Option<Contents>,
    /// The negotiated format: of pictures, and of ancillary data.
    format: Option<PixelFormat>,
    alignment: Alignment,
    /// From then on. Before, an attachment would only lose frames.
    flow: Option<Flow>,
}

/// `onairsrc`.
pub(crate) struct OnAirSrc {
    settings: Mutex<Settings>,
    loans: Mutex<u32>,
    state: Mutex<State>,
    flushing: AtomicBool,
    /// The pipeline plays again: what waits is of before.
    resumes: AtomicBool,
}

impl Default for OnAirSrc {
    fn default() -> Self {
        Self {
            settings: Mutex::default(),
            loans: Mutex::new(LOANS),
            state: Mutex::default(),
            flushing: AtomicBool::new(false),
            resumes: AtomicBool::new(false),
        }
    }
}

#[glib::object_subclass]
impl ObjectSubclass for OnAirSrc {
    const NAME: &'static str = "GstOnAirSrc";
    type Type = super::OnAirSrc;
    type ParentType = gstreamer_base::PushSrc;
}

impl ObjectImpl for OnAirSrc {
    fn properties() -> &'static [glib::ParamSpec] {
        static ALL: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            let loans = glib::ParamSpecUInt::builder("max-loans")
                .nick("Loans")
                .blurb(
                    "Frames in shared memory that the pipeline may hold, fewer than the session's \
                     quota; more are copied",
                )
                .maximum(63)
                .default_value(LOANS)
                .mutable_ready()
                .build();
            settings::properties().into_iter().chain([loans]).collect()
        });
        &ALL
    }

    fn set_property(&self, _: usize, value: &glib::Value, spec: &glib::ParamSpec) {
        match spec.name() {
            "max-loans" => *locked(&self.loans) = value.get().unwrap_or(LOANS),
            name => settings::set(&self.settings, name, value),
        }
    }

    fn property(&self, _: usize, spec: &glib::ParamSpec) -> glib::Value {
        match spec.name() {
            "max-loans" => locked(&self.loans).to_value(),
            name => settings::get(&self.settings, name),
        }
    }

    fn constructed(&self) {
        self.parent_constructed();
        let source = self.obj();
        source.set_live(true);
        source.set_format(gst::Format::Time);
        source.set_do_timestamp(false);
    }
}

impl GstObjectImpl for OnAirSrc {}

impl ElementImpl for OnAirSrc {
    /// In a pause the base class does not flush.
    fn change_state(
        &self,
        change: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        if change == gst::StateChange::PausedToPlaying {
            self.resumes.store(true, Ordering::SeqCst);
        }
        self.parent_change_state(change)
    }

    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static IT: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "OnAir source",
                "Source/Audio/Video",
                "Frames of a receive session of OnAir, in shared memory",
                "OnAir",
            )
        });
        Some(&IT)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static ALL: LazyLock<Vec<gst::PadTemplate>> =
            LazyLock::new(|| pads("src", gst::PadDirection::Src));
        &ALL
    }
}

impl BaseSrcImpl for OnAirSrc {
    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let settings = locked(&self.settings).clone();
        let session = settings
            .client()
            .attach_of::<Contents>(&settings.session, None);
        let session = session.map_err(|error| not_attached(&error))?;
        if session.is_sender() {
            let name = session.name();
            return Err(gst::error_msg!(
                gst::ResourceError::Settings,
                ("session {name} sends: use onairsink")
            ));
        }
        caps(session.layout(), true).map_err(|error| message(&error))?;
        locked(&self.state).contents = Some(session.layout().clone());
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        *locked(&self.state) = State::default();
        Ok(())
    }

    fn is_seekable(&self) -> bool {
        false
    }

    fn caps(&self, filter: Option<&gst::Caps>) -> Option<gst::Caps> {
        let contents = locked(&self.state).contents.clone();
        let own = match contents {
            Some(contents) => caps(&contents, true).ok()?,
            None => template(),
        };
        Some(match filter {
            Some(filter) => filter.intersect_with_mode(&own, gst::CapsIntersectMode::First),
            None => own,
        })
    }

    /// An error of it says what the session has.
    fn negotiate(&self) -> Result<(), gst::LoggableError> {
        self.parent_negotiate().inspect_err(|_| {
            let contents = locked(&self.state).contents.clone();
            let own = contents.and_then(|it| Some((caps(&it, true).ok()?, it)));
            let taken = self.obj().src_pad().peer_query_caps(None);
            if let Some((own, contents)) = own.filter(|(own, _)| !own.can_intersect(&taken)) {
                let why = not_taken(&contents, &own, &taken);
                gst::element_imp_error!(self, gst::StreamError::Format, ("{why}"));
            }
        })
    }

    fn fixate(&self, mut caps: gst::Caps) -> gst::Caps {
        caps.truncate();
        self.parent_fixate(caps)
    }

    fn set_caps(&self, caps: &gst::Caps) -> Result<(), gst::LoggableError> {
        let refused = |text: String| gst::loggable_error!(CATEGORY, "{text}");
        let (format, alignment) = (chosen(caps), Alignment::of(caps));
        let made = self.attach_for((format, alignment)).map_err(|error| {
            self.post_error_message(not_attached(&error));
            refused(error.to_string())
        })?;
        let time = frame_time(made.contents());
        let mut state = locked(&self.state);
        (state.format, state.alignment, state.flow) = (format, alignment, Some(made));
        drop(state);
        let _ = self
            .obj()
            .post_message(gst::message::Latency::builder().src(&*self.obj()).build());
        gst::debug!(CATEGORY, imp = self, "{format:?}, {time} a frame");
        Ok(())
    }

    fn query(&self, query: &mut gst::QueryRef) -> bool {
        if let gst::QueryViewMut::Latency(latency) = query.view_mut() {
            let Some(contents) = locked(&self.state).contents.clone() else {
                return false;
            };
            // A frame is there when its last packet is; the session keeps some more for a slow pipeline.
            let time = frame_time(&contents);
            let kept = u64::from(*locked(&self.loans)).max(1);
            latency.set(true, time, time * (kept + 1));
            return true;
        }
        BaseSrcImplExt::parent_query(self, query)
    }

    fn unlock(&self) -> Result<(), gst::ErrorMessage> {
        self.flushing.store(true, Ordering::SeqCst);
        if let Some(flow) = &locked(&self.state).flow {
            flow.session.stop();
        }
        Ok(())
    }

    fn unlock_stop(&self) -> Result<(), gst::ErrorMessage> {
        self.flushing.store(false, Ordering::SeqCst);
        if let Some(flow) = &mut locked(&self.state).flow {
            flow.session.start();
            flow.forget();
        }
        Ok(())
    }
}

impl PushSrcImpl for OnAirSrc {
    fn create(&self, _: Option<&mut gst::BufferRef>) -> Result<CreateSuccess, FlowError> {
        loop {
            if self.flushing.load(Ordering::SeqCst) {
                return Err(FlowError::Flushing);
            }
            let Some(session) = self.session() else {
                self.attach_again()?;
                continue;
            };
            let waiting = self.assembled(None);
            let error = match waiting {
                Some(frame) => Ok(Some(frame)),
                None => next_loan(&session).map(|loan| self.assembled(Some(loan))),
            };
            let error = match error {
                Ok(None) => continue,
                Ok(Some(frame)) => match self.woven(&frame) {
                    Ok(()) => match self.give(frame)? {
                        Some(given) => return Ok(given),
                        None => continue,
                    },
                    Err(FrameError::Session(error)) => error,
                    Err(FrameError::Pixels(error)) => {
                        gst::error!(CATEGORY, imp = self, "{error}");
                        return Err(FlowError::Error);
                    }
                },
                Err(error) => error,
            };
            match error {
                _ if self.flushing.load(Ordering::SeqCst) => return Err(FlowError::Flushing),
                // By the daemon: it may start again, or end as soon as no process has its frames.
                Error::Stopped => {
                    if let Some(flow) = &mut locked(&self.state).flow {
                        flow.assembly.clear();
                    }
                    self.obj()
                        .src_pad()
                        .peer_query(&mut gst::query::Drain::new());
                    self.wait_started(&session)?;
                }
                error => self.leave(&error)?,
            }
        }
    }
}

static CATEGORY: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "onairsrc",
        gst::DebugColorFlags::empty(),
        Some("OnAir source"),
    )
});

impl OnAirSrc {
    /// The session, if it is attached.
    fn session(&self) -> Option<Arc<AnySession>> {
        let mut state = locked(&self.state);
        let flow = state.flow.as_mut()?;
        if self.resumes.swap(false, Ordering::SeqCst) {
            flow.forget();
        }
        Some(flow.session.clone())
    }

    /// The frame that is whole with `loan`, or that waits. Not the first one if the element attached between its fields.
    /// One whose headers were lost counts as lost with the next one.
    fn assembled(&self, loan: Option<OwnedBuffer<Contents>>) -> Option<OwnedFrame<Contents>> {
        let mut state = locked(&self.state);
        let flow = state.flow.as_mut()?;
        let frame = match loan {
            Some(loan) => flow.assembly.push(loan),
            None => flow.assembly.waiting(),
        };
        frame.filter(|it| is_readable(it) && (flow.next.is_some() || it.missing().is_none()))
    }

    /// Puts the fields of a frame together while they come, or converts it. Any other frame has come.
    fn woven(&self, frame: &OwnedFrame<Contents>) -> Result<(), FrameError> {
        let taken = {
            let mut state = locked(&self.state);
            let flow = state.flow.as_mut();
            flow.map(|flow| (flow.format, std::mem::take(&mut flow.pixels)))
        };
        let Some((Some(format), mut pixels)) = taken.filter(|it| !it.1.is_empty()) else {
            return Ok(());
        };
        // Without the lock: the pipeline may end the wait.
        let woven = frame.unpack_arriving(format, &mut pixels, Timeout::NEVER);
        if let Some(flow) = &mut locked(&self.state).flow {
            flow.pixels = pixels;
        }
        woven
    }

    fn flow(&self, session: Arc<AnySession>, chosen: Chosen) -> Result<Flow, Error> {
        Flow::new(session, chosen, *locked(&self.loans) as usize)
    }

    /// Attached to buffers as they were negotiated.
    fn attach_for(&self, chosen: Chosen) -> Result<Flow, Error> {
        let (format, _) = chosen;
        let settings = locked(&self.settings).clone();
        let contents = locked(&self.state).contents.clone().ok_or(Error::Stale)?;
        let session = attach_as(&settings.client(), &settings.session, (&contents, format))?;
        self.flow(session, chosen)
    }

    /// The buffers of a frame; `None`: of one that has none the pipeline is told.
    fn give(&self, frame: OwnedFrame<Contents>) -> Result<Option<CreateSuccess>, FlowError> {
        let now = self.obj().current_running_time();
        let mut state = locked(&self.state);
        let flow = state.flow.as_mut().ok_or(FlowError::Flushing)?;
        let made = flow.buffer(frame, now).map_err(|error| {
            gst::error!(CATEGORY, imp = self, "{error}");
            FlowError::Error
        })?;
        let (taken, lost) = (flow.taken, flow.lost);
        drop(state);
        if made.lost > 0
            && let Some(first) = made.buffers.first()
        {
            self.tell_lost(first, taken, lost);
        }
        let mut buffers = made.buffers;
        match (buffers.len(), made.time) {
            (0, None) => return Ok(None),
            (0, Some(time)) => {
                let gap = gst::event::Gap::builder(time).build();
                self.obj().src_pad().push_event(gap);
                return Ok(None);
            }
            (1, _) => {}
            _ => {
                let list = gst::BufferList::from_iter(buffers);
                return Ok(Some(CreateSuccess::NewBufferList(list)));
            }
        }
        Ok(buffers.pop().map(CreateSuccess::NewBuffer))
    }

    /// The pipeline was too slow for frames.
    fn tell_lost(&self, buffer: &gst::Buffer, taken: u64, lost: u64) {
        let source = self.obj();
        let message = gst::message::Qos::builder(true)
            .running_time(buffer.pts())
            .stream_time(buffer.pts())
            .timestamp(buffer.pts())
            .duration(buffer.duration())
            .stats(
                gst::format::Buffers::from_u64(taken),
                gst::format::Buffers::from_u64(lost),
            )
            .src(&*source)
            .build();
        // The bus may be gone.
        let _ = source.post_message(message);
    }

    fn wait_started(&self, session: &AnySession) -> Result<(), FlowError> {
        loop {
            if self.flushing.load(Ordering::SeqCst) {
                return Err(FlowError::Flushing);
            }
            match session.wait_started(Timeout::millis(LOOK)) {
                Err(Error::TimedOut) => {}
                // The next call says what it is.
                Ok(()) | Err(_) => return Ok(()),
            }
        }
    }

    /// The session has ended: that is an error, unless another attempt is wanted.
    fn leave(&self, error: &Error) -> Result<(), FlowError> {
        if !locked(&self.settings).reconnect || !error.may_pass() {
            return Err(self.fails(error));
        }
        gst::warning!(CATEGORY, imp = self, "{error}");
        // The daemon counts the old attachment until it is dropped.
        locked(&self.state).flow = None;
        Ok(())
    }

    fn fails(&self, error: &Error) -> FlowError {
        self.post_error_message(not_attached(error));
        FlowError::Error
    }

    /// Attaches to what has the session's name now, in the format of before.
    fn attach_again(&self) -> Result<(), FlowError> {
        let (settings, state) = (locked(&self.settings).clone(), locked(&self.state));
        let (contents, format) = (state.contents.clone(), state.format);
        let chosen = (format, state.alignment);
        drop(state);
        let contents = contents.ok_or(FlowError::NotNegotiated)?;
        let client = settings.client();
        let attach = || attach_as(&client, &settings.session, (&contents, format));
        let again = attach_again(attach, &self.flushing).map_err(|error| self.fails(&error))?;
        let session = again.ok_or(FlowError::Flushing)?;
        if !are_alike(session.layout(), &contents) {
            let now = session.layout();
            gst::element_imp_error!(
                self,
                gst::StreamError::Format,
                ("the session has {now}, no longer {contents}")
            );
            return Err(FlowError::NotNegotiated);
        }
        let flow = self.flow(session, chosen);
        locked(&self.state).flow = Some(flow.map_err(|error| self.fails(&error))?);
        Ok(())
    }
}

/// The next buffer. Fields, which are converted, come when they begin.
fn next_loan(session: &Arc<AnySession>) -> Result<OwnedBuffer<Contents>, Error> {
    match has_fields(session.layout()) {
        true => session.buffer_get_open_owned(1, Timeout::NEVER),
        false => session.buffer_get_owned(Timeout::NEVER),
    }
}

/// Why a pipeline does not take what a session has.
fn not_taken(contents: &Contents, own: &gst::Caps, taken: &gst::Caps) -> String {
    let mut of_any_scan = own.clone();
    for structure in of_any_scan.make_mut().iter_mut() {
        structure.remove_fields(["interlace-mode", "field-order"]);
    }
    match (of_any_scan.can_intersect(taken), has_fields(contents)) {
        (true, true) => format!(
            "the session is interlaced, its upper field first, and the pipeline takes another scan: put deinterlace \
             behind onairsrc, or interlace-mode=interleaved into the caps ({contents})"
        ),
        (true, false) => format!(
            "the session is progressive, and the pipeline takes interlaced video only: put interlace behind onairsrc, \
             or interlace-mode=progressive into the caps ({contents})"
        ),
        _ => format!("the pipeline takes nothing that the session has: {own}"),
    }
}

fn not_attached(error: &Error) -> gst::ErrorMessage {
    match error {
        Error::NoSession { .. } => gst::error_msg!(gst::ResourceError::NotFound, ("{error}")),
        Error::NoDaemon { .. } => gst::error_msg!(gst::ResourceError::OpenRead, ("{error}")),
        _ => gst::error_msg!(gst::ResourceError::Read, ("{error}")),
    }
}
