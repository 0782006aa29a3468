//! How a buffer keeps its session.

use std::ops::Deref;
use std::sync::Arc;

use onair_ipc::caller::{Attachment, Deadline};

use crate::{BufferOf, Error, Session};

mod sealed {
    pub trait Sealed {}
    impl Sealed for &crate::Session {}
    impl Sealed for std::sync::Arc<crate::Session> {}
}

/// A borrowed or a shared session: `&Session` or `Arc<Session>`.
pub trait Lender: Deref<Target = Session> + sealed::Sealed + Sized {
    /// What the loan holds.
    #[doc(hidden)]
    type Attachment: Deref<Target = Attachment>;

    #[doc(hidden)]
    fn get(&self, deadline: Deadline) -> Result<BufferOf<Self>, Error>;
}

impl<'a> Lender for &'a Session {
    type Attachment = &'a Attachment;

    fn get(&self, deadline: Deadline) -> Result<BufferOf<Self>, Error> {
        self.get_until(deadline)
    }
}

impl Lender for Arc<Session> {
    type Attachment = Arc<Attachment>;

    fn get(&self, deadline: Deadline) -> Result<BufferOf<Self>, Error> {
        self.get_owned_until(deadline)
    }
}
