//! The feeds of one receive session.

use onair_ipc::frames::FrameMemory;
use onair_ipc::meta::FrameMeta;

use super::feed::ConverterFeed;

/// The feeds of one session, as many at a time as it may have attachments.
#[derive(Debug)]
pub(super) struct ConverterFeeds(Vec<ConverterFeed>);

impl ConverterFeeds {
    pub(super) fn new(most: usize) -> Self {
        Self(Vec::with_capacity(most))
    }

    /// Adds one, and forgets those whose converted session is gone.
    pub(super) fn add(&mut self, feed: ConverterFeed) {
        self.0.retain(|it| !it.is_over());
        self.0.push(feed);
    }

    /// Whether a converter may still read `frame`.
    pub(super) fn have(&self, frame: u32) -> bool {
        self.0.iter().any(|it| it.has(frame))
    }

    /// Credits the frames that came back.
    pub(super) fn reap(&mut self) {
        self.0.iter_mut().for_each(ConverterFeed::reap);
    }

    /// Hands a finished frame to each.
    pub(super) fn give(&mut self, frame: u32, meta: &FrameMeta, memory: &FrameMemory) {
        for feed in &mut self.0 {
            feed.give(frame, meta, memory);
        }
    }

    /// Takes back the frames whose conversion has not begun.
    pub(super) fn withdraw(&mut self) {
        self.0.iter_mut().for_each(ConverterFeed::withdraw);
    }

    /// Whether all frames came back.
    pub(super) fn are_empty(&mut self) -> bool {
        self.reap();
        self.0.iter().all(ConverterFeed::is_empty)
    }
}
