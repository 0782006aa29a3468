//! The control thread of a whole daemon is in trouble.

mod hangs;
mod panics;
mod slow;
