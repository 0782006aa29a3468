//! Packets to blocks: the samples that came, and silence of exact length for those that did not.
//!
//! All packets of a stream have as many samples, so that sequence number and timestamp of a packet follow from
//! those of any other one. A packet for which they do not is not of the stream.

mod assembler;
mod block;
mod malformed;
mod restarted;
#[cfg(test)]
mod tests;

pub use assembler::BlockAssembler;
pub use malformed::Malformed;
