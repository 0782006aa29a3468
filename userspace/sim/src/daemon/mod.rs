//! The daemon: the control thread with the real cores, and a poller for each session. What names
//! `onair-session` is here.

mod answers;
mod control;
mod effects;
mod ending;
mod poller;
#[path = "../../../session/tests/played/seen.rs"]
mod seen;
mod shutdown;
mod view;

pub(crate) use self::answers::refuse_rest;
pub(crate) use self::control::{Control, request, who};
pub(crate) use self::poller::{Commands, poller};
pub(crate) use self::seen::{Played, Seen};
