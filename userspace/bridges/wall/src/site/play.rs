//! A recording's content: `onairctl export` makes pictures or sound of a part of it, in a process of its own.
//!
//! The wall has no right to recordings but that of its user to their folder.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path as Named, Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use futures_util::StreamExt as _;
use futures_util::stream::{once, unfold};
use onair_api::operations::ShowRecording;
use onair_api::{RecordingId, RecordingRef};
use serde::Deserialize;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep};

use super::{Refusal, Site};

/// Exports at a time.
const AT_ONCE: usize = 2;
/// Of what an export says, in bytes.
const SAID: u64 = 4096;
/// Bytes that are sent at once.
const CHUNK: usize = 64 << 10;
/// Time that one export covers, at most.
const LONGEST_MS: u64 = 30_000;

/// Places of viewers that play.
#[derive(Clone, Debug)]
pub struct Players(Arc<Semaphore>);

impl Default for Players {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

/// A piece of a recording.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    /// A JPEG for each complete frame.
    Pictures,
    /// WAV.
    Sound,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fields {
    what: What,
    /// Milliseconds after the beginning.
    from: u64,
    /// Milliseconds.
    length: u64,
}

pub(super) async fn play(
    State(site): State<Site>,
    Named(recording): Named<RecordingId>,
    Query(fields): Query<Fields>,
) -> Result<impl IntoResponse, Refusal> {
    if site.is_remote {
        let error = "the recording is on the daemon's machine: run the wall there";
        return Err(Refusal::new(StatusCode::NOT_FOUND, error));
    }
    let place = site.players.0.clone().try_acquire_owned();
    let busy = "other viewers play recordings: try again when they have them";
    let place = place.map_err(|_| Refusal::new(StatusCode::TOO_MANY_REQUESTS, busy))?;
    let recording = RecordingRef::Id(recording);
    let answer = site.client.call::<ShowRecording>(&recording, &()).await?;
    let view = answer.read()?;
    let manifest = Path::new(&view.folder).join(format!("{}.json", view.name));
    may_read(&manifest)?;
    let mut child = export(&manifest, &fields).map_err(|error| {
        let error = format!("onairctl does not run: {error}: install the package onair");
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, error)
    })?;
    let out = child.stdout.take();
    let out = out.ok_or_else(|| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "no output"))?;
    let mut export = Export {
        child,
        out,
        ending: site.ending,
        _place: place,
    };
    let first = export.next().await;
    let Some(first) = first else {
        return Err(export.failure().await);
    };
    let rest = unfold(export, async |mut export| {
        let bytes = export.next().await?;
        Some((Ok::<_, std::io::Error>(bytes), export))
    });
    let body = Body::from_stream(once(async { Ok(first) }).chain(rest));
    Ok(([(CONTENT_TYPE, "application/octet-stream")], body))
}

/// Says what to do if the wall's user may not read the recording. Its unit shows it the folder that there was at its start.
fn may_read(manifest: &Path) -> Result<(), Refusal> {
    let Err(error) = File::open(manifest) else {
        return Ok(());
    };
    let folder = manifest.parent().unwrap_or(Path::new("/"));
    if error.kind() == ErrorKind::PermissionDenied || !folder.exists() {
        let error = format!(
            "the wall's user may not read it: run `setfacl -R -m u:onair-wall:rX,d:u:onair-wall:rX {} && systemctl restart \
             onair-wall` (package acl), or play it elsewhere",
            folder.display()
        );
        return Err(Refusal::new(StatusCode::FORBIDDEN, error));
    }
    let error = format!("{}: {error}: has it ended?", manifest.display());
    Err(Refusal::new(StatusCode::NOT_FOUND, error))
}

fn export(manifest: &Path, fields: &Fields) -> std::io::Result<Child> {
    let own = std::env::current_exe().ok();
    let beside = own.map(|it| it.with_file_name("onairctl"));
    let program = beside.filter(|it| it.exists());
    let mut command = Command::new(program.unwrap_or_else(|| PathBuf::from("onairctl")));
    let format = match fields.what {
        What::Pictures => "mjpeg",
        What::Sound => "wav",
    };
    let length = fields.length.min(LONGEST_MS);
    command.arg("export").arg(manifest);
    command.args(["--output", "-", "--format", format]);
    command.args(["--from", &format!("{}ms", fields.from)]);
    command.args(["--for", &format!("{length}ms")]);
    command.stdin(Stdio::null()).kill_on_drop(true);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn()
}

/// A running export.
struct Export {
    child: Child,
    out: ChildStdout,
    ending: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
}

impl Export {
    /// The next bytes; `None` at the end. It rests as long as the export worked for them: live pictures have the rest of
    /// the processor.
    async fn next(&mut self) -> Option<Bytes> {
        let began = Instant::now();
        let mut bytes = Vec::with_capacity(CHUNK);
        let read = async {
            while bytes.len() < CHUNK {
                if self.out.read_buf(&mut bytes).await? == 0 {
                    break;
                }
            }
            Ok::<_, std::io::Error>(())
        };
        tokio::select! {
            _ = self.ending.wait_for(|it| *it) => return None,
            it = read => it.ok()?,
        }
        if bytes.is_empty() {
            return None;
        }
        sleep(began.elapsed().min(Duration::from_millis(500))).await;
        Some(bytes.into())
    }

    /// Why it gave nothing.
    async fn failure(mut self) -> Refusal {
        let mut said = Vec::new();
        if let Some(errors) = self.child.stderr.take() {
            // What cannot be read is not said.
            let _ = errors.take(SAID).read_to_end(&mut said).await;
        }
        let said = String::from_utf8_lossy(&said);
        let said = said.trim().trim_start_matches("onairctl: ").to_owned();
        Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_out_of_sight_then_how_to_show_it() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |folder: &Path| may_read(&folder.join("take.json")).unwrap_err();
        let unended = refused(folder.path());
        assert_eq!(unended.status, StatusCode::NOT_FOUND);
        let unseen = refused(&folder.path().join("recordings"));
        assert_eq!(unseen.status, StatusCode::FORBIDDEN);
        let advice = format!(
            ":rX {}/recordings && systemctl restart",
            folder.path().display()
        );
        assert!(unseen.error.contains(&advice), "{}", unseen.error);
    }
}
