//! The messages on `attach.sock` (SOCK_SEQPACKET): one JSON object in each packet.
//!
//! A connection has at most one attachment, so that its hang-up and its kicks identify it. A client
//! sends one request at a time. One exception: it may send `abort` while another request waits for
//! its answer, or the other way round. The `tag`, a number that an answer copies from its request,
//! distinguishes the two. A packet without a tag has tag 0. A packet with the single byte [`KICK`]
//! is not a request and gets no answer: it reports that a caller left while the session drains.
//!
//! Attaching takes two requests. The daemon answers `attach` with a challenge. The client passes
//! the token through its own probe site and sends `proved`. Only after the kernel's probe has
//! reported that very token does the daemon send the descriptors `ctl`, `seg`, `frames`, in this
//! order (SCM_RIGHTS).

use std::ops::{Not, RangeInclusive};

use onair_essence::Format;
use serde::de::Error as _;
use serde::{Deserialize, Serialize};

use crate::layout::Geometry;

/// Newest version of the messages: what both sides of one build speak.
pub const PROTOCOL: u32 = 4;
/// Versions that this build speaks. Two builds speak the highest that both know.
///
/// From the first release on, a version lives as long as it can: an answer only gains fields that may be absent, and a
/// request only those that `welcome` has announced.
pub const PROTOCOLS: RangeInclusive<u32> = 4..=PROTOCOL;
/// The packet that notifies the draining daemon.
pub const KICK: u8 = b'K';
/// Longest packet, bytes. A longer one closes the connection.
pub const MAX_PACKET: usize = 65_536;

/// Descriptors that come with an attachment: `ctl`, `seg`, `frames`.
pub const DESCRIPTORS: usize = 3;
/// Code of a refusal: client and daemon have different versions of the messages. No operation of
/// the control API has it.
pub const PROTOCOL_MISMATCH: &str = "protocol_mismatch";

/// Tag of an answer, copied from its request: 0 if there is none.
pub type Tag = u32;

#[derive(Deserialize)]
struct Tagged {
    tag: Option<Tag>,
}

/// Writes `message` as a packet.
///
/// # Errors
/// The message cannot be written as JSON.
pub fn write(tag: Tag, message: &impl Message) -> serde_json::Result<Vec<u8>> {
    if tag == 0 {
        return serde_json::to_vec(message);
    }
    let mut value = serde_json::to_value(message)?;
    value["tag"] = tag.into();
    serde_json::to_vec(&value)
}

/// Parses the request in a packet.
///
/// # Errors
/// The packet is not a request.
pub fn read_request(packet: &[u8]) -> serde_json::Result<(Tag, Request)> {
    read_own_request(packet).or_else(|error| match hello_of_another_protocol(packet) {
        Some(hello) => Ok((0, hello.into())),
        None => Err(error),
    })
}

/// The number alone of a hello whose fields another protocol has made: its library is told that, not that a field is
/// unknown.
fn hello_of_another_protocol(packet: &[u8]) -> Option<Hello> {
    #[derive(Deserialize)]
    struct Other {
        #[serde(rename = "type")]
        name: String,
        protocol: u32,
    }
    let Other { name, protocol } = serde_json::from_slice(packet).ok()?;
    (name == Hello::NAME && !PROTOCOLS.contains(&protocol)).then(|| Hello {
        protocol,
        library: String::new(),
        sites: false,
    })
}

fn read_own_request(packet: &[u8]) -> serde_json::Result<(Tag, Request)> {
    let Some(tag) = serde_json::from_slice::<Tagged>(packet)?.tag else {
        return Ok((0, serde_json::from_slice(packet)?));
    };
    let mut value: serde_json::Value = serde_json::from_slice(packet)?;
    match value.as_object_mut() {
        Some(fields) => fields.remove("tag"),
        None => return Err(serde_json::Error::custom("not an object")),
    };
    Ok((tag, serde_json::from_value(value)?))
}

/// Parses the answer in a packet.
///
/// # Errors
/// The packet is not an answer.
pub fn read_response(packet: &[u8]) -> serde_json::Result<(Tag, Response)> {
    let tag = serde_json::from_slice::<Tagged>(packet)?.tag;
    Ok((tag.unwrap_or(0), serde_json::from_slice(packet)?))
}

/// The content of a packet: a [`Request`] or a [`Response`].
pub trait Message: Serialize {}

/// A request of a client.
pub trait AttachRequest: Into<Request> {
    /// Its name on the socket.
    const NAME: &'static str;
    /// The answer, unless the request is refused.
    type Answer: TryFrom<Response, Error = Response>;
}

/// Declares each message once: its documentation, name, fields and, for a request, its answer.
macro_rules! messages {
    (
        $(#[$of_all:meta])* $all:ident, each $of_each:tt:
        $($(#[doc = $doc:literal])+ $name:ident $text:literal $(-> $answer:ty)? {
            $($fields:tt)*
        })+
    ) => {
        $(#[$of_all])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "type")]
        pub enum $all {$(
            $(#[doc = $doc])+
            #[serde(rename = $text)]
            $name($name),
        )+}

        impl Message for $all {}

        impl $all {
            /// Its name on the socket.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$name(_) => $text,)+ }
            }
        }

        $(
        $(#[doc = $doc])+
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde $of_each]
        pub struct $name { $($fields)* }

        impl From<$name> for $all {
            fn from(message: $name) -> Self {
                Self::$name(message)
            }
        }

        impl TryFrom<$all> for $name {
            type Error = $all;

            fn try_from(message: $all) -> Result<Self, $all> {
                match message {
                    $all::$name(message) => Ok(message),
                    other => Err(other),
                }
            }
        }

        $(impl AttachRequest for $name {
            const NAME: &'static str = $text;
            type Answer = $answer;
        })?
        )+
    };
}

/// A session of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Session id, 16 hex digits.
    pub session: String,
    /// Session name.
    pub name: String,
    /// Name of its essence, such as `audio`.
    pub essence: String,
}

messages! {
    /// Messages from client to daemon.
    Request, each (deny_unknown_fields):

    /// First message; again after [`PROTOCOL_MISMATCH`], with a lower version.
    Hello "hello" -> Welcome {
        /// One of [`PROTOCOLS`], the highest first.
        pub protocol: u32,
        /// Name and version of the library, for people.
        pub library: String,
        /// Whether the process executes its probe sites (not under Valgrind).
        pub sites: bool,
    }

    /// Creates a session that this process owns.
    Create "create" -> Created {
        /// As in `POST /v1/sessions`.
        pub spec: serde_json::Value,
    }

    /// Starts to attach.
    Attach "attach" -> ChallengeOrAttached {
        /// Session name or id.
        pub session: String,
        /// Layout that the buffers must have, as FFmpeg or GStreamer names it; as the session has them when
        /// absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub layout: Option<String>,
        /// RTP timestamp of the last unit that the process had of a session of this name: it gets those after it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub after: Option<u32>,
        /// Of a local session: to fill its frames, instead of reading them. Of others without effect.
        #[serde(default, skip_serializing_if = "Not::not")]
        pub fills: bool,
        /// To read some units, not all: those that it does not take in time are none that a slow client loses. Of a
        /// client that fills without effect.
        #[serde(default, skip_serializing_if = "Not::not")]
        pub samples: bool,
    }

    /// Lists the members of a group.
    ListMembers "list_members" -> Members {
        /// Name of the group.
        pub group: String,
    }

    /// Reports that the client passed the token of the challenge through the site.
    Proved "proved" -> Attached {}

    /// Ends the attachment; refused while its callers or frames are out.
    Detach "detach" -> Detached {}

    /// Waits until the frames that clients have submitted to the attached session so far are sent.
    Flush "flush" -> Flushed {
        /// How long to wait, ms.
        pub wait_ms: u64,
    }

    /// Destroys the attached session, which this process owns and has stopped.
    Destroy "destroy" -> Destroyed {
        /// How long to wait for the last user, ms; `None` does not wait.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub wait_ms: Option<u64>,
    }

    /// Aborts the attached session, which this process owns: evicts every client, this process too,
    /// and destroys it.
    Abort "abort" -> Destroyed {}
}

messages! {
    /// Messages from daemon to client.
    Response, each ():

    /// Answer to `hello`.
    Welcome "welcome" {
        /// That of the `hello`.
        pub protocol: u32,
        /// Name and version of the daemon, for people.
        pub daemon: String,
    }

    /// Answer to `create`.
    Created "created" {
        /// Session id, 16 hex digits.
        pub session: String,
    }

    /// Answer to `list_members`.
    Members "members" {
        /// The members, oldest first.
        pub members: Vec<Member>,
    }

    /// Answer to `attach`: pass the token through the site, then send `proved`.
    Challenge "challenge" {
        /// The token, 16 hex digits.
        pub token: String,
    }

    /// Answer to `proved` (or to `attach`, where the probe is off); carries the [`DESCRIPTORS`].
    Attached "attached" {
        /// Session id, 16 hex digits.
        pub session: String,
        /// Session name.
        pub name: String,
        /// Attachment number.
        pub attachment: u64,
        /// Whether this process owns the session, and may destroy it.
        pub owner: bool,
        /// True for a send session, and for the filler of a local one: `buffer_get` returns frames to be filled.
        pub sends: bool,
        /// Whether the frames are another client's, or go to others: no packets.
        #[serde(default, skip_serializing_if = "Not::not")]
        pub local: bool,
        /// Version of the shared-memory contract, [`layout::VERSION`](crate::layout::VERSION).
        pub version: u32,
        /// Sizes.
        pub geometry: Geometry,
        /// Format of the session.
        pub format: Format,
        /// Layout of the buffers, by FFmpeg's name; pixel groups of RFC 4175 when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub layout: Option<String>,
        /// Buffers that this process may hold at a time, 1 or more.
        pub quota: u32,
        /// Whether the daemon's probe watches this process.
        pub watched: bool,
    }

    /// Answer to `detach`.
    Detached "detached" {}

    /// Answer to `flush`.
    Flushed "flushed" {
        /// Frames sent during the wait.
        pub frames_sent: u64,
    }

    /// Answer to `destroy` and `abort`.
    Destroyed "destroyed" {
        /// The certificate, as in `GET /v1/sessions/{id}/certificate`.
        pub certificate: serde_json::Value,
    }

    /// The request was refused.
    Refused "error" {
        /// Stable code, as in the control API's problem documents.
        pub code: String,
        /// For people: cause and advice.
        pub message: String,
        /// With `busy`: the session's users, as in `GET /v1/sessions/{id}/blockers`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub blockers: Vec<serde_json::Value>,
    }
}

/// The two answers to `attach`.
#[derive(Clone, Debug, PartialEq)]
pub enum ChallengeOrAttached {
    /// The probe is on.
    Challenge(Challenge),
    /// The probe is off.
    Attached(Attached),
}

impl TryFrom<Response> for ChallengeOrAttached {
    type Error = Response;

    fn try_from(response: Response) -> Result<Self, Response> {
        match response {
            Response::Challenge(challenge) => Ok(Self::Challenge(challenge)),
            Response::Attached(attached) => Ok(Self::Attached(attached)),
            other => Err(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_unknown_field_or_type_then_refused() {
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
    fn message_tagged_then_the_tag_comes_along_and_nothing_changes() {
        for tag in [0, 1, Tag::MAX] {
            let packet = write(tag, &Request::Abort(Abort {})).unwrap();
            assert_eq!(read_request(&packet).unwrap(), (tag, Abort {}.into()));
            let answer = Response::Flushed(Flushed { frames_sent: 3 });
            let packet = write(tag, &answer).unwrap();
            assert_eq!(read_response(&packet).unwrap(), (tag, answer));
        }
        // Tag 0 is not written.
        let packet = write(0, &Request::Abort(Abort {})).unwrap();
        assert_eq!(packet, br#"{"type":"abort"}"#);
        for text in [
            r#"{"type":"abort","tag":-1}"#,
            r#"{"type":"abort","tag":"1"}"#,
            r#"{"type":"abort","tag":1,"tag":2}"#,
            r#"{"type":"abort","tag":1,"more":2}"#,
            r#"[{"type":"abort","tag":1}]"#,
            r#"{"tag":1}"#,
            "[1]",
            "1",
            "",
        ] {
            assert!(read_request(text.as_bytes()).is_err(), "{text}");
        }
    }
}
