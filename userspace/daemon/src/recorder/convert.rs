//! Conversion between the API's types and those of `onair-record`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use onair_media::assembly::AssemblerConfig;
use onair_record::{
    Counts, Dropped, FileReport, Format, Frames, Lost, Manifest, RecordError, RecordName,
    SessionLabel, Spec, Stage,
};
use onair_types::{
    Problem, ProblemCode, ProducerCounts, RecordedFile, RecordedFrames, RecordingCounts,
    RecordingFormat, RecordingRepair, RecordingState, RecordingSummary, RecordingView, Timestamp,
};

use super::launch::Launch;
use super::list::Entry;
use super::live::{About, Active, RecordingFailure};
use crate::dataplane::ReceiveConfig;

/// The specification for the recorder; a [`Problem`] if the recorder rejects the name.
pub(super) fn spec(launch: &Launch) -> Result<Spec, Problem> {
    let wanted = &launch.spec;
    let assembly = AssemblerConfig {
        format: launch.video,
        payload_type: launch.payload_type,
        timeout_ns: ReceiveConfig::default_timeout_ns(&launch.video),
    };
    let format = match wanted.format {
        RecordingFormat::Pcapng => Format::Pcapng,
        RecordingFormat::Y4m => Format::Y4m(assembly),
        RecordingFormat::Raw => Format::Raw(assembly),
    };
    let name = launch.about.name.as_str().parse::<RecordName>();
    let name =
        name.map_err(|error| Problem::new(ProblemCode::InvalidRequest, error.to_string()))?;
    let mut spec = Spec::new(&launch.folder, name, format);
    spec.id = launch.about.id.to_string();
    spec.session = Some(SessionLabel {
        id: launch.about.session.to_string(),
        name: launch.about.session_name.to_string(),
    });
    if let Some(bytes) = wanted.snap_length {
        spec.snap_length = bytes;
    }
    spec.ring_bytes = launch.ring_bytes;
    spec.min_free_bytes = launch.min_free_bytes;
    spec.duration = wanted.duration_ms.map(Duration::from_millis);
    spec.size = wanted.size_bytes;
    spec.split_size = wanted.split_size_bytes;
    spec.split_duration = wanted.split_duration_ms.map(Duration::from_millis);
    spec.application = concat!("onaird ", env!("CARGO_PKG_VERSION")).to_owned();
    Ok(spec)
}

/// The answer to a start that failed.
pub(super) fn problem(error: &RecordError) -> Problem {
    let code = match error {
        RecordError::Value { .. } | RecordError::SnapVideo(_) => ProblemCode::InvalidRequest,
        RecordError::Exists(_) => ProblemCode::NameTaken,
        _ => ProblemCode::DiskFailed,
    };
    Problem::new(code, error.to_string())
}

/// Counts by reason. Zero counts are left out.
pub(super) fn counts(counts: &Counts) -> RecordingCounts {
    // No `..`: a new reason must be named here.
    let Dropped {
        ring_full,
        disk_full,
        disk_fault,
        not_accepting,
    } = counts.dropped;
    let dropped = [
        ("ring_full", ring_full),
        ("disk_full", disk_full),
        ("disk_fault", disk_fault),
        ("not_accepting", not_accepting),
    ];
    let Lost {
        disk_full,
        disk_fault,
        removed,
        incomplete_frame,
        no_frame,
        killed,
    } = counts.lost;
    let lost = [
        ("disk_full", disk_full),
        ("disk_fault", disk_fault),
        ("removed", removed),
        ("incomplete_frame", incomplete_frame),
        ("no_frame", no_frame),
        ("killed", killed),
    ];
    let named = |all: &[(&str, u64)]| -> BTreeMap<String, u64> {
        let some = all.iter().filter(|(_, count)| *count > 0);
        some.map(|(name, count)| ((*name).to_owned(), *count))
            .collect()
    };
    RecordingCounts {
        arrived: counts.arrived,
        accepted: counts.accepted,
        dropped: named(&dropped),
        written: counts.written,
        written_bytes: counts.written_bytes,
        lost: named(&lost),
        pending: counts.pending,
    }
}

fn producers(all: &[onair_record::ProducerCounts]) -> Vec<ProducerCounts> {
    let one = |it: &onair_record::ProducerCounts| ProducerCounts {
        name: it.name.clone(),
        counts: counts(&it.counts),
    };
    all.iter().map(one).collect()
}

fn files(all: &[FileReport]) -> Vec<RecordedFile> {
    let one = |it: &FileReport| RecordedFile {
        name: it.name.clone(),
        bytes: it.bytes,
        events: it.events,
        sha256: it.sha256.clone(),
    };
    all.iter().map(one).collect()
}

fn frames(frames: &Frames) -> RecordedFrames {
    RecordedFrames {
        written: frames.written,
        incomplete: frames.incomplete,
    }
}

/// View of a recording whose files and counts are not known yet.
fn begun(about: &About, folder: &Path, state: RecordingState, at: Timestamp) -> RecordingView {
    RecordingView {
        id: about.id,
        name: about.name.clone(),
        session: about.session,
        session_name: about.session_name.clone(),
        format: about.format,
        state,
        reason: None,
        end: None,
        owner: None,
        started_at: at,
        ended_at: None,
        folder: folder.display().to_string(),
        files: Vec::new(),
        counts: RecordingCounts::default(),
        producers: Vec::new(),
        gaps: 0,
        problems: Vec::new(),
        frames: None,
        repair: None,
    }
}

/// View of a recording that runs, finishes, or has just ended.
pub(super) fn view(entry: &Entry, folder: &Path) -> RecordingView {
    let mut view = begun(&entry.about, folder, entry.state(), entry.started_at);
    view.reason.clone_from(&entry.reason);
    view.end = entry.end;
    view.owner = Some(entry.starter.clone());
    view.ended_at = entry.ended_at;
    let Some(active) = entry.active() else {
        return view;
    };
    if let Some(manifest) = active.manifest() {
        fill(&mut view, &manifest);
        return view;
    }
    let status = active.status();
    view.files = files(&status.files);
    view.counts = counts(&status.totals);
    view.producers = producers(&status.producers);
    view.problems = status.problems;
    view
}

fn fill(view: &mut RecordingView, manifest: &Manifest) {
    view.end = manifest.cause.or(view.end);
    view.files = files(&manifest.files);
    view.counts = counts(&manifest.totals);
    view.producers = producers(&manifest.producers);
    view.gaps = manifest.gaps.len() as u64 + manifest.gaps_more;
    view.problems.clone_from(&manifest.problems);
    view.frames = manifest.frames.as_ref().map(frames);
    view.repair = manifest.repair.as_ref().map(|repair| RecordingRepair {
        at: Timestamp(repair.at.0),
        cut_bytes: repair.files.iter().map(|it| it.cut_bytes).sum(),
        added_bytes: repair.files.iter().map(|it| it.added_bytes).sum(),
        says: repair.says.clone(),
    });
}

/// The files of an ended recording that the disk did not take, if there are any.
pub(super) fn not_on_disk(manifest: &Manifest) -> Option<RecordingFailure> {
    let names: Vec<_> = manifest.unfinished().map(|it| it.name.as_str()).collect();
    (!names.is_empty()).then(|| RecordingFailure::NotOnDisk(names.join(", ")))
}

/// View of a previous daemon's recording; `None` if its manifest names no session, or if its id or
/// names are invalid for the API.
pub(super) fn found(manifest: &Manifest, folder: &Path) -> Option<RecordingView> {
    let session = manifest.session.as_ref()?;
    let about = About {
        id: manifest.id.parse().ok()?,
        name: manifest.name.as_str().parse().ok()?,
        session: session.id.parse().ok()?,
        session_name: session.name.parse().ok()?,
        format: manifest.format,
    };
    let reason = not_on_disk(manifest).map(|failure| failure.to_string());
    let state = match (manifest.stage, &reason) {
        (Stage::Complete, None) => RecordingState::Finished,
        (Stage::Repaired, _) => RecordingState::Repaired,
        (Stage::Recording, _) | (Stage::Complete, Some(_)) => RecordingState::Failed,
    };
    let mut view = begun(&about, folder, state, Timestamp(manifest.started_at.0));
    view.reason = reason;
    view.ended_at = Some(Timestamp(manifest.as_of.0));
    fill(&mut view, manifest);
    Some(view)
}

/// Entry in the shutdown summary. Producers may have counted on after the files were finished:
/// their counts are the current ones.
pub(super) fn summary(
    active: &Active,
    failure: Option<RecordingFailure>,
    is_over: bool,
) -> RecordingSummary {
    let status = active.status();
    let manifest = active.manifest();
    let about = &active.about;
    RecordingSummary {
        id: about.id,
        name: about.name.clone(),
        session: about.session,
        session_name: about.session_name.clone(),
        state: match (&failure, is_over) {
            (Some(_), _) => RecordingState::Failed,
            (None, true) => RecordingState::Finished,
            (None, false) => RecordingState::Finishing,
        },
        reason: failure.map(|failure| failure.to_string()),
        files: files(manifest.as_ref().map_or(&status.files, |it| &it.files)),
        frames: manifest.and_then(|it| it.frames.as_ref().map(frames)),
        counts: counts(&status.totals),
        producers: producers(&status.producers),
    }
}
