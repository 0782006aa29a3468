//! Appearance of pictures beside raster and samples, as the sender declares it: ST 2110-20 §7.2 and §7.3.

use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::document::words::words;
use crate::rows::Row;

words! {
    /// Colour primaries and matrix (ST 2110-20 §7.5).
    Colorimetry {
        /// ITU-R BT.601-7.
        Bt601 "BT601",
        /// ITU-R BT.709-6.
        Bt709 "BT709",
        /// ITU-R BT.2020-2.
        Bt2020 "BT2020",
        /// ITU-R BT.2100, Table 2.
        Bt2100 "BT2100",
        /// ACES, ST 2065-1.
        St2065_1 "ST2065-1",
        /// ADX, ST 2065-3.
        St2065_3 "ST2065-3",
        /// Not specified.
        Unspecified "UNSPECIFIED",
        /// CIE XYZ.
        Xyz "XYZ",
        /// A key signal.
        Alpha "ALPHA",
    }
}

words! {
    /// Transfer characteristic system (ST 2110-20 §7.6).
    TransferCharacteristics {
        /// Standard dynamic range.
        Sdr "SDR",
        /// BT.2100 perceptual quantisation.
        Pq "PQ",
        /// BT.2100 hybrid log-gamma.
        Hlg "HLG",
        /// Linear.
        Linear "LINEAR",
        /// BT.2100 linear, from PQ.
        Bt2100LinPq "BT2100LINPQ",
        /// BT.2100 linear, from HLG.
        Bt2100LinHlg "BT2100LINHLG",
        /// ST 2065-1.
        St2065_1 "ST2065-1",
        /// ST 428-1.
        St428_1 "ST428-1",
        /// Density.
        Density "DENSITY",
        /// ST 2115 log S3.
        St2115LogS3 "ST2115LOGS3",
        /// Not specified.
        Unspecified "UNSPECIFIED",
    }
}

words! {
    /// Range of the code values (ST 2110-20 §7.3).
    VideoRange {
        /// Narrow range.
        Narrow "NARROW",
        /// Full range without the protected codes.
        FullProtect "FULLPROTECT",
        /// Full range.
        Full "FULL",
    }
}

words! {
    /// The version of ST 2110-20 that a sender follows.
    VideoStandard {
        /// ST 2110-20:2017.
        Y2017 "2017",
        /// ST 2110-20:2022.
        Y2022 "2022",
    }
}

/// Width of a pixel to its height.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct PixelAspect {
    width: NonZeroU16,
    height: NonZeroU16,
}

impl PixelAspect {
    /// `None` if either is 0.
    #[must_use]
    pub fn new(width: u16, height: u16) -> Option<Self> {
        Some(Self {
            width: NonZeroU16::new(width)?,
            height: NonZeroU16::new(height)?,
        })
    }

    /// Width and height, both above 0.
    #[must_use]
    pub const fn ratio(self) -> (u16, u16) {
        (self.width.get(), self.height.get())
    }
}

/// Why a text is no ratio.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no ratio of a pixel's width to its height: write it as 12:11")]
pub struct AspectError(String);

impl FromStr for PixelAspect {
    type Err = AspectError;

    fn from_str(text: &str) -> Result<Self, AspectError> {
        // Digits only: a number's `from_str` takes a sign, too.
        let side = |text: &str| {
            let digits = text.bytes().all(|it| it.is_ascii_digit());
            digits.then(|| text.parse().ok())?
        };
        let sides = text.split_once(':');
        let sides = sides.and_then(|(width, height)| Self::new(side(width)?, side(height)?));
        sides.ok_or_else(|| AspectError(text.chars().take(20).collect()))
    }
}

impl TryFrom<String> for PixelAspect {
    type Error = AspectError;

    fn try_from(text: String) -> Result<Self, AspectError> {
        text.parse()
    }
}

impl From<PixelAspect> for String {
    fn from(aspect: PixelAspect) -> Self {
        aspect.to_string()
    }
}

/// As in SDP: `12:11`.
impl fmt::Display for PixelAspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.width, self.height)
    }
}

/// Appearance of pictures as the sender declares it. `None`: it says nothing, and nothing is assumed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Appearance {
    /// Colour primaries and matrix.
    pub colorimetry: Option<Colorimetry>,
    /// Transfer characteristic system (`TCS` in SDP).
    pub transfer: Option<TransferCharacteristics>,
    /// Range of the code values.
    pub range: Option<VideoRange>,
    /// Width of a pixel to its height (`PAR` in SDP).
    pub pixel_aspect: Option<PixelAspect>,
}

impl Appearance {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self {
        colorimetry: None,
        transfer: None,
        range: None,
        pixel_aspect: None,
    };

    /// As a receiver understands a description: what that leaves out beside a colorimetry is SDR, of narrow range, with
    /// square pixels (ST 2110-20 §7.3).
    #[must_use]
    pub fn understood(self) -> Self {
        match self.colorimetry {
            None | Some(Colorimetry::Unspecified) => self,
            Some(_) => Self {
                transfer: self.transfer.or(Some(TransferCharacteristics::Sdr)),
                range: self.range.or(Some(VideoRange::Narrow)),
                pixel_aspect: self.pixel_aspect.or(PixelAspect::new(1, 1)),
                ..self
            },
        }
    }

    /// The known facts, each with its name in documents.
    pub fn facts(self) -> impl Iterator<Item = (&'static str, String)> {
        let words = [
            ("colorimetry", self.colorimetry.map(Colorimetry::as_str)),
            (
                "transfer",
                self.transfer.map(TransferCharacteristics::as_str),
            ),
            ("range", self.range.map(VideoRange::as_str)),
        ];
        let words = words.map(|(name, word)| Some((name, word?.to_owned())));
        let aspect = self.pixel_aspect.map(|it| ("pixel_aspect", it.to_string()));
        words.into_iter().flatten().chain(aspect)
    }

    /// The rows of `session show`.
    pub(crate) fn rows(self) -> impl Iterator<Item = Row> {
        self.facts().map(|(name, text)| {
            let name = match name {
                "pixel_aspect" => "pixel aspect",
                name => name,
            };
            Row::new(name, text)
        })
    }
}

/// Declares the document of a format of pictures, and its change: between other fields of both stands what is said of
/// the appearance.
macro_rules! picture_document {
    ($(#[$meta:meta])* pub struct $document:ident { { $($before:tt)* } { $($after:tt)* } }
     $(#[$about:meta])+ $change:ident { { $($first:tt)* } { $($last:tt)* } }) => {
        $crate::document! {
        $(#[$meta])*
        pub struct $document {
            $($before)*
            /// Colour primaries and matrix, as in SDP; unknown when absent.
            pub colorimetry: Option<$crate::video::Colorimetry>,
            /// Transfer characteristic system (`TCS` in SDP); unknown when absent.
            pub transfer: Option<$crate::video::TransferCharacteristics>,
            /// Range of the code values (`RANGE` in SDP); unknown when absent.
            pub range: Option<$crate::video::VideoRange>,
            /// Width of a pixel to its height (`PAR` in SDP); unknown when absent.
            #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, pattern = "^[1-9][0-9]{0,4}:[1-9][0-9]{0,4}$", examples("12:11")))]
            pub pixel_aspect: Option<$crate::video::PixelAspect>,
            $($after)*
        }
        }

        $crate::document::changes::changes! {
            $(#[$about])+
            $change of $document {
                $($first)*
                /// Colour primaries and matrix.
                colorimetry: $crate::video::Colorimetry ["crate::whole::present" value_type = Option<$crate::video::Colorimetry>],
                /// Transfer characteristic system.
                transfer: $crate::video::TransferCharacteristics
                    ["crate::whole::present" value_type = Option<$crate::video::TransferCharacteristics>],
                /// Range of the code values.
                range: $crate::video::VideoRange ["crate::whole::present" value_type = Option<$crate::video::VideoRange>],
                /// Width of a pixel to its height.
                pixel_aspect: $crate::video::PixelAspect ["crate::whole::present" value_type = Option<String>],
                $($last)*
            }
        }

        impl $document {
            /// Appearance of the pictures.
            #[must_use]
            pub const fn appearance(&self) -> $crate::video::Appearance {
                $crate::video::Appearance {
                    colorimetry: self.colorimetry,
                    transfer: self.transfer,
                    range: self.range,
                    pixel_aspect: self.pixel_aspect,
                }
            }

            /// With pictures of this appearance.
            #[must_use]
            pub fn looking(self, said: $crate::video::Appearance) -> Self {
                Self {
                    colorimetry: said.colorimetry,
                    transfer: said.transfer,
                    range: said.range,
                    pixel_aspect: said.pixel_aspect,
                    ..self
                }
            }
        }
    };
}
pub(crate) use picture_document;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aspect_texts_then_only_two_numbers_above_0() {
        for text in ["1:1", "12:11", "65535:1"] {
            assert_eq!(text.parse::<PixelAspect>().unwrap().to_string(), text);
        }
        for text in [
            "", ":", "1", "0:1", "1:0", "+1:1", "1:65536", "1/1", "1:1:1", " 1:1",
        ] {
            assert!(text.parse::<PixelAspect>().is_err(), "{text}");
        }
    }
}
