//! The taps of recordings and snapshots: puts them into sessions and takes them out, as
//! [`crate::recorder`] and [`crate::snapshots`] decide. Not here: threads, files.

use std::collections::BTreeMap;
use std::time::Instant;

use onair_api::{Problem, RecordingEnd, RecordingSpec, RecordingView, Who};
use onair_dataplane::Tap;
use onair_mutant::mutant;
use onair_pixels::FrameStream;
use onair_shares::Owner;

use crate::machine::{FoundRecording, Launched, RecorderEvent};
use crate::recorder::{
    Active, LifecycleEvent, Recorded, Recorder, Remainder, Restored, RunningRecording, decide,
};
use crate::services::Services;
use crate::services::reply::Reply;
use crate::session::{Session, Untapped};
use crate::sessions::Sessions;
use crate::snapshots::{Snapshots, WantedTap};

/// The recordings and the snapshots, with the sessions that have their taps.
#[derive(Debug)]
pub struct Taps<'a> {
    /// Services that all sessions share.
    pub services: &'a mut Services,
    /// The sessions.
    pub sessions: &'a mut Sessions,
    /// The recordings.
    pub recorder: &'a mut Recorder,
    /// The snapshots, each with its requester.
    pub snapshots: &'a mut Snapshots<Reply<Vec<u8>>>,
    /// The sessions are being ended.
    pub is_shutdown: bool,
}

impl Taps<'_> {
    /// Takes a tap from its session, if it is here; if a poller has it, `ask` requests it back.
    fn untap(&mut self, session: u64, tap: u64, ask: bool) -> Untapped {
        let session = self.sessions.any_mut(session);
        session.map_or(Untapped::Nowhere, |mut it| {
            it.untap(self.services, tap, ask)
        })
    }

    /// Starts a recording of a session that exists; answers once it takes packets.
    pub fn start(
        &mut self,
        session: u64,
        spec: RecordingSpec,
        starter: Who,
        reply: Reply<RecordingView>,
    ) {
        let of = recorded(&self.sessions[session]);
        self.recorder.begin(spec, of, starter, self.services, reply);
    }

    /// A recording of an earlier daemon: it goes on, or is over.
    fn found(&mut self, found: FoundRecording) {
        let FoundRecording { view, manifest } = found;
        let Some(manifest) = manifest else {
            return self.recorder.remember(None, view);
        };
        let session = self.sessions.named(&view.session_name);
        let session = session.filter(|it| self.recorder.restored.contains(&it.id.0));
        let restored = session.map(|it| Restored {
            owner: it.owner.uid,
            spec: &it.spec,
        });
        let now = self.services.machine.clock().wall();
        match (decide(&manifest, restored, now.0), session) {
            (Ok(request), Some(session)) => {
                let of = recorded(session);
                self.recorder
                    .go_on(manifest, request, view, of, self.services);
            }
            (Ok(_), None) => {
                let cause = RecordingEnd::SessionEnded;
                self.recorder.conclude(manifest, view, cause, self.services);
            }
            (Err(cause), _) => self.recorder.conclude(manifest, view, cause, self.services),
        }
    }

    /// Ends a recording that was found; answers once its files are complete.
    pub fn stop(&mut self, id: u64, reply: Reply<RecordingView>) {
        match self.recorder.list.contains_key(&id) {
            true => self.advance(id, LifecycleEvent::Stop(reply)),
            // It has ended already.
            false => reply.send(Ok(self.recorder.view(id).expect("just found"))),
        }
    }

    /// Handles an event from a thread of the recorder.
    pub fn event(&mut self, event: RecorderEvent) {
        match event {
            RecorderEvent::Launched {
                recording,
                result: Ok(launched),
            } => self.launched(recording, *launched),
            RecorderEvent::Launched {
                recording,
                result: Err(problem),
            } => self
                .recorder
                .not_launched(recording, &problem, self.services),
            RecorderEvent::Ended { recording, failure } => {
                self.advance(recording, LifecycleEvent::Over(failure));
            }
            RecorderEvent::Pictured { snapshot, result } => self.pictured(snapshot, result),
            RecorderEvent::Found(all) => all.into_iter().for_each(|it| self.found(it)),
        }
    }

    /// Gives an event to a recording's lifecycle, and does what follows.
    fn advance(&mut self, id: u64, event: LifecycleEvent<Active>) {
        for step in self.recorder.handle(id, event, self.services) {
            match self.recorder.carry(id, step, self.services) {
                Some(Remainder::Event(event)) => self.advance(id, event),
                Some(Remainder::FetchTap) => self.fetch_tap(id),
                None => {}
            }
        }
    }

    fn launched(&mut self, id: u64, launched: Launched) {
        let Launched { active, producer } = launched;
        let Some(session) = self.recorder.launched(id, self.services) else {
            return;
        };
        let has_session = match self.sessions.get_mut(session.0) {
            Some(mut it) => {
                it.tap(self.services, Tap::new(id, producer));
                true
            }
            None => {
                drop(producer);
                false
            }
        };
        let launched = LifecycleEvent::Launched {
            active,
            has_session,
            is_shutdown: self.is_shutdown,
        };
        self.advance(id, launched);
    }

    /// Takes a recording's tap if it is here, else asks for it. During shutdown a tap comes back with its session,
    /// after all that the session sends or receives, so that the manifest counts each packet.
    fn fetch_tap(&mut self, id: u64) {
        let Some(entry) = self.recorder.list.get(&id) else {
            return;
        };
        match self.untap(entry.about.session.0, id, !self.is_shutdown) {
            Untapped::Awaited => {}
            // A tap is dropped on this thread, which may free memory.
            Untapped::Here(_) | Untapped::Nowhere => self.advance(id, LifecycleEvent::Untapped),
        }
    }

    /// A tap came back from a poller.
    pub fn back(&mut self, tap: Box<Tap>) {
        let id = tap.recording();
        // Dropped on this thread, which may free memory.
        drop(tap);
        self.snapshots.untapped(id);
        self.advance(id, LifecycleEvent::Untapped);
    }

    /// A poller no longer had the session: it is here, or with a poller again.
    pub fn refused(&mut self, session: u64, tap: Box<Tap>) {
        let id = tap.recording();
        match self.sessions.any_mut(session) {
            Some(mut session) => session.tap(self.services, tap),
            None => drop(tap),
        }
        self.snapshot_refused(id);
        self.advance(id, LifecycleEvent::TapMoved);
    }

    /// A session was handed back, and its taps with it.
    pub fn handed_back(&mut self, session: u64) {
        self.snapshots_handed_back(session);
        let is_shutdown = self.is_shutdown;
        for id in self.recorder.of_session(session) {
            self.advance(id, LifecycleEvent::HandedBack { is_shutdown });
        }
    }

    /// A session is gone or quarantined.
    pub fn session_gone(&mut self, session: u64) {
        if mutant!("recorder: a recording outlives its session") {
            return;
        }
        for id in self.recorder.of_session(session) {
            let is_shutdown = self.is_shutdown;
            self.advance(id, LifecycleEvent::SessionGone { is_shutdown });
        }
    }

    /// The daemon exits: no recording takes packets any more.
    pub fn end_all(&mut self) {
        for id in self.recorder.ids() {
            self.advance(id, LifecycleEvent::End(RecordingEnd::Shutdown));
        }
    }

    /// Applies timeouts and limits to recordings.
    pub fn watch(&mut self, now: Instant) {
        let is_look = self.recorder.begin_look(now);
        for id in self.recorder.ids() {
            self.advance(id, LifecycleEvent::Time { is_look });
        }
    }

    /// Tells each session which of its recordings do not keep all packets.
    pub fn note_degraded(&mut self) {
        let mut degraded: BTreeMap<u64, Vec<String>> = BTreeMap::new();
        let all = self.recorder.list.values();
        let all = all.filter_map(|it| Some((it.about.session.0, RunningRecording::degraded(it)?)));
        for (session, detail) in all {
            degraded.entry(session).or_default().push(detail);
        }
        self.sessions.change_each(|session| {
            let its = degraded.remove(&session.id.0);
            session.traffic.degraded_recordings = its.unwrap_or_default();
        });
    }

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
    fn pictured(&mut self, id: u64, result: Result<Vec<u8>, Box<Problem>>) {
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
    fn snapshots_handed_back(&mut self, session: u64) {
        for tap in self.snapshots.handed_back(session) {
            self.fetch_snapshot_tap(tap);
        }
    }

    /// A poller refused a tap, which is with its session again.
    fn snapshot_refused(&mut self, id: u64) {
        if let Some(tap) = self.snapshots.refused(id) {
            self.fetch_snapshot_tap(tap);
        }
    }
}

fn recorded(session: &Session) -> Recorded {
    Recorded {
        subject: session.subject(),
        document: serde_json::to_value(&session.spec).expect("a specification is plain data"),
        producer: format!("{} (onair-{})", session.spec.port, session.home.name()),
        is_persistent: session.spec.persistent,
    }
}
