//! The messages on `attach.sock` (SOCK_SEQPACKET): one JSON object in each packet.
//!
//! A connection carries at most one attachment, so that its hang-up and its kicks name it. Requests
//! are answered in order. A packet that consists of the byte [`KICK`] is no request and is not
//! answered: it says that a caller left while the session drains.
//!
//! Attaching takes two requests: `attach` is answered with a challenge; the client passes the token
//! through its own probe site and says `proved`; only when the kernel's probe has reported that very
//! token does it get the descriptors `ctl`, `seg`, `frames`, in this order (SCM_RIGHTS).

use serde::{Deserialize, Serialize};

use crate::layout::Geometry;

/// Version of the messages.
pub const PROTOCOL: u32 = 2;
/// The packet that notifies the draining daemon.
pub const KICK: u8 = b'K';
/// Longest packet, bytes. A longer one closes the connection.
pub const MAX_PACKET: usize = 65_536;

/// From client to daemon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// First message.
    Hello {
        /// [`PROTOCOL`].
        protocol: u32,
        /// Name and version of the library, for people.
        library: String,
        /// Whether the process executes its probe sites (not under Valgrind).
        sites: bool,
    },
    /// Creates a session that this process owns.
    Create {
        /// As in `POST /v1/sessions`.
        spec: serde_json::Value,
    },
    /// Begins to attach.
    Attach {
        /// Session name or id.
        session: String,
    },
    /// The token of the challenge has been passed through the site.
    Proved {},
    /// Gives the attachment back; refused while its callers or frames are out.
    Detach {},
    /// Waits until everything is sent that clients have submitted to the attached session so far.
    Flush {
        /// How long to wait, ms.
        wait_ms: u64,
    },
    /// Destroys the attached session, which this process owns and has stopped.
    Destroy {
        /// How long to wait for the last user, ms; `None` does not wait.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wait_ms: Option<u64>,
    },
    /// Aborts the attached session, which this process owns: cuts everybody off, this process too,
    /// and destroys it.
    Abort {},
}

/// From daemon to client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Response {
    /// Answer to `hello`.
    Welcome {
        /// [`PROTOCOL`].
        protocol: u32,
        /// Name and version of the daemon, for people.
        daemon: String,
    },
    /// Answer to `create`.
    Created {
        /// Session id, 16 hex digits.
        session: String,
    },
    /// Answer to `attach`: pass the token through the site, then say `proved`.
    Challenge {
        /// The token, 16 hex digits.
        token: String,
    },
    /// Answer to `proved` (or to `attach`, where the probe is off); carries the descriptors.
    Attached(Attached),
    /// Answer to `detach`.
    Detached {},
    /// Answer to `flush`.
    Flushed {
        /// Frames that were sent while it waited.
        frames_sent: u64,
    },
    /// Answer to `destroy` and `abort`.
    Destroyed {
        /// The certificate, as in `GET /v1/sessions/{id}/certificate`.
        certificate: serde_json::Value,
    },
    /// The request was refused.
    Error(Refused),
}

/// What a client needs to use its attachment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attached {
    /// Session id, 16 hex digits.
    pub session: String,
    /// Session name.
    pub name: String,
    /// Attachment number.
    pub attachment: u64,
    /// Whether this process owns the session, and may destroy it.
    pub owner: bool,
    /// True for a send session: `buffer_get` returns frames to be filled.
    pub sends: bool,
    /// Version of the shared-memory contract, [`layout::VERSION`](crate::layout::VERSION).
    pub version: u32,
    /// Sizes.
    pub geometry: Geometry,
    /// Frame width, pixels.
    pub width: u32,
    /// Frame height, lines.
    pub height: u32,
    /// Bits of a sample.
    pub depth: u32,
    /// Frames a second, numerator.
    pub rate_numerator: u32,
    /// Frames a second, denominator.
    pub rate_denominator: u32,
    /// Whether the daemon's probe watches this process.
    pub watched: bool,
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refused {
    /// Stable code, as in the control API's problem documents.
    pub code: String,
    /// For people: what is wrong, and what to do.
    pub message: String,
    /// With `busy`: who uses the session, as in `GET /v1/sessions/{id}/blockers`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blockers: Vec<serde_json::Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request__unknown_field_or_type__then_refused() {
        for text in [
            r#"{"type":"attach","session":"a","more":1}"#,
            r#"{"type":"format_disk"}"#,
            r#"{"type":"attach"}"#,
            "{}",
            "",
        ] {
            assert!(serde_json::from_str::<Request>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn request__written_and_read__then_same() {
        let request = Request::Destroy { wait_ms: Some(5) };
        let text = serde_json::to_string(&request).unwrap();
        assert_eq!(text, r#"{"type":"destroy","wait_ms":5}"#);
        assert_eq!(serde_json::from_str::<Request>(&text).unwrap(), request);
    }
}
