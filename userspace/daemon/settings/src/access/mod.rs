//! Who may do what: the process at the other end of a connection, and its rights.
//!
//! Not here: sockets, and the requests that need a right.

pub mod authority;
pub mod etag;
pub mod peer;
