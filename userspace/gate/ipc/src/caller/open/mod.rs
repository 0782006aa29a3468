//! Frames that are taken while they are received, and waiting for more of one.
//!
//! Such a frame is READY from its first packet on. Its progress word says how many bytes stand. A caller may
//! take it from a number of bytes on ([`taking`]), and wait for more of what it holds ([`waiting`]). Both sleep on an event count of their own.
//!
//! The attachment takes such frames from its first call that asks for one. Its other calls then wait for the end of
//! such a frame.

mod taking;
mod waiting;
