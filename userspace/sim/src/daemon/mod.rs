//! The daemon: the control thread with the real cores, and a poller for each session. What names
//! `onair-session` is here.

mod control;
mod effects;
#[path = "../../../session/tests/played/ledgers.rs"]
mod ledgers;
mod poller;
#[path = "../../../session/tests/played/seen.rs"]
mod seen;
mod view;

pub(crate) use self::control::{Control, request, who};
pub(crate) use self::effects::refuse_rest;
pub(crate) use self::ledgers::Ledgers;
pub(crate) use self::poller::{Commands, poller};
