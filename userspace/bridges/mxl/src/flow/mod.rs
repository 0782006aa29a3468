//! A flow: its definition, and the time of each of its grains.

mod definition;
mod format;
mod rate;

pub use definition::{Definition, flow_id};
pub use format::{Format, NotCarried, NotRead};
pub use rate::Rate;
