//! How a buffer keeps its session.

use std::ops::Deref;
use std::sync::Arc;

use onair_ipc::caller::Attachment;

use crate::Session;
use crate::carries::Carries;
use crate::layout::Pictured;

mod sealed {
    pub trait Sealed {}
    impl<L: crate::Carries> Sealed for &crate::Session<L> {}
    impl<L: crate::Carries> Sealed for std::sync::Arc<crate::Session<L>> {}
}

/// A borrowed or a shared session: `&Session` or `Arc<Session>`.
pub trait LenderOf: Deref<Target = Session<Self::Layout>> + sealed::Sealed {
    /// Contents of its buffers.
    type Layout: Carries;

    /// Owner of the attachment during the loan.
    #[doc(hidden)]
    type Attachment: Deref<Target = Attachment>;
}

impl<'a, L: Carries> LenderOf for &'a Session<L> {
    type Layout = L;
    type Attachment = &'a Attachment;
}

impl<L: Carries> LenderOf for Arc<Session<L>> {
    type Layout = L;
    type Attachment = Arc<Attachment>;
}

/// A session that may have video.
pub trait Lender: LenderOf<Layout: Pictured> {}

impl<S: LenderOf<Layout: Pictured>> Lender for S {}
