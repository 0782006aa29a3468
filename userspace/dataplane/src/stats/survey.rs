//! Surveys of what arrives for a receive session: asked for by the control thread, made by the poller.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_queue::ArrayQueue;
use onair_essence::survey::{CapturedPacket, Survey};

use crate::flow::packet::Packet;
use crate::flow::{SourceFilter, admit};

/// How long a survey lasts.
const LONG_NS: u64 = 200_000_000;
/// After which pause it begins anew.
const PAUSE_NS: u64 = 1_000_000_000;

/// A survey goes to the poller empty and comes back full: the poller neither waits nor allocates.
#[derive(Debug)]
pub(crate) struct SurveyShare {
    is_wanted: AtomicBool,
    empty: ArrayQueue<Box<Survey>>,
    full: ArrayQueue<Box<Survey>>,
}

impl Default for SurveyShare {
    fn default() -> Self {
        Self {
            is_wanted: AtomicBool::new(false),
            empty: ArrayQueue::new(1),
            full: ArrayQueue::new(1),
        }
    }
}

impl SurveyShare {
    /// The control thread: asks for a survey. Without effect while one is asked for.
    pub(crate) fn request(&self) {
        // SYNC: survey-request. Acquire: the poller has taken the last one, so there is room for another.
        if !self.is_wanted.load(Ordering::Acquire) {
            let pushed = self.empty.push(Box::default());
            debug_assert!(pushed.is_ok(), "a survey is requested once");
            // SYNC: survey-request. Release: the poller finds the survey in the queue.
            self.is_wanted.store(true, Ordering::Release);
        }
    }

    /// The control thread: the survey that is done.
    pub(crate) fn take(&self) -> Option<Box<Survey>> {
        self.full.pop()
    }
}

/// The poller's half.
#[derive(Debug)]
pub(crate) struct Surveyor {
    share: Arc<SurveyShare>,
    running: Option<Box<Survey>>,
    ssrc: Option<u32>,
}

impl Surveyor {
    pub(crate) const fn new(share: Arc<SurveyShare>) -> Self {
        Self {
            share,
            running: None,
            ssrc: None,
        }
    }

    /// Whether [`Self::packets`] has work.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        // SYNC: survey-request. Acquire: the other side of `request`.
        self.running.is_some() || self.share.is_wanted.load(Ordering::Acquire)
    }

    /// Adds those packets of a burst that `sources` admits; of several synchronisation sources, those of the
    /// first.
    #[cold]
    pub(crate) fn packets(
        &mut self,
        packets: &[Packet<'_>],
        sources: &[SourceFilter],
        now_ns: u64,
    ) {
        if self.running.is_none() {
            self.running = self.share.empty.pop();
            // SYNC: survey-request. Release: the queue is empty before the next request.
            self.share.is_wanted.store(false, Ordering::Release);
            self.ssrc = None;
        }
        let Some(survey) = &mut self.running else {
            return;
        };
        if now_ns.saturating_sub(survey.last_ns()) > PAUSE_NS {
            **survey = Survey::default();
            self.ssrc = None;
        }
        let admitted = packets
            .iter()
            .map(|it| &it.datagram)
            .filter(|it| admit(sources, it.ends.source()));
        for datagram in admitted {
            let (source, destination) = (datagram.ends.source(), datagram.ends.destination());
            let packet = CapturedPacket::of_datagram(source, destination, datagram.payload);
            if let Ok(packet) = packet
                && *self.ssrc.get_or_insert(packet.rtp.ssrc) == packet.rtp.ssrc
            {
                survey.packet(now_ns, &packet);
            }
        }
        let is_done = survey.packets() > 0 && survey.last_ns() - survey.first_ns() >= LONG_NS;
        if is_done && let Some(survey) = self.running.take() {
            // One that was not taken is older.
            drop(self.share.full.force_push(survey));
        }
    }
}
