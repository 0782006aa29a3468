//! Formats of a description's media: video, audio and data, each with its parameters.

pub(crate) mod ancillary;
pub(crate) mod audio;
pub(crate) mod compressed;
pub(crate) mod video;
