//! Assembly of frames from packets that arrive out of order, twice, or never.
//!
//! The [`Assembler`] keeps two frames in assembly and reports each. The bytes go directly to a
//! [`Sink`](crate::receive::Sink), which owns the memory. Clocks, ports and the hand-over to clients do not belong here.

mod admission;
mod assembler;
mod coverage;
mod frame;
mod history;
mod malformed;
mod train;

pub use assembler::{Assembler, AssemblerConfig};
pub use coverage::Coverage;
pub use malformed::Malformed;
