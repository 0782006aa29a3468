//! Requests on the control socket.

use std::time::Instant;

use onair_api::Reload;
use onair_api::operations::{
    AbortSession, ApiOperation, CreateGroup, CreateSession, DescribeSession, DestroyGroup,
    DestroyGroupWait, DestroySession, DestroySessionWait, EventQuery, EvictAll, EvictAttachment,
    FlushSession, ListArriving, ListBlockers, ListCertificates, ListGroups, ListPollers,
    ListRecordings, ListSessions, QuarantineSession, RetargetGroup, RetargetSession,
    RetargetSessions, ShowCertificate, ShowConfig, ShowGroup, ShowHealth, ShowPicture,
    ShowRecording, ShowSession, ShowTrace, ShowVerdict, ShutDownIfIdle, StartGroup, StartRecording,
    StartSession, StopGroup, StopRecording, StopSession,
};
use onair_settings::access::authority::Caller;
use onair_settings::config::Config;
use onair_settings::diagnostics::exposition::Exposition;

use crate::events::{LastSeen, Subscription};
use crate::reload::ReloadError;
use crate::services::reply::Reply;

/// A request for one operation.
#[derive(Debug)]
pub struct Asked<O: ApiOperation> {
    /// The requester and its grant.
    pub caller: Caller,
    /// The subject.
    pub target: O::Target,
    /// The rest of the request, checked.
    pub input: O::Input,
    /// When the request arrived.
    pub at: Instant,
    /// The answer, or a problem.
    pub reply: Reply<O::Answer>,
}

macro_rules! actions {
    ($($operation:ident)+) => {
        /// One request to the actor.
        #[derive(Debug)]
        pub enum Action {
            $(#[doc = concat!("See [`onair_api::operations::", stringify!($operation), "`].")]
            $operation(Asked<$operation>),)+
            /// Follow the events.
            Subscribe {
                /// The requester; its grant decides which events it sees.
                caller: Caller,
                /// The events that it wants.
                query: EventQuery,
                /// The last event that the reader has; `None`: only events from now on.
                after: Option<LastSeen>,
                /// The events; else `limit_reached`, `no_such_session`, …
                reply: Reply<Subscription>,
            },
            /// Collect all metrics.
            Metrics {
                /// The metrics and their values.
                reply: Reply<Exposition>,
            },
            /// Apply the configuration file, which was read again.
            Reload {
                /// The content of the file, or why it is invalid.
                loaded: Result<Box<Config>, ReloadError>,
                /// The result of the reload.
                reply: Reply<Reload>,
            },
        }

        $(impl From<Asked<$operation>> for Action {
            fn from(asked: Asked<$operation>) -> Self {
                Self::$operation(asked)
            }
        })+
    };
}

actions! {
    ListSessions CreateSession ShowSession StopSession StartSession RetargetSession RetargetSessions
    DestroySession DestroySessionWait FlushSession EvictAttachment EvictAll AbortSession QuarantineSession
    ListGroups CreateGroup ShowGroup StopGroup StartGroup RetargetGroup DestroyGroup DestroyGroupWait
    ListBlockers ShowVerdict ShowTrace DescribeSession ShowPicture StartRecording ListRecordings ShowRecording StopRecording
    ShowCertificate ListCertificates ShowConfig ListPollers ListArriving ShowHealth ShutDownIfIdle
}
