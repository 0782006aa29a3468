//! The kinds of streams.

use std::fmt;
use std::str::FromStr;

/// How frames are written to a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PipeFile {
    /// NUT: a header, and frames with timestamps.
    Nut,
    /// YUV4MPEG2: a header, and frames.
    Y4m,
    /// Frames alone.
    Raw,
}

/// The text is no [`PipeFile`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("give nut, y4m or raw; of audio wav or pcm, of ancillary data jsonl")]
pub struct UnknownPipeFile;

impl PipeFile {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Nut, Self::Y4m, Self::Raw];

    /// Its name on command lines.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nut => "nut",
            Self::Y4m => "y4m",
            Self::Raw => "raw",
        }
    }
}

impl FromStr for PipeFile {
    type Err = UnknownPipeFile;

    fn from_str(text: &str) -> Result<Self, UnknownPipeFile> {
        let found = Self::ALL.into_iter().find(|it| it.as_str() == text);
        found.ok_or(UnknownPipeFile)
    }
}

impl fmt::Display for PipeFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
