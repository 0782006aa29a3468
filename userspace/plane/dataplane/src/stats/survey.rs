//! Surveys of a receive session's packets: the control thread asks for them, the poller makes them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_queue::ArrayQueue;
use onair_api::FlowSource;
use onair_essence::legs::Leg;
use onair_essence::survey::{CapturedPacket, Survey};

use crate::flow::admit;
use crate::flow::arrival::Packet;

/// How long a survey lasts at least.
const LEAST_NS: u64 = 200_000_000;
/// After which pause it begins anew: a frame of the lowest rate takes a second.
const PAUSE_NS: u64 = 2_000_000_000;
/// After which time without a packet of the first leg the second is surveyed: longer than a frame of the lowest rate.
const FIRST_NS: u64 = 1_100_000_000;

/// A survey goes to the poller empty and comes back full: the poller neither waits nor allocates.
#[derive(Debug)]
pub(crate) struct SurveyShare {
    is_wanted: AtomicBool,
    /// How long the wanted one lasts at most, in nanoseconds.
    most_ns: AtomicU64,
    empty: ArrayQueue<Box<Survey>>,
    full: ArrayQueue<(Leg, Box<Survey>)>,
}

impl Default for SurveyShare {
    fn default() -> Self {
        Self {
            is_wanted: AtomicBool::new(false),
            most_ns: AtomicU64::new(LEAST_NS),
            empty: ArrayQueue::new(1),
            full: ArrayQueue::new(1),
        }
    }
}

impl SurveyShare {
    /// The control thread: asks for a survey that ends when it knows what packets can show, or after `most`. Without
    /// effect while one is asked for.
    pub(crate) fn request(&self, most: Duration) {
        // SYNC: survey-request. Acquire: the poller has taken the last one, so there is room for another.
        if !self.is_wanted.load(Ordering::Acquire) {
            let most_ns = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
            self.most_ns.store(most_ns, Ordering::Relaxed);
            let pushed = self.empty.push(Box::default());
            debug_assert!(pushed.is_ok(), "a survey is requested once");
            // SYNC: survey-request. Release: the poller finds the survey in the queue.
            self.is_wanted.store(true, Ordering::Release);
        }
    }

    /// The control thread: the survey that is done.
    pub(crate) fn take(&self) -> Option<(Leg, Box<Survey>)> {
        self.full.pop()
    }
}

/// The poller's half: fills the survey that the control thread asked for.
#[derive(Debug)]
pub(crate) struct Surveyor {
    share: Arc<SurveyShare>,
    running: Option<Box<Survey>>,
    most_ns: u64,
    ssrc: Option<u32>,
    /// The leg that is surveyed.
    leg: Leg,
    /// When a packet of the first leg came, or the survey began.
    first_ns: u64,
}

impl Surveyor {
    pub(crate) const fn new(share: Arc<SurveyShare>) -> Self {
        Self {
            share,
            running: None,
            most_ns: LEAST_NS,
            ssrc: None,
            leg: Leg::First,
            first_ns: 0,
        }
    }

    /// Whether [`Self::packets`] has work.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        // SYNC: survey-request. Acquire: the other side of `request`.
        self.running.is_some() || self.share.is_wanted.load(Ordering::Acquire)
    }

    /// Adds those packets of a burst that `sources` admits; of several synchronisation sources, those of the
    /// first that comes twice in turn; of two legs, those of the first if it has any.
    #[cold]
    pub(crate) fn packets(
        &mut self,
        leg: Leg,
        packets: &[Packet<'_>],
        sources: &[FlowSource],
        now_ns: u64,
    ) {
        if self.running.is_none() {
            self.running = self.share.empty.pop();
            self.most_ns = self.share.most_ns.load(Ordering::Relaxed);
            // SYNC: survey-request. Release: the queue is empty before the next request.
            self.share.is_wanted.store(false, Ordering::Release);
            (self.ssrc, self.leg, self.first_ns) = (None, Leg::First, now_ns);
        }
        let Some(survey) = &mut self.running else {
            return;
        };
        let admitted = packets.iter().map(|it| &it.datagram);
        let mut admitted = admitted
            .filter(|it| admit(sources, it.ends.source()))
            .peekable();
        if admitted.peek().is_none() {
            return;
        }
        if leg == Leg::First {
            self.first_ns = now_ns;
        } else if now_ns.saturating_sub(self.first_ns) < FIRST_NS {
            return;
        }
        let is_other_leg = std::mem::replace(&mut self.leg, leg) != leg;
        if is_other_leg || now_ns.saturating_sub(survey.last_ns()) > PAUSE_NS {
            **survey = Survey::default();
            self.ssrc = None;
        }
        for datagram in admitted {
            let (source, destination) = (datagram.ends.source(), datagram.ends.destination());
            let packet = CapturedPacket::of_datagram(source, destination, datagram.payload);
            let Ok(packet) = packet else { continue };
            let ssrc = Some(packet.rtp.ssrc);
            if self.ssrc != ssrc && survey.packets() < 2 {
                (**survey, self.ssrc) = (Survey::default(), ssrc);
            }
            if self.ssrc == ssrc {
                survey.packet(now_ns, &packet);
            }
        }
        let lasted_ns = survey.last_ns() - survey.first_ns();
        let is_done = survey.packets() > 0
            && lasted_ns >= LEAST_NS
            && (lasted_ns >= self.most_ns || survey.not_yet_known().is_empty());
        if is_done && let Some(survey) = self.running.take() {
            // One that was not taken is older.
            drop(self.share.full.force_push((self.leg, survey)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use onair_net::datagram::Datagram;
    use onair_net::ends::Ends;

    use super::*;

    const MS: u64 = 1_000_000;

    /// Packets of both legs, one a millisecond each.
    struct Wire {
        surveyor: Surveyor,
        now_ms: u64,
    }

    impl Wire {
        fn run(&mut self, ms: u64, senders: &[(Leg, u8)]) -> Option<(Leg, Box<Survey>)> {
            let sources = [FlowSource {
                address: [192, 0, 2, 1].into(),
                port: None,
            }];
            for _ in 0..ms {
                self.now_ms += 1;
                for (leg, sender) in senders {
                    let source = SocketAddr::from(([192, 0, 2, *sender % 100], 5004));
                    let mut payload = [0; 32];
                    payload[..2].copy_from_slice(&[0x80, 96]);
                    payload[8] = *sender;
                    let datagram = Datagram {
                        ends: Ends::new(source, SocketAddr::from(([239, 1, 1, 1], 5004))),
                        payload: &payload,
                    };
                    let packet = Packet {
                        datagram,
                        frame: &[],
                        at: 0,
                    };
                    if self.surveyor.is_on() {
                        let at_ns = self.now_ms * MS;
                        self.surveyor.packets(*leg, &[packet], &sources, at_ns);
                    }
                }
            }
            self.surveyor.share.take()
        }
    }

    #[test]
    fn survey_takes_the_second_leg_while_the_first_is_silent() {
        let share = Arc::new(SurveyShare::default());
        let mut wire = Wire {
            surveyor: Surveyor::new(Arc::clone(&share)),
            now_ms: 1,
        };
        let least = Duration::from_nanos(LEAST_NS);
        let (first, second) = ((Leg::First, 1), (Leg::Second, 1));
        share.request(least);
        let (leg, survey) = wire.run(300, &[first, second]).expect("of the first");
        assert_eq!((leg, survey.packets()), (Leg::First, 201));
        // A stranger on the first leg does not stand for it.
        share.request(least);
        let stranger = (Leg::First, 9);
        assert!(wire.run(1_000, &[stranger, second]).is_none());
        let (leg, survey) = wire.run(1_000, &[stranger, second]).expect("of the second");
        assert_eq!((leg, survey.packets()), (Leg::Second, 201));
        // Nor does the first packet, if it is of another synchronisation source.
        share.request(least);
        assert!(wire.run(1, &[(Leg::First, 101)]).is_none());
        let (_, survey) = wire.run(300, &[first]).expect("of the first");
        assert_eq!(survey.packets(), 201);
        // The first one comes back meanwhile: not a mixture of both.
        share.request(least);
        assert!(wire.run(1_200, &[second]).is_none());
        let (leg, survey) = wire.run(300, &[second, first]).expect("of the first");
        assert_eq!((leg, survey.packets()), (Leg::First, 201));
    }
}
