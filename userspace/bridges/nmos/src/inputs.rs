//! Inputs of everything that controllers see.

use std::sync::Arc;

use tokio::sync::watch;

use crate::Ids;
use crate::connection::{OnMxl, Subscriptions};
use crate::resources::Host;
use onair_control::Facts;

/// Inputs of everything that controllers see.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// The daemon's facts.
    pub facts: watch::Receiver<Option<Arc<Facts>>>,
    /// Connections that controllers have made.
    pub subscriptions: watch::Receiver<Subscriptions>,
    /// Sessions on MXL, if this program knows an `onair-mxl`.
    pub mxl: Option<watch::Receiver<Arc<OnMxl>>>,
    /// Identities.
    pub ids: Ids,
    /// This machine.
    pub host: Host,
}

impl Inputs {
    /// Waits for a change; an error if there is none any more.
    pub(crate) async fn changed(&mut self) -> Result<(), watch::error::RecvError> {
        tokio::select! {
            it = self.facts.changed() => it,
            it = self.subscriptions.changed() => it,
            it = changed(self.mxl.as_mut()) => it,
        }
    }
}

async fn changed<T>(of: Option<&mut watch::Receiver<T>>) -> Result<(), watch::error::RecvError> {
    match of {
        Some(of) => of.changed().await,
        None => std::future::pending().await,
    }
}
