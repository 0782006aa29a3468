//! Rights of a peer, and the right that an operation requires.

macro_rules! rights {
    ($($(#[$doc:meta])* $right:ident $text:literal;)+) => {
        /// An action that a peer may or may not be allowed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Right { $($(#[$doc])* $right,)+ }

        impl Right {
            /// All rights.
            pub const ALL: &'static [Self] = &[$(Self::$right,)+];
        }

        impl std::fmt::Display for Right {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(match self { $(Self::$right => $text,)+ })
            }
        }
    };
}

rights! {
    /// See a session, its blockers, its verdict, its certificate.
    Read "read";
    /// Create a session.
    Create "create sessions";
    /// Use a session's frames.
    Attach "attach";
    /// Stop a session.
    Stop "stop";
    /// Start a session.
    Start "start";
    /// Change a session's addresses.
    Retarget "retarget";
    /// Wait until what was submitted is sent.
    Flush "flush";
    /// Start and end recordings.
    Record "record";
    /// Destroy a session.
    Destroy "destroy";
    /// Evict clients.
    Evict "evict clients";
    /// Evict all clients and destroy.
    Abort "abort";
    /// Set a session aside with its users.
    Quarantine "quarantine";
    /// Get what a session's events were decided by.
    Trace "trace";
    /// Shut the daemon down.
    Shutdown "shut the daemon down";
    /// Make the daemon read its configuration again.
    Reload "reload the configuration";
}

/// Right that an operation requires of its requester.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing: every peer that may connect.
    Everyone,
    /// The right to do this with the session of the request; of its own sessions is enough for the
    /// owner.
    ThisSession(Right),
    /// The right to do this with any session.
    AnySession(Right),
}
