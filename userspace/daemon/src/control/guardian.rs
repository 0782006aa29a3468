//! Keeps a guardian beside the daemon ([`onair_ipc::guardian`]).

use std::time::Duration;

use onair_ipc::guardian::Guardian;
use onair_mutant::mutant;
use tokio::sync::oneshot;

use super::readable::readable;
use crate::resources::Resources;

/// From a guardian's death to the next one: who kills each of them costs no more than one a second.
const PAUSE: Duration = Duration::from_secs(1);

/// Starts a guardian and writes it to the journal. Waits for the disk. Without a guardian the daemon
/// works as well: the log says what is missing.
pub fn start(resources: &Resources) -> Option<Guardian> {
    let guardian = Guardian::start().inspect_err(|error| {
        tracing::warn!(
            %error,
            "the daemon has no guardian: if it is killed, its blocked callers return some milliseconds later"
        );
    });
    let guardian = guardian.ok()?;
    if let Err(error) = resources.note_guardian(guardian.pid()) {
        tracing::warn!(%error, "if this daemon is killed, the next one may start too early");
    }
    Some(guardian)
}

/// Starts another guardian when somebody has killed this one. Cancelled, it ends the guardian.
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
            .spawn(move || sender.send(start(&resources)));
        guardian = match started {
            Ok(_) => receiver.await.ok().flatten(),
            Err(_) => None,
        };
    }
}

async fn until_dead(guardian: &Guardian) -> std::io::Result<()> {
    readable(guardian)?.readable().await.map(drop)
}
