//! The core's boundary: events in, effects and answers out, a view of the world, and the poller's half of a session.
//!
//! Nothing here decides.

pub(crate) mod effect;
pub(crate) mod event;
pub(crate) mod facts;
pub(crate) mod note;
pub(crate) mod recorded;
pub(crate) mod retired;
pub(crate) mod runtime;
pub(crate) mod sites;
pub(crate) mod ticket;
pub(crate) mod view;
