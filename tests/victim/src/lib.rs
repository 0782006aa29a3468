//! What a victim of the kill matrix is told, and the books that it leaves behind.
#![forbid(unsafe_code)]

mod books;
mod job;

pub use books::{Books, Phase, Ran};
pub use job::{Job, LabelAction, Role, Trap};
