//! Scan of the folder at the start: repairs interrupted recordings and lists those of previous
//! daemons.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use onair_api::{RecordingEnd, RecordingState, RecordingView, Timestamp};
use onair_engine::machine::{About, FoundRecording, RecorderEvent};
use onair_engine::recorder::convert;
use onair_record::{Manifest, Repaired, Stage};
use onair_workers::ThreadRegistry;
use tokio::sync::mpsc::UnboundedSender;

use super::active::not_on_disk;

/// Name of the thread.
const NAME: &str = "record-look";

/// Scans `folder` on a separate thread: the folder may be large, or on a disk that hangs. `ready`
/// stays locked during the scan; it is locked when this returns.
///
/// # Errors
/// No thread.
pub(super) fn look_through(
    folder: PathBuf,
    threads: &ThreadRegistry,
    ready: &Arc<Mutex<()>>,
    events: &UnboundedSender<RecorderEvent>,
) -> std::io::Result<()> {
    let (ready, events) = (Arc::clone(ready), events.clone());
    let (locked, is_locked) = std::sync::mpsc::channel();
    let worker = threads.register(NAME);
    let workers = threads.clone();
    std::thread::Builder::new()
        .name(NAME.into())
        .spawn(move || {
            let guard = ready.lock().unwrap_or_else(PoisonError::into_inner);
            // The caller waits for this message.
            let _ = locked.send(());
            let all = repair(&folder);
            worker.set_processed(all.len() as u64);
            // The control thread has ended: no receiver.
            let _ = events.send(RecorderEvent::Found(all));
            drop(guard);
            drop(worker);
            workers.forget(NAME);
        })?;
    // An error means that the thread panicked, and then nothing is locked.
    let _ = is_locked.recv();
    Ok(())
}

/// Repairs interrupted recordings and returns all. Leaves other files unchanged and logs their
/// names.
fn repair(folder: &Path) -> Vec<FoundRecording> {
    match onair_record::repair(folder) {
        Ok(all) => all.iter().for_each(log_repaired),
        Err(error) => {
            tracing::warn!(folder = %folder.display(), %error, "cannot repair recordings");
            return Vec::new();
        }
    }
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        // The first recording creates the folder.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            tracing::warn!(folder = %folder.display(), %error, "cannot list recordings");
            return Vec::new();
        }
    };
    let manifests = entries.flatten().map(|entry| entry.path());
    let manifests = manifests.filter(|path| path.extension().is_some_and(|it| it == "json"));
    let all = manifests.filter_map(|path| match read(&path) {
        Ok((manifest, is_named)) => {
            let Some(view) = found(&manifest, folder) else {
                tracing::info!(path = %path.display(), "not listed: the manifest names no session of onaird");
                return None;
            };
            // A copy is no recording of its own.
            let may_go_on = is_named && may_go_on(&manifest);
            let manifest = may_go_on.then(|| Box::new(manifest));
            Some(FoundRecording { view, manifest })
        }
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "not a recording's manifest: file left unchanged");
            None
        }
    });
    all.collect()
}

/// Whether only the end of its daemon ended it.
fn may_go_on(manifest: &Manifest) -> bool {
    let ended = matches!(
        manifest.cause,
        Some(RecordingEnd::Shutdown | RecordingEnd::Killed)
    );
    manifest.request.is_some() && ended
}

/// Takes its request out of the manifest on a separate thread, and lists it again.
///
/// # Errors
/// No thread.
pub(super) fn conclude(
    folder: PathBuf,
    manifest: Box<Manifest>,
    cause: RecordingEnd,
    events: &UnboundedSender<RecorderEvent>,
) -> std::io::Result<()> {
    let events = events.clone();
    let conclude = move || {
        let name = manifest.name.clone();
        match onair_record::conclude(&folder, *manifest, cause) {
            Ok(manifest) => {
                let view = found(&manifest, &folder);
                let all = view.map(|view| FoundRecording {
                    view,
                    manifest: None,
                });
                // The control thread has ended: no receiver.
                let _ = events.send(RecorderEvent::Found(all.into_iter().collect()));
            }
            Err(error) => {
                tracing::warn!(recording = %name, %error, "its manifest is not rewritten: the next start looks at it again");
            }
        }
    };
    let thread = std::thread::Builder::new().name("record-end".into());
    thread.spawn(conclude).map(drop)
}

/// View of a previous daemon's recording; `None` if its manifest names no session, or if its id or
/// names are invalid for the API.
fn found(manifest: &Manifest, folder: &Path) -> Option<RecordingView> {
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
    let mut view = about.view(folder, state, Timestamp(manifest.started_at.0));
    view.reason = reason;
    view.ended_at = Some(Timestamp(manifest.as_of.0));
    convert::fill(&mut view, manifest);
    Some(view)
}

fn log_repaired(repaired: &Repaired) {
    match repaired {
        Repaired::Repaired(manifest) => {
            let repair = manifest.repair.as_ref();
            let cut: u64 = repair
                .iter()
                .flat_map(|it| &it.files)
                .map(|it| it.cut_bytes)
                .sum();
            let says = repair.map_or("", |it| it.says.as_str());
            tracing::warn!(
                recording = %manifest.name, files = manifest.files.len(), cut_bytes = cut, says,
                "repaired an interrupted recording"
            );
        }
        Repaired::Freed(name) => {
            tracing::info!(file = name, "removed: its recording never began");
        }
        Repaired::LeftAlone(left) => {
            tracing::warn!(
                file = left.name,
                reason = left.reason,
                "file in the recorder's folder left unchanged"
            );
        }
    }
}

/// A manifest of root or this daemon's user, and whether its file still has its name.
fn read(path: &Path) -> std::io::Result<(Manifest, bool)> {
    let text = onair_disk::read_regular(path, Manifest::MOST_BYTES)?;
    let manifest: Manifest = serde_json::from_slice(&text)?;
    let is_named = path.file_stem().and_then(OsStr::to_str) == Some(manifest.name.as_str());
    Ok((manifest, is_named))
}
