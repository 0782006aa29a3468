//! The outlets of one receive session.

use onair_ipc::frames::FrameMemory;
use onair_ipc::meta::FrameMeta;

use crate::outlet::Outlet;

/// The outlets of one session, as many at a time as it may have attachments.
#[derive(Debug)]
pub(crate) struct Outlets(Vec<Outlet>);

impl Outlets {
    pub(crate) fn new(most: usize) -> Self {
        Self(Vec::with_capacity(most))
    }

    /// Adds one, and forgets those whose converted session is gone.
    pub(crate) fn add(&mut self, outlet: Outlet) {
        self.0.retain(|it| !it.is_over());
        self.0.push(outlet);
    }

    /// Whether a converter may still read `frame`.
    pub(crate) fn have(&self, frame: u32) -> bool {
        self.0.iter().any(|it| it.has(frame))
    }

    /// Credits the frames that came back.
    pub(crate) fn reap(&mut self) {
        self.0.iter_mut().for_each(Outlet::reap);
    }

    /// Hands a finished frame to each.
    pub(crate) fn give(&mut self, frame: u32, meta: &FrameMeta, memory: &FrameMemory) {
        for outlet in &mut self.0 {
            outlet.give(frame, meta, memory);
        }
    }

    /// Takes back the frames whose conversion has not begun.
    pub(crate) fn withdraw(&mut self) {
        self.0.iter_mut().for_each(Outlet::withdraw);
    }

    /// Whether all frames came back.
    pub(crate) fn are_empty(&mut self) -> bool {
        self.reap();
        self.0.iter().all(Outlet::is_empty)
    }
}
