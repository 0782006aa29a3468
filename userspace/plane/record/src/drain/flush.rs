//! A flush: every event accepted before it is in a file, as the counts prove.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use onair_api::{RecordingEnd, RecordingFormat};
use onair_mutant::mutant;

use super::Drain;
use crate::before::Before;
use crate::manifest::{MANIFEST_VERSION, Manifest, Stage, Time};
use crate::producer::gate::Rounds;
use crate::shared::FlushedEvents;
use crate::spec::Spec;
use crate::totals::Counts;

/// Interval between two checks for producers still inside.
const GLANCE: Duration = Duration::from_micros(50);

/// Counts when the drain thread saw the flush.
pub(super) struct Snapshot {
    accepted: Vec<u64>,
    in_rings: u64,
}

impl Drain {
    /// Accepted events, and bytes in the rings.
    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot {
            accepted: self
                .files
                .producers()
                .iter()
                .map(|it| it.counts().accepted)
                .collect(),
            in_rings: self
                .rings
                .iter()
                .flatten()
                .map(|it| it.waiting() as u64)
                .sum(),
        }
    }

    /// Completes a flush if the counts prove it.
    pub(super) fn answer_flush(&mut self, number: u64, before: Snapshot, begun: Instant) {
        let shared = Arc::clone(&self.shared);
        if !shared.busy(|| self.files.pump(true)) {
            self.note_fault();
            return;
        }
        self.settled_at = Instant::now();
        let mut flushed = FlushedEvents {
            accepted: before.accepted.iter().sum(),
            in_rings: before.in_rings,
            written: 0,
            lost: 0,
            took: begun.elapsed(),
        };
        for (producer, totals) in self.files.producers().iter().enumerate() {
            let accepted = before.accepted.get(producer).copied().unwrap_or_default();
            let counts = totals.counts();
            let settled = counts.written + counts.lost.total();
            if totals.taken() < accepted || settled != totals.taken() {
                // Incomplete: the next turn tries again, until the requester's deadline.
                return;
            }
            flushed.written += counts.written;
            flushed.lost += counts.lost.total();
        }
        self.flushed = number;
        let mut progress = self.shared.progress();
        progress.flushed = number;
        progress.last_flush = Some(flushed);
        self.shared.changed.notify_all();
    }

    // The end of a recording. The order is what makes its manifest true:
    //
    // 1. Every ring is emptied until no producer is inside: what was accepted is in a file.
    // 2. The files end and are synced. A disk that does not answer is given up.
    // 3. The manifest is counted, and written last: it speaks of bytes that are on disk.

    /// Writes every accepted event to the files and syncs them to disk.
    pub(super) fn finish(&mut self) -> Manifest {
        if !mutant!("recorder: does not drain at the end") {
            self.final_drain();
        }
        self.encoder.end_file(&mut self.files);
        let shared = Arc::clone(&self.shared);
        if !shared.busy(|| self.files.pump(true)) {
            self.files.give_up();
        }
        self.gaps.end(self.files.producers());
        let manifest_file = shared.busy(|| self.files.end());
        let mut manifest = self.manifest(Stage::Complete);
        self.publish();
        match manifest_file {
            Some(manifest_file) => {
                let result = shared.busy(|| manifest_file.finish(&text(&manifest)));
                if let Err(error) = result {
                    let problem = format!("writing the manifest: {error}");
                    manifest.problems.push(problem);
                }
            }
            None => manifest
                .problems
                .push("the manifest's writer thread has failed".to_owned()),
        }
        manifest
    }

    /// Takes every accepted event: until each producer that passed the door has left, and every
    /// ring is empty.
    fn final_drain(&mut self) {
        let mut rounds = Rounds::default();
        let shared = Arc::clone(&self.shared);
        self.files.write_directly();
        loop {
            // Checked before the rings: a producer that has left has put its events into its ring.
            let out = shared.gate.all_out(|| shared.producers(), &mut rounds);
            self.take_in();
            self.pass(true);
            self.files.collect();
            if self.files.fault().is_some() {
                self.files.give_up();
                self.pass(true);
            }
            if out {
                return;
            }
            thread::park_timeout(GLANCE);
        }
    }

    pub(super) fn manifest(&self, stage: Stage) -> Manifest {
        let mut manifest = blank(&self.spec, self.started_at);
        manifest.stage = stage;
        manifest.cause = self.shared.progress().cause;
        manifest.files = self.files.reports();
        manifest.producers = self
            .files
            .producers()
            .iter()
            .map(|it| it.report())
            .collect();
        for producer in &manifest.producers {
            manifest.totals.add(&producer.counts);
        }
        (manifest.gaps, manifest.gaps_more) = self.gaps.list(self.files.producers());
        manifest.problems.clone_from(&self.files.problems);
        if self.files.problems_more > 0 {
            let more = format!("and {} more", self.files.problems_more);
            manifest.problems.push(more);
        }
        let may_go_on = matches!(manifest.cause, None | Some(RecordingEnd::Shutdown));
        if !may_go_on && !mutant!("recorder: its request outlives its end") {
            manifest.request = None;
        }
        if let Some(before) = &self.before {
            before.put_first(&mut manifest);
            if let Some(restart) = manifest.restarts.last_mut() {
                restart.before = self.resumed_at.map(Time::from_unix_ns);
                restart.missed = self.missed;
            }
        }
        manifest
    }
}

fn blank(spec: &Spec, started_at: Time) -> Manifest {
    Manifest {
        version: MANIFEST_VERSION,
        id: spec.id.clone(),
        name: spec.name.clone(),
        session: spec.session.clone(),
        format: RecordingFormat::Pcapng,
        snap_length: spec.snap_length,
        application: spec.application.clone(),
        stage: Stage::Recording,
        started_at,
        as_of: Time::now(),
        cause: None,
        files: Vec::new(),
        totals: Counts::default(),
        producers: Vec::new(),
        gaps: Vec::new(),
        gaps_more: 0,
        problems: Vec::new(),
        repair: None,
        restarts: Vec::new(),
        request: spec.request.clone(),
    }
}

pub(super) fn text(manifest: &Manifest) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(manifest).expect("a manifest is plain data");
    text.push(b'\n');
    text
}

/// The manifest of a starting recording.
pub(crate) fn first_manifest(spec: &Spec, started_at: Time, before: Option<&Before>) -> Vec<u8> {
    let mut manifest = blank(spec, started_at);
    if let Some(before) = before {
        manifest.files = before.manifest().files.clone();
        manifest.problems = before.manifest().problems.clone();
        before.put_first(&mut manifest);
    }
    text(&manifest)
}
