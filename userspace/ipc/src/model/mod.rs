//! Models of the gate that are checked by running every interleaving.
//!
//! * [`explorer`]: the whole protocol with every step an atomic one (sequentially consistent),
//!   deaths at any step.
//! * [`store_buffer`]: what is left of it when the callers' counts are plain stores on x86-64.
//! * [`search`]: the breadth-first search that both use.
//!
//! Orderings of the real words are checked by loom, in `tests/loom_*.rs`. Nothing here is product
//! code, and nothing here opens a file, maps memory or sleeps.

mod explorer;
mod pack;
mod search;
mod store_buffer;
