//! The manifest as the drain thread writes it.

use onair_api::{RecordingEnd, RecordingFormat};
use onair_mutant::mutant;

use crate::before::Before;
use crate::manifest::{MANIFEST_VERSION, Manifest, Stage, Time};
use crate::spec::Spec;
use crate::totals::Counts;

use super::Drain;

impl Drain {
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
