//! What a stream of RTP packets of unknown format shows of itself.
//!
//! [`CapturedPacket`] finds RTP in a captured frame, which may be cut. [`Survey`] counts one stream, and
//! guesses its essence, rate and raster. Memory is constant for each stream. Files and tables do not
//! belong here.

mod frame;
mod guess;
mod picture;
mod sequences;
mod steps;
mod stream;
mod video;

pub use frame::{CapturedPacket, Link, NotRtp};
pub use guess::{Essence, MeasuredRate, VIDEO_RATES};
pub use picture::Picture;
pub use sequences::Sequences;
pub use steps::Steps;
pub use stream::Survey;
pub use video::Raster;
