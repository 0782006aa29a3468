//! Stands in for libmxl where the library is not installed, as in CI: the functions that `onair-mxl` calls, on files that are
//! laid out as the library's, so that a flow of one is read by the other. The same tests run with the real library by
//! `ONAIR_LIBMXL`: what is here follows it, and is no judge of it.
//!
//! Left out: it wakes no reader (they look each 200 µs), notes no time of reading, and checks no definition beyond what it
//! needs. With `version` in `ONAIR_MXL_STUB` it is version 2; with `fail`, each twentieth grain is refused.

mod exports;
mod files;
mod flow;

pub use exports::*;
