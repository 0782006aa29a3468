//! Field that a buffer of video carries.

use crate::layout::Pictured as _;
use crate::{BufferOf, Field, Lender};

impl<S: Lender> BufferOf<S> {
    /// Receive: which field of an interlaced frame it is; `None`: a whole frame. A sender's buffers
    /// are first and second fields in turn, in the order of [`BufferMut::submit`](crate::BufferMut::submit), the first one since the
    /// session's start a first field.
    #[must_use]
    pub fn field(&self) -> Option<Field> {
        let is_picture = self.layout().pictures().is_some();
        is_picture.then(|| Field::of_tag(self.tag())).flatten()
    }
}
