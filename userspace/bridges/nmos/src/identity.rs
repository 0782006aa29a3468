//! Identities that outlast restarts of this process, of the daemon and of the machine.

use onair_api::SessionName;
use uuid::Uuid;

/// Makes the UUID of each resource: version 5 (RFC 9562 §5.5) of a seed and what the resource is, so that the same name has
/// the same identity for ever.
#[derive(Clone, Copy, Debug)]
pub struct Ids {
    seed: Uuid,
}

impl Ids {
    /// Those of a seed: this machine's, unless the settings give one.
    #[must_use]
    pub fn of(seed: &str) -> Self {
        Self {
            seed: Uuid::new_v5(&Uuid::NAMESPACE_DNS, format!("{seed}.onair").as_bytes()),
        }
    }

    fn named(&self, kind: &str, name: &str) -> Uuid {
        Uuid::new_v5(&self.seed, format!("{kind}/{name}").as_bytes())
    }

    /// Of the node.
    #[must_use]
    pub fn node(&self) -> Uuid {
        self.named("node", "")
    }

    /// Of the only device.
    #[must_use]
    pub fn device(&self) -> Uuid {
        self.named("device", "")
    }

    /// Of the source of a send session.
    #[must_use]
    pub fn source(&self, session: &SessionName) -> Uuid {
        self.named("source", session.as_str())
    }

    /// Of the flow of a send session.
    #[must_use]
    pub fn flow(&self, session: &SessionName) -> Uuid {
        self.named("flow", session.as_str())
    }

    /// Of a send session.
    #[must_use]
    pub fn sender(&self, session: &SessionName) -> Uuid {
        self.named("sender", session.as_str())
    }

    /// Of a receive session.
    #[must_use]
    pub fn receiver(&self, session: &SessionName) -> Uuid {
        self.named("receiver", session.as_str())
    }

    /// Of a session that becomes a flow of MXL.
    #[must_use]
    pub fn mxl_sender(&self, session: &SessionName) -> Uuid {
        self.named("mxl-sender", session.as_str())
    }

    /// Of a session that is filled with a flow of MXL.
    #[must_use]
    pub fn mxl_receiver(&self, session: &SessionName) -> Uuid {
        self.named("mxl-receiver", session.as_str())
    }

    /// Of the source and the flow of a session that is a sender on MXL.
    #[must_use]
    pub fn mxl_source_and_flow(&self, session: &SessionName) -> (Uuid, Uuid) {
        let named = |kind| self.named(kind, session.as_str());
        (named("mxl-source"), named("mxl-flow"))
    }
}
