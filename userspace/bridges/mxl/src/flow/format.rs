//! Format of a flow, by a session or by the flow's definition.

use onair::{Coding, Colorimetry, Contents, Depth, Sampling, Scan, TransferCharacteristics};
use serde_json::Value;

use super::Rate;

/// Bytes of a grain of ancillary data (`MXL_DATA_FORMAT_GRAIN_SIZE`).
const DATA_BYTES: usize = 4096;

/// Format of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `video/v210`, and of `video/v210a` the picture without the key.
    Video {
        /// Pixels of a line.
        width: u32,
        /// Lines of a frame.
        height: u32,
        /// Grains a second: frames, or fields.
        rate: Rate,
        /// Each grain is a field.
        is_interlaced: bool,
        /// Colours as the sender declares them.
        colours: (Colorimetry, TransferCharacteristics),
    },
    /// `audio/float32`.
    Audio {
        /// Channels.
        channels: u32,
        /// Samples of a channel in a second.
        rate: Rate,
    },
    /// `video/smpte291`.
    Data {
        /// Grains a second.
        rate: Rate,
    },
}

/// Why a session is no flow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotCarried {
    /// It carries something that MXL has no media type for.
    #[error("MXL has no media type for {0}")]
    Essence(&'static str),
    /// v210 has YCbCr-4:2:2 of 10 bits alone.
    #[error("{0}: MXL carries YCbCr-4:2:2 of 10 bits")]
    Samples(String),
    /// The library takes 25 and 30000/1001 interlaced frames a second.
    #[error("{0} interlaced frames a second: MXL has 25 and 30000/1001")]
    Rate(String),
    /// AES3 transports data that may be no samples.
    #[error("AM824 may be no PCM: MXL carries samples alone, L16 or L24")]
    Aes3,
    /// The session is a converted one.
    #[error("it is converted already: name its source")]
    Converted,
}

/// Why a flow is no session.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRead {
    /// The definition lacks something, or it is of a wrong kind.
    #[error("its definition has no valid {0:?}")]
    Field(&'static str),
    /// A media type that is none of the known.
    #[error(
        "its media type is {0:?}: onair-mxl knows video/v210, video/v210a, audio/float32 and video/smpte291"
    )]
    MediaType(String),
}

impl Format {
    /// The format of a session's units on MXL.
    ///
    /// # Errors
    /// [`NotCarried`].
    pub fn of_session(contents: &Contents) -> Result<Self, NotCarried> {
        match contents {
            Contents::Video(layout) => {
                let video = &layout.video;
                if layout.pixel_format.is_some() {
                    return Err(NotCarried::Converted);
                }
                if (video.sampling(), video.depth()) != (Sampling::YCbCr422, Depth::Ten) {
                    return Err(NotCarried::Samples(video.to_string()));
                }
                let is_interlaced = video.scan() == Scan::Interlaced;
                let frames = (video.rate().numerator(), video.rate().denominator());
                if is_interlaced && frames != (25, 1) && frames != (30_000, 1001) {
                    return Err(NotCarried::Rate(video.rate().to_string()));
                }
                let rate = video.buffer_rate();
                let said = layout.appearance;
                Ok(Self::Video {
                    width: video.width(),
                    height: video.height(),
                    rate: Rate {
                        numerator: rate.numerator(),
                        denominator: rate.denominator(),
                    },
                    is_interlaced,
                    colours: (
                        said.colorimetry
                            .filter(|it| *it != Colorimetry::Unspecified)
                            .unwrap_or(Colorimetry::Bt709),
                        said.transfer.unwrap_or(TransferCharacteristics::Sdr),
                    ),
                })
            }
            Contents::Audio(format) if format.coding() == Coding::Am824 => Err(NotCarried::Aes3),
            Contents::Audio(format) => Ok(Self::Audio {
                channels: format.channels(),
                rate: Rate {
                    numerator: format.sample_rate(),
                    denominator: 1,
                },
            }),
            Contents::Ancillary(stream) => Ok(Self::Data {
                rate: Rate {
                    numerator: stream.unit_rate().numerator(),
                    denominator: stream.unit_rate().denominator(),
                },
            }),
            Contents::JpegXs(_) => Err(NotCarried::Essence("jpeg_xs")),
        }
    }

    /// The format of a flow by its definition.
    ///
    /// # Errors
    /// [`NotRead`].
    pub fn of_definition(definition: &Value) -> Result<Self, NotRead> {
        let number = |field: &'static str| {
            let number = definition[field].as_f64().filter(|it| *it >= 1.0);
            let number = number.filter(|it| it.fract() == 0.0 && *it <= f64::from(u32::MAX));
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "in the range, and whole"
            )]
            number.map(|it| it as u32).ok_or(NotRead::Field(field))
        };
        let rate = |field: &'static str| {
            let part = |name: &str, or: Option<u64>| {
                let number = definition[field][name].as_u64().or(or);
                number
                    .and_then(|it| u32::try_from(it).ok())
                    .filter(|it| *it > 0)
            };
            let parts = part("numerator", None).zip(part("denominator", Some(1)));
            let (numerator, denominator) = parts.ok_or(NotRead::Field(field))?;
            Ok::<_, NotRead>(Rate {
                numerator,
                denominator,
            })
        };
        let kind = definition["media_type"].as_str().unwrap_or_default();
        match kind {
            "video/v210" | "video/v210a" => {
                let is_interlaced = match definition["interlace_mode"].as_str() {
                    None | Some("progressive") => false,
                    Some("interlaced_tff" | "interlaced_bff") => true,
                    Some(_) => return Err(NotRead::Field("interlace_mode")),
                };
                let frames = rate("grain_rate")?;
                Ok(Self::Video {
                    width: number("frame_width")?,
                    height: number("frame_height")?,
                    rate: if is_interlaced {
                        frames.doubled()
                    } else {
                        frames
                    },
                    is_interlaced,
                    colours: (Colorimetry::Bt709, TransferCharacteristics::Sdr),
                })
            }
            "audio/float32" if definition["bit_depth"].as_f64() == Some(32.0) => Ok(Self::Audio {
                channels: number("channel_count")?,
                rate: rate("sample_rate")?,
            }),
            "audio/float32" => Err(NotRead::Field("bit_depth")),
            "video/smpte291" => Ok(Self::Data {
                rate: rate("grain_rate")?,
            }),
            other => Err(NotRead::MediaType(other.chars().take(80).collect())),
        }
    }

    /// Grains or samples a second.
    #[must_use]
    pub const fn rate(&self) -> Rate {
        match self {
            Self::Video { rate, .. } | Self::Audio { rate, .. } | Self::Data { rate } => *rate,
        }
    }

    /// Lines of a grain of video.
    #[must_use]
    pub const fn lines(&self) -> u32 {
        match self {
            Self::Video {
                height,
                is_interlaced: true,
                ..
            } => *height / 2,
            Self::Video { height, .. } => *height,
            Self::Audio { .. } | Self::Data { .. } => 0,
        }
    }

    /// Bytes of a grain's payload; of audio, of a sample of a channel.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Video { width, .. } => {
                (*width as usize).div_ceil(48) * 128 * self.lines() as usize
            }
            Self::Audio { .. } => size_of::<f32>(),
            Self::Data { .. } => DATA_BYTES,
        }
    }

    /// Whether the units of one are those of the other: what is said of colours may differ.
    #[must_use]
    pub fn has_same_units(&self, other: &Self) -> bool {
        let plain = |it: &Self| match *it {
            Self::Video {
                width,
                height,
                rate,
                is_interlaced,
                ..
            } => Self::Video {
                width,
                height,
                rate,
                is_interlaced,
                colours: (Colorimetry::Bt709, TransferCharacteristics::Sdr),
            },
            other => other,
        };
        plain(self) == plain(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn video() -> Value {
        json!({
            "media_type": "video/v210", "frame_width": 1920, "frame_height": 1080,
            "grain_rate": {"numerator": 30000, "denominator": 1001},
        })
    }

    #[test]
    fn definition_of_each_media_type_then_its_units() {
        let mut key = video();
        (key["media_type"], key["interlace_mode"]) =
            (json!("video/v210a"), json!("interlaced_tff"));
        for (definition, lines, bytes, rate) in [
            (video(), 1080, 5120 * 1080, (30_000, 1001)),
            (key, 540, 5120 * 540, (60_000, 1001)),
            (
                json!({"media_type": "audio/float32", "bit_depth": 32, "channel_count": 2, "sample_rate": {"numerator": 48000}}),
                0,
                4,
                (48_000, 1),
            ),
            (
                json!({"media_type": "video/smpte291", "grain_rate": {"numerator": 50}}),
                0,
                4096,
                (50, 1),
            ),
        ] {
            let format = Format::of_definition(&definition).unwrap();
            let Rate {
                numerator,
                denominator,
            } = format.rate();
            assert_eq!(
                (format.lines(), format.bytes(), (numerator, denominator)),
                (lines, bytes, rate)
            );
        }
    }

    #[test]
    fn definition_of_anything_else_then_the_field_is_named() {
        let with = |field: &str, value: Value| {
            let mut definition = video();
            definition[field] = value;
            Format::of_definition(&definition)
        };
        for value in [
            json!(0),
            json!(-1),
            json!(1.5),
            json!(1e300),
            json!("1920"),
            Value::Null,
        ] {
            assert_eq!(
                with("frame_width", value),
                Err(NotRead::Field("frame_width"))
            );
        }
        for value in [
            json!({}),
            json!({"numerator": 0}),
            json!({"numerator": 1, "denominator": 0}),
            json!(50),
        ] {
            assert_eq!(with("grain_rate", value), Err(NotRead::Field("grain_rate")));
        }
        assert_eq!(
            with("media_type", json!("video/raw")),
            Err(NotRead::MediaType("video/raw".to_owned()))
        );
        assert_eq!(
            Format::of_definition(&json!([])),
            Err(NotRead::MediaType(String::new()))
        );
    }
}
