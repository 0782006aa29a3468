//! Facts about a stream in its description, for a survey of its packets.

use onair_essence::audio::Coding;
use onair_essence::survey::{self, Described};

use crate::description::Essence;
use crate::essence::audio::PcmDepth;
use crate::essence::video::DescribedVideo;
use crate::words::Word as _;

impl Essence {
    /// The facts that a survey needs of it.
    #[must_use]
    pub fn described(&self) -> Described {
        use survey::Guess;
        let (essence, video, sample_rate) = match self {
            Self::Video(video) => (Guess::Video, Some(of_video(video)), None),
            Self::Compressed(_) => (Guess::JpegXs, None, None),
            Self::Audio(audio) => (Guess::Audio, None, Some(audio.sample_rate)),
            Self::Aes3(audio) => (Guess::Audio, None, Some(audio.sample_rate)),
            Self::Ancillary(_) => (Guess::Ancillary, None, None),
            Self::Other { .. } => (Guess::Unknown, None, None),
        };
        Described {
            essence,
            video,
            sample_rate,
            samples: self.samples(),
        }
    }

    /// Coding and channels of audio.
    fn samples(&self) -> Option<(Coding, u32)> {
        match self {
            Self::Audio(audio) => {
                let coding = match audio.depth {
                    PcmDepth::L16 => Coding::L16,
                    PcmDepth::L24 => Coding::L24,
                };
                Some((coding, audio.channels.into()))
            }
            Self::Aes3(audio) => Some((Coding::Am824, audio.channels.into())),
            _ => None,
        }
    }
}

fn of_video(video: &DescribedVideo) -> survey::DescribedVideo {
    survey::DescribedVideo {
        width: video.width,
        height: video.height,
        scan: video.scan,
        rate: video.rate.map(|it| (it.numerator(), it.denominator())),
        sender: video.sender.map(|it| (it, it.word())),
        tr_offset_us: video.tr_offset_us,
    }
}
