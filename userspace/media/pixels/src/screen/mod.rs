//! Pictures for people to look at: of a buffer, small ones of a few of its pixels, of a session's packets.

mod rgb;
mod small;
mod still;

pub use rgb::rgb8;
pub use small::rgb8_small;
pub use still::{NotShown, Shown, Still};
