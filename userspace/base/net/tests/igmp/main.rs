//! Queries of any bytes, and a host against a router that follows RFC 3376 §6.

mod host;
mod mld;
mod packets;
mod router;
