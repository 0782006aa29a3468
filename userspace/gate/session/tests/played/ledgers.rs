//! The poller's half of a session, as tests play it: lenders, and frames set aside.

use onair_ipc::frames::FrameMemory;
use onair_ipc::lender::Lender;
use onair_ipc::meta::FrameMeta;
use onair_session::{AttachRefusal, Evicted, FlushReport, Runtime};
use serde::Serialize;

/// The lenders of a receive session with a few frames.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub(crate) struct Ledgers {
    lenders: Vec<Lender>,
    /// Attachment and frame.
    #[serde(skip)]
    aside: Vec<(u64, u32)>,
}

impl Ledgers {
    /// Whether no client has the frame.
    pub(crate) fn is_free(&self, frame: u32) -> bool {
        let is_aside = self.aside.iter().any(|(_, aside)| *aside == frame);
        !is_aside && !self.lenders.iter().any(|it| it.has(frame))
    }

    /// Loans the frame to every attachment that has room for it, if it is free.
    pub(crate) fn publish(&mut self, frame: u32) {
        if !self.is_free(frame) {
            return;
        }
        for lender in &mut self.lenders {
            // A client that is slow gets nothing.
            let _ = lender.publish(frame, &FrameMeta::default());
        }
    }

    /// Credits what was given back.
    pub(crate) fn reap(&mut self) {
        for lender in &mut self.lenders {
            lender.reap(|_| ());
        }
    }
}

impl Runtime for Ledgers {
    fn lenders(&self) -> impl Iterator<Item = &Lender> + Clone {
        self.lenders.iter()
    }

    fn lenders_mut(&mut self) -> impl Iterator<Item = &mut Lender> {
        self.lenders.iter_mut()
    }

    fn settle(&mut self) -> u64 {
        for lender in &mut self.lenders {
            lender.settle(|_| ());
        }
        0
    }

    fn attach(
        &mut self,
        lender: Box<Lender>,
        _: Option<FrameMemory>,
    ) -> Result<(), (AttachRefusal, Box<Lender>, Option<FrameMemory>)> {
        self.lenders.push(*lender);
        Ok(())
    }

    fn detach(&mut self, attachment: u64) -> Option<(Box<Lender>, Option<FrameMemory>)> {
        let mut all = self.lenders.iter();
        let at = all.position(|it| it.attachment() == attachment)?;
        Some((Box::new(self.lenders.remove(at)), None))
    }

    fn evict(&mut self, attachment: u64) -> Option<Evicted> {
        let (lender, frames) = self.detach(attachment)?;
        Some(Evicted::revoke(lender, frames, &mut self.aside))
    }

    fn release(&mut self, is_over: impl Fn(u64) -> bool) {
        self.aside.retain(|(attachment, _)| !is_over(*attachment));
    }

    fn flushed(&mut self) -> Option<FlushReport> {
        None
    }

    fn unsent(&self) -> u64 {
        0
    }
}
