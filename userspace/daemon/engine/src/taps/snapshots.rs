//! Pictures of sessions on request: taps the session, and answers when the picture is made.

use onair_api::Problem;
use onair_dataplane::Tap;
use onair_pixels::FrameStream;
use onair_shares::Owner;

use super::Taps;
use crate::services::reply::Reply;
use crate::session::Untapped;
use crate::snapshots::WantedTap;

impl Taps<'_> {
    /// Answers with a picture of a session that exists.
    pub fn show(&mut self, session: u64, owner: Owner, reply: Reply<Vec<u8>>) {
        let begun = self.begin_snapshot(session, owner);
        if let Some((id, reply)) = reply.or_refuse(begun) {
            self.snapshots.begun(id, session, owner, reply);
        }
    }

    fn begin_snapshot(&mut self, id: u64, owner: Owner) -> Result<u64, Problem> {
        let mut session = self.sessions.get_mut(id).expect("just found");
        self.snapshots.take_place(owner, session.core.state())?;
        let spec = &session.spec;
        let stream = FrameStream {
            format: &spec.format.clone(),
            payload_types: spec.flow.payload_types(),
            clock: spec.rtp_clock(),
            timeout_ns: spec.frame_timeout_ns(),
        };
        // The number of a recording that is never listed: a tap has one.
        let snapshot = self.recorder.next_id().0;
        let recordings = self.services.machine.recordings();
        let producer = recordings.picture(snapshot, &stream);
        let producer = producer.inspect_err(|_| self.snapshots.not_begun(owner))?;
        session.tap(self.services, Tap::new(snapshot, producer));
        Ok(snapshot)
    }

    /// A picture is made, or there is none.
    pub(super) fn pictured(&mut self, id: u64, result: Result<Vec<u8>, Box<Problem>>) {
        if let Some((tap, reply)) = self.snapshots.over(id) {
            self.fetch_snapshot_tap(tap);
            reply.send(result.map_err(|problem| *problem));
        }
    }

    fn fetch_snapshot_tap(&mut self, tap: WantedTap) {
        let untapped = self.untap(tap.session, tap.snapshot, tap.ask);
        let is_awaited = matches!(untapped, Untapped::Awaited);
        self.snapshots.looked_for(tap, is_awaited);
    }

    /// A session was handed back, and its taps with it.
    pub(super) fn snapshots_handed_back(&mut self, session: u64) {
        for tap in self.snapshots.handed_back(session) {
            self.fetch_snapshot_tap(tap);
        }
    }

    /// A poller refused a tap, which is with its session again.
    pub(super) fn snapshot_refused(&mut self, id: u64) {
        if let Some(tap) = self.snapshots.refused(id) {
            self.fetch_snapshot_tap(tap);
        }
    }
}
