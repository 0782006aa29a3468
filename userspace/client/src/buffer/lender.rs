//! How a buffer keeps its session.

use std::ops::Deref;
use std::sync::Arc;

use onair_ipc::caller::Attachment;

use crate::Session;

mod sealed {
    pub trait Sealed {}
    impl Sealed for &crate::Session {}
    impl Sealed for std::sync::Arc<crate::Session> {}
}

/// A borrowed or a shared session: `&Session` or `Arc<Session>`.
pub trait Lender: Deref<Target = Session> + sealed::Sealed {
    /// What the loan holds.
    #[doc(hidden)]
    type Attachment: Deref<Target = Attachment>;
}

impl<'a> Lender for &'a Session {
    type Attachment = &'a Attachment;
}

impl Lender for Arc<Session> {
    type Attachment = Arc<Attachment>;
}
