//! What a flow is: its definition, and which of its grains belongs to which time.

mod definition;
mod format;
mod rate;

pub use definition::{Definition, flow_id};
pub use format::{Format, NotCarried, NotRead};
pub use rate::Rate;
