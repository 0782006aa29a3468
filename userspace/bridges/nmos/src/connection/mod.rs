//! IS-05 v1.1, and v1.2 with MXL: what controllers have staged and activated, and how the daemon gets it.
//!
//! A PATCH changes what is staged, all of it or nothing. Its activation is a plan, which the daemon carries out as one
//! operation: other addresses (between two units of what is carried), and stop or start with them. What is *active* is what the daemon says: the
//! identity of the other end, and whether a leg is wanted, are kept here, as long as the session is as the activation made
//! it. [`staged`] and [`state`] decide, [`connections`] and [`carry`] carry out, [`routes`] are the paths. [`mxl`] does the same
//! for what `onair-mxl` carries.

mod activation;
mod auto;
mod carry;
mod connections;
mod index;
mod leg;
mod mxl;
mod patch;
mod refusal;
mod routes;
mod side;
mod staged;
mod state;

use std::collections::HashMap;

use onair_api::{SessionName, SessionState, SessionView};
use uuid::Uuid;

pub use connections::Connections;
pub use mxl::{MxlConnections, OnMxl};
pub use refusal::Refusal;
pub use routes::{router, versions};
pub use side::Side;

/// Connection of a sender or receiver, as IS-04 shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Subscription {
    /// `master_enable` of what is active.
    pub active: bool,
    /// The `receiver_id` of a sender, the `sender_id` of a receiver.
    pub peer: Option<Uuid>,
    /// How often a controller has activated something, also the same again.
    pub activations: u64,
}

impl Subscription {
    /// That of a session that no controller has switched.
    pub(crate) fn of(view: &SessionView) -> Self {
        Self {
            active: view.state == SessionState::Running,
            ..Self::default()
        }
    }
}

/// The subscription of each session.
pub type Subscriptions = HashMap<SessionName, Subscription>;

#[cfg(test)]
mod tests;
