//! Survey of a stream of RTP packets of unknown format.
//!
//! [`CapturedPacket`] finds RTP in a captured frame, which may be cut. [`Survey`] counts one stream, and
//! guesses what it carries, its rate and its raster. [`StreamFormat`] adds what a user and a session description
//! say, and [`Measurement`] measures the timing of such a stream. Memory is constant for each stream. Files and tables do not
//! belong here.

mod content;
mod format;
mod frame;
mod guess;
mod raster;
mod seen;
mod sequences;
mod steps;
mod stream;

pub use crate::video::st2110_21::{Intervals, Levels, Measurement, Reads, Summary, Verdict};
pub use content::Content;
pub use format::Shown;
pub use format::StreamFormat;
pub use format::{Described, DescribedVideo, UserFacts};
pub use frame::{CapturedPacket, Link, NotRtp};
pub use guess::{Fact, Guess, SampleForm};
pub use raster::Raster;
pub use sequences::Sequences;
pub use steps::Steps;
pub use stream::Survey;
