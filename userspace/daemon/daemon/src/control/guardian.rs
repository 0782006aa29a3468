//! Keeps a guardian beside the daemon ([`onair_ipc::guardian`]).

use std::time::Duration;

use onair_ipc::guardian::Guardian;
use onair_mutant::mutant;
use tokio::sync::oneshot;

use super::inputs::readable;
use crate::resources::Resources;

/// From a guardian's death to the next one: a process that kills each guardian costs at most one a second.
const PAUSE: Duration = Duration::from_secs(1);

/// Starts a guardian. Without one the daemon works as well: the log says what is missing.
pub fn start() -> Option<Guardian> {
    let guardian = Guardian::start().inspect_err(|error| {
        tracing::warn!(
            %error,
            "the daemon has no guardian: if it is killed, its blocked callers return some milliseconds later"
        );
    });
    guardian.ok()
}

/// Writes the guardian with this process id to the journal, or that there is none. Waits for the disk.
pub fn note(resources: &Resources, pid: Option<u32>) {
    if let Err(error) = resources.note_guardian(pid) {
        tracing::warn!(%error, "if this daemon is killed, the next one may start too early");
    }
}

/// Starts another guardian after this one was killed. Cancelled, it ends the guardian.
pub(super) async fn keep(mut guardian: Option<Guardian>, resources: Resources) {
    while let Some(running) = guardian {
        if let Err(error) = until_dead(&running).await {
            tracing::warn!(%error, "cannot watch the daemon's guardian");
            std::future::pending::<()>().await;
        }
        tracing::warn!("the daemon's guardian was killed; the next one starts in a second");
        drop(running);
        if mutant!("guardian: none takes its place") {
            return;
        }
        tokio::time::sleep(PAUSE).await;
        let (sender, receiver) = oneshot::channel();
        let resources = resources.clone();
        let started = std::thread::Builder::new()
            .name("guardian".into())
            .spawn(move || {
                let guardian = start();
                note(&resources, guardian.as_ref().map(Guardian::pid));
                sender.send(guardian)
            });
        guardian = match started {
            Ok(_) => receiver.await.ok().flatten(),
            Err(_) => None,
        };
    }
}

async fn until_dead(guardian: &Guardian) -> std::io::Result<()> {
    readable(guardian)?.readable().await.map(drop)
}
