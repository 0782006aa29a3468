//! Session specifications as the tests use them.

use onair_api::{Direction, FlowDocument, MAX_FRAME_TIMEOUT_MS, SessionView, Source, SpecDocument};
use onair_essence::video::{VideoDocument, VideoTiming};
use onair_essence::{FormatDocument, TimingDocument};

/// Frames that a client of an ample session may have at a time.
pub const QUOTA: u32 = 64;

/// Size, rate and depth of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raster {
    /// Pixels in a line.
    pub width: u32,
    /// Lines in a frame.
    pub height: u32,
    /// Frames a second.
    pub rate: u32,
    /// Bits of a sample: 8 or 10.
    pub depth: u32,
}

impl Raster {
    /// Small enough for many at once.
    pub const SMALL: Self = Self::new(320, 180, 60, 8);
    /// What the demo shows.
    pub const HD: Self = Self::new(1280, 720, 60, 8);

    /// A raster.
    #[must_use]
    pub const fn new(width: u32, height: u32, rate: u32, depth: u32) -> Self {
        Self {
            width,
            height,
            rate,
            depth,
        }
    }

    /// Bytes of a whole frame in the pgroup layout (RFC 4175 §4.3: 4 bytes for two pixels of
    /// 8 bits, 5 for two of 10 bits).
    #[must_use]
    pub const fn frame_bytes(&self) -> usize {
        let pgroup = if self.depth == 8 { 4 } else { 5 };
        (self.width / 2 * self.height * pgroup) as usize
    }

    fn document(self) -> VideoDocument {
        VideoDocument {
            width: self.width,
            height: self.height,
            frame_rate: format!("{}/1", self.rate),
            depth: self.depth,
            ..VideoDocument::default()
        }
    }
}

/// The format of a session of video.
pub trait OfVideo {
    /// To be read.
    fn video(&self) -> &VideoDocument;

    /// To be changed.
    fn video_mut(&mut self) -> &mut VideoDocument;
}

impl OfVideo for FormatDocument {
    fn video(&self) -> &VideoDocument {
        match self {
            Self::Video(video) => video,
            #[allow(unreachable_patterns, reason = "with one essence there is no other")]
            other => panic!("not video: {other}"),
        }
    }

    fn video_mut(&mut self) -> &mut VideoDocument {
        match self {
            Self::Video(video) => video,
            #[allow(unreachable_patterns, reason = "with one essence there is no other")]
            other => panic!("not video: {other}"),
        }
    }
}

/// The measured timing of a session of video.
#[must_use]
pub fn video_timing(view: &SessionView) -> Option<&VideoTiming> {
    view.timing.as_ref().map(|timing| match timing {
        TimingDocument::Video(timing) => timing,
        #[allow(unreachable_patterns, reason = "with one essence there is no other")]
        other => panic!("not of video: {other:?}"),
    })
}

/// A session that receives on port `b`, at UDP port `udp`.
#[must_use]
pub fn receive(name: &str, raster: Raster, udp: u16) -> SpecDocument {
    let flow = FlowDocument {
        destination: format!("10.77.0.2:{udp}"),
        payload_type: Some(96),
        ..FlowDocument::default()
    };
    let names = (name.to_owned(), "b".to_owned());
    let carried = (FormatDocument::Video(raster.document()), flow);
    SpecDocument {
        frame_timeout_ms: frame_timeout_ms(),
        ..SpecDocument::new(names, Direction::Receive, carried)
    }
}

/// Longer than usual on a slow machine, whose pollers are held up for longer than 100 ms.
fn frame_timeout_ms() -> Option<u32> {
    let scale = crate::time_scale();
    (scale > 1).then(|| scale.saturating_mul(100).min(MAX_FRAME_TIMEOUT_MS))
}

/// A session that sends from port `a` to UDP port `udp` of port `b`.
#[must_use]
pub fn send(name: &str, raster: Raster, udp: u16, source: Source) -> SpecDocument {
    SpecDocument {
        direction: Direction::Send,
        port: "a".to_owned(),
        source: Some(source),
        frame_timeout_ms: None,
        ..receive(name, raster, udp)
    }
}

/// A local session: one client fills the frames that others read.
#[must_use]
pub fn local(name: &str, raster: Raster) -> SpecDocument {
    SpecDocument {
        direction: Direction::Local,
        port: String::new(),
        flow: FlowDocument::default(),
        frame_timeout_ms: None,
        ..receive(name, raster, 0)
    }
}
