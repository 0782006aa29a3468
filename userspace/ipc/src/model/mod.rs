//! Models of the gate. The search runs every interleaving of them.
//!
//! * [`explorer`]: the whole protocol with atomic steps (sequentially consistent), and deaths at
//!   any step.
//! * [`store_buffer`]: the part that changes when the callers' counts are plain stores on x86-64.
//! * [`search`]: the breadth-first search that both use.
//!
//! Loom checks the orderings of the real words, in `tests/loom_*.rs`. This module is not product
//! code: it opens no file, maps no memory and does not sleep.

mod explorer;
mod pack;
mod search;
mod store_buffer;
