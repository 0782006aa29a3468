//! What lies in the folder when the daemon starts: recordings that were cut off are repaired, and those
//! of earlier daemons are listed.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use onair_record::{Manifest, Repaired};
use onair_types::RecordingView;
use tokio::sync::mpsc::UnboundedSender;

use super::{RecorderEvent, convert};
use crate::shutdown::ThreadRegistry;

/// Name of the thread that looks.
const NAME: &str = "record-look";

/// Looks through `folder` on a thread of its own: it may be large, or on a disk that hangs. `ready` is
/// locked meanwhile; when this returns, it is.
///
/// # Errors
/// No thread.
pub(super) fn look_through(
    folder: PathBuf,
    threads: &ThreadRegistry,
    ready: &Arc<Mutex<()>>,
    news: &UnboundedSender<RecorderEvent>,
) -> std::io::Result<()> {
    let (ready, news) = (Arc::clone(ready), news.clone());
    let (locked, is_locked) = std::sync::mpsc::channel();
    let worker = threads.register(NAME);
    let workers = threads.clone();
    std::thread::Builder::new()
        .name(NAME.into())
        .spawn(move || {
            let guard = ready.lock().unwrap_or_else(PoisonError::into_inner);
            // Whoever started this waits for exactly that.
            let _ = locked.send(());
            let views = repair(&folder);
            worker.set_processed(views.len() as u64);
            // A control thread that has ended lists nothing.
            let _ = news.send(RecorderEvent::Found(views));
            drop(guard);
            drop(worker);
            workers.forget(NAME);
        })?;
    // It can only have panicked, and then nothing is locked.
    let _ = is_locked.recv();
    Ok(())
}

/// Repairs what was cut off, and gives all recordings that are there. What is no recording is left
/// alone, and named in the log.
fn repair(folder: &Path) -> Vec<RecordingView> {
    match onair_record::repair(folder) {
        Ok(all) => all.iter().for_each(tell),
        Err(error) => {
            tracing::warn!(folder = %folder.display(), %error, "cannot look for recordings");
            return Vec::new();
        }
    }
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        // It is made with the first recording.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            tracing::warn!(folder = %folder.display(), %error, "cannot look for recordings");
            return Vec::new();
        }
    };
    let manifests = entries.flatten().map(|entry| entry.path());
    let manifests = manifests.filter(|path| path.extension().is_some_and(|it| it == "json"));
    let views = manifests.filter_map(|path| match read(&path) {
        Ok(manifest) => {
            let view = convert::found(&manifest, folder);
            if view.is_none() {
                tracing::info!(path = %path.display(), "not listed: it is of no session of ours");
            }
            view
        }
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "no manifest of a recording: left alone");
            None
        }
    });
    views.collect()
}

fn tell(repaired: &Repaired) {
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
                "repaired a recording that was cut off"
            );
        }
        Repaired::Freed(name) => {
            tracing::info!(
                file = name,
                "removed: the recording that it was to be never began"
            );
        }
        Repaired::LeftAlone(left) => {
            tracing::warn!(
                file = left.name,
                reason = left.reason,
                "left alone in the recorder's folder"
            );
        }
    }
}

fn read(path: &Path) -> std::io::Result<Manifest> {
    let text = onair_record::read_regular(path, Manifest::MOST_OCTETS)?;
    Ok(serde_json::from_slice(&text)?)
}
