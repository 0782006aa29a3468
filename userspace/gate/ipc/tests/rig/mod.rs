//! What the tests of the gate share: an attachment with both sides in this process, and threads of
//! its client.
#![allow(dead_code, reason = "each test program uses a part")]

pub(crate) mod daemon;
mod pair;
pub(crate) mod threads;

pub(crate) use pair::*;
