//! The operations of the control API, each declared once.
//!
//! A declaration has everything that the daemon, its description (OpenAPI) and its clients need to
//! agree on: method and path, rights, input, answer, errors and documentation. The daemon's router,
//! the OpenAPI document and `onairctl` derive from it. How the daemon carries an operation out never
//! lives here.

mod certificates;
mod daemon;
mod entry;
mod groups;
mod input;
mod query;
mod recordings;
mod right;
mod sessions;
mod target;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use certificates::*;
pub use daemon::*;
pub use entry::{
    IDEMPOTENCY_KEY, Method, OperationEntry, Parameter, ParameterKind, ParameterPlace, Shape,
};
pub use groups::*;
pub use input::{DestroyWait, Flush, Flushed};
pub use input::{Input, Sent};
pub use query::{ArrivingQuery, CertificateQuery, EventQuery, RecordingQuery, SessionQuery};
pub use recordings::*;
pub use right::{Access, Right};
pub use sessions::*;
pub use target::Target;

#[cfg(feature = "openapi")]
pub use utoipa::ToSchema as Described;

/// Documents need no schema without the feature `openapi`.
#[cfg(not(feature = "openapi"))]
pub trait Described {}
#[cfg(not(feature = "openapi"))]
impl<T> Described for T {}

/// One operation of the control API.
pub trait ApiOperation: std::fmt::Debug + Sized + Send + 'static {
    /// The subject of a request: the variables of the path.
    type Target: Target;
    /// The rest of a request: its body or its query.
    type Input: Input;
    /// The JSON document of the answer.
    type Document: DeserializeOwned + Described;
    /// The document as the daemon passes it on: boxed if it is large.
    type Answer: std::fmt::Debug + Serialize + Send;
    /// The rest of the declaration.
    const ENTRY: OperationEntry;

    /// The path of a request about `target`.
    fn path(target: &Self::Target) -> String {
        let mut values = target.values().into_iter();
        let parts = Self::ENTRY.path.split('/').map(|part| match part {
            variable if variable.starts_with('{') => values.next().unwrap_or_default(),
            fixed => fixed.to_owned(),
        });
        parts.collect::<Vec<_>>().join("/")
    }
}

/// Every operation that is declared.
pub fn entries() -> impl Iterator<Item = &'static OperationEntry> {
    let all = [SESSIONS, GROUPS, RECORDINGS, CERTIFICATES, DAEMON];
    all.into_iter().flatten()
}

/// Declares the operations of a tag, and the list of them. The first paragraph of the documentation is the summary in the
/// API's description; the name in snake case is the `operationId`.
macro_rules! operations {
    ($list:ident $tag:literal: $(
        $(#[doc = $doc:literal])+
        $name:ident($target:ty, $input:ty) -> $document:ty $(as $answer:ty)?: $entry:expr;
    )+) => {
        /// Every operation of this tag.
        pub(super) const $list: &[crate::operations::OperationEntry] =
            &[$(<$name as crate::operations::ApiOperation>::ENTRY),+];
        $(
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl crate::operations::ApiOperation for $name {
            type Target = $target;
            type Input = $input;
            type Document = $document;
            type Answer = crate::operations::operations!(@answer $document $(, $answer)?);
            const ENTRY: crate::operations::OperationEntry = crate::operations::OperationEntry {
                name: stringify!($name),
                tag: $tag,
                docs: &[$($doc),+],
                ..$entry
            };
        }
    )+};
    (@answer $document:ty) => { $document };
    (@answer $document:ty, $answer:ty) => { $answer };
}
use operations;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_of_a_request_has_its_targets_values() {
        let session: crate::SessionRef = "cam1".parse().unwrap();
        assert_eq!(StopSession::path(&session), "/v1/sessions/cam1/stop");
        assert_eq!(
            EvictAttachment::path(&(session, 7)),
            "/v1/sessions/cam1/attachments/7/evict"
        );
        assert_eq!(ListSessions::path(&()), "/v1/sessions");
    }

    #[test]
    fn operation_id_is_the_name_in_snake_case() {
        assert_eq!(DestroySessionWait::ENTRY.id(), "destroy_session_wait");
        assert_eq!(ShutDown::ENTRY.id(), "shut_down");
    }
}
