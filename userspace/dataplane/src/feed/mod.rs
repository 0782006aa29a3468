//! Feeds of converters: a receive session hands its finished frames to the sessions that convert them.
//!
//! A converted session reads the source's frames where they are, on a thread of its own, and writes frames of its
//! own. Both sessions start, stop and end in any order. A feed is the pair of queues between them, with two ends:
//! [`ConverterFeed`] moves with the source's runtime, [`Intake`] with that of the converted session.
//!
//! 1. *Give.* The source has finished a frame and loaned it to its clients. [`ConverterFeed::give`] puts it into
//!    `given`, notes it in `out`, and wakes the converter. If as many are out as may be, the frame is not given;
//!    the converted session counts it as `frames_not_converted`. A slow converter costs the source and its
//!    clients nothing.
//! 2. *In use.* The source does not fill a frame that is in `out` (`FramePool::free_frame`), or the converter
//!    would read a picture that changes.
//! 3. *Convert.* [`Intake::take`] gives the frame as a [`SourceFrame`], which returns it by being dropped: also
//!    if the conversion panics.
//! 4. *Reap.* The source takes the `returned` frames out of `out` before each frame that it gives, and when it
//!    finds no free one.
//!
//! *Sizes.* A feed has as many frames as a client of the source may hold, eight at most, and takes the place of a
//! client: what is promised to the clients does not depend on how fast a converter is. Both queues have room for
//! all frames that are out, so no push fails.
//!
//! *The source stops.* [`ConverterFeed::withdraw`] takes back what no conversion has begun. The runtime is handed
//! back when the others are back, too (`Receiver::is_quiet`), or the session could be destroyed while the
//! converter reads.
//!
//! *The converted session stops.* It gets nothing more (`is_running`) and gives all back. The flag orders
//! nothing: a frame that is given a moment too late waits in the queue until the next start or the end.
//!
//! *The converted session ends.* Its [`Intake`] gives back what waits, and sets `is_over` last (SYNC feed-over).
//! Once the source sees that, no thread reads its frames, and it clears `out` as a whole.
//!
//! The control thread sees of a feed only which end is gone ([`FeedHandle`]).
//!
//! Read on in `runtime/converter/mod.rs` (the conversion) and `poller/sessions/converting.rs` (which frame is
//! next).

pub(crate) mod feeds;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrayvec::ArrayVec;
use crossbeam_queue::ArrayQueue;
use onair_ipc::frames::FrameMemory;
use onair_ipc::meta::FrameMeta;

use crate::sleeper::Sleeper;
use crate::stats::SessionStats;

/// Most frames of a feed: one in conversion, and those that come at once after a poller or a converter was held up.
const MOST: usize = 8;

/// A finished frame on its way to a converter.
#[derive(Debug)]
struct QueuedFrame {
    frame: u32,
    meta: FrameMeta,
    memory: FrameMemory,
}

/// What both ends of a feed share.
#[derive(Debug)]
struct Link {
    given: ArrayQueue<QueuedFrame>,
    returned: ArrayQueue<u32>,
    /// The converted session runs. Orders nothing: a frame that is given too late waits.
    is_running: AtomicBool,
    /// The converter's end is gone: no thread reads the source's frames.
    is_over: AtomicBool,
    /// The source's end is gone.
    is_without_source: AtomicBool,
    /// Wakes the thread that converts.
    converter: Arc<Sleeper>,
    /// Of the converted session. The source's poller counts the frames that it did not give.
    stats: Arc<SessionStats>,
}

/// The two ends of a new feed that has at most `quota` frames in use, or eight.
pub(crate) fn feed(
    quota: u32,
    converter: Arc<Sleeper>,
    stats: Arc<SessionStats>,
) -> (ConverterFeed, Intake) {
    let link = Arc::new(Link {
        given: ArrayQueue::new(MOST),
        returned: ArrayQueue::new(MOST),
        is_running: AtomicBool::new(false),
        is_over: AtomicBool::new(false),
        is_without_source: AtomicBool::new(false),
        converter,
        stats,
    });
    let feed = ConverterFeed {
        link: Arc::clone(&link),
        most: (quota as usize).min(MOST),
        out: ArrayVec::new(),
    };
    (feed, Intake { link, last: None })
}

/// The source's end. It moves with the source's runtime.
#[derive(Debug)]
pub struct ConverterFeed {
    link: Arc<Link>,
    most: usize,
    /// Frames that have not come back.
    out: ArrayVec<u32, MOST>,
}

impl ConverterFeed {
    /// Whether the converted session is gone.
    #[must_use]
    pub fn is_over(&self) -> bool {
        // SYNC: feed-over.
        self.link.is_over.load(Ordering::Acquire)
    }

    /// What the control thread keeps, wherever the two ends are.
    #[must_use]
    pub fn handle(&self) -> FeedHandle {
        FeedHandle(Arc::clone(&self.link))
    }

    /// Whether a converter may still read `frame`, as of the last [`Self::reap`]: the source must not fill it.
    pub(crate) fn has(&self, frame: u32) -> bool {
        self.out.contains(&frame)
    }

    /// Whether no frame is in use, after [`Self::reap`].
    pub(crate) fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// Credits the frames that came back.
    pub(crate) fn reap(&mut self) {
        while let Some(back) = self.link.returned.pop() {
            self.out.retain(|frame| *frame != back);
        }
        if self.is_over() {
            self.out.clear();
        }
    }

    /// Hands over a finished frame, if the converted session runs and is not behind.
    pub(crate) fn give(&mut self, frame: u32, meta: &FrameMeta, memory: &FrameMemory) {
        self.reap();
        if !self.link.is_running.load(Ordering::Relaxed) {
            return;
        }
        if self.out.len() >= self.most {
            self.link.stats.counters.frames_not_converted.add(1);
            return;
        }
        let given = QueuedFrame {
            frame,
            meta: *meta,
            memory: memory.clone(),
        };
        // It has a place for each frame that is out.
        if self.link.given.push(given).is_ok() {
            self.out.push(frame);
            self.link.converter.nudge();
        }
    }

    /// Takes back the frames whose conversion has not begun.
    pub(crate) fn withdraw(&mut self) {
        while let Some(given) = self.link.given.pop() {
            self.out.retain(|frame| *frame != given.frame);
        }
        self.reap();
    }
}

impl Drop for ConverterFeed {
    fn drop(&mut self) {
        self.withdraw();
        self.link.is_without_source.store(true, Ordering::Relaxed);
    }
}

/// A feed as the control thread sees it, wherever its ends are.
#[derive(Debug, Clone)]
pub struct FeedHandle(Arc<Link>);

impl FeedHandle {
    /// Whether the converted session is gone.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.0.is_over.load(Ordering::Relaxed)
    }

    /// Whether the source is gone.
    #[must_use]
    pub fn is_without_source(&self) -> bool {
        self.0.is_without_source.load(Ordering::Relaxed)
    }
}

/// The converter's end. It moves with the runtime of the converted session.
#[derive(Debug)]
pub struct Intake {
    link: Arc<Link>,
    /// The source's number of the last frame.
    last: Option<u64>,
}

impl Intake {
    /// Whether a frame waits.
    pub(crate) fn has_some(&self) -> bool {
        !self.link.given.is_empty()
    }

    /// The next frame, and how many the source has finished since the last one, this one included.
    pub(crate) fn take(&mut self) -> Option<(SourceFrame, u64)> {
        let given = self.link.given.pop()?;
        let number = given.meta.number;
        let steps = self.last.replace(number).map_or(1, |last| number - last);
        let place = FrameReturn {
            frame: given.frame,
            link: Arc::clone(&self.link),
        };
        Some((
            SourceFrame {
                given,
                _place: place,
            },
            steps,
        ))
    }

    /// The converted session starts: the source hands frames over from now on.
    pub(crate) fn open(&mut self) {
        self.give_back();
        self.last = None;
        self.link.is_running.store(true, Ordering::Relaxed);
    }

    /// The converted session stops: gives back the frames that wait.
    pub(crate) fn close(&mut self) {
        self.link.is_running.store(false, Ordering::Relaxed);
        self.give_back();
    }

    fn give_back(&mut self) {
        while self.take().is_some() {}
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        self.close();
        // SYNC: feed-over. Release: the last read of the source's frames comes before it.
        self.link.is_over.store(true, Ordering::Release);
    }
}

/// A frame of the source, in use until this is dropped.
#[derive(Debug)]
pub(crate) struct SourceFrame {
    given: QueuedFrame,
    // Dropped last: the source may end, and its memory with it, once the frame is back.
    _place: FrameReturn,
}

/// Returns a frame to the source when it is dropped.
#[derive(Debug)]
struct FrameReturn {
    frame: u32,
    link: Arc<Link>,
}

impl SourceFrame {
    pub(crate) const fn meta(&self) -> &FrameMeta {
        &self.given.meta
    }

    /// Copies its bytes from `offset` on.
    pub(crate) fn read(&self, offset: usize, bytes: &mut [u8]) {
        self.given.memory.read(self.given.frame, offset, bytes);
    }
}

impl Drop for FrameReturn {
    fn drop(&mut self) {
        // There is room for each frame that is out.
        let _ = self.link.returned.push(self.frame);
    }
}

#[cfg(test)]
mod tests;
