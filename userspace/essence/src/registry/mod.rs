//! The essences. One that is added here is known to the whole project.

mod asked;
mod fields;
mod parts;
mod stream;

pub use parts::{
    Depacketiser, EssenceKind, Format, FormatDocument, ListedFormat, Monitor, NotSendable, Packet,
    Packetiser, SeenFormat, Signal, TimingDocument,
};
pub use stream::SentPacket;

/// The essences. Calls a macro with their list: each with its name in code, its name in documents, its format,
/// and the types that the format has in documents: `Document`, `Patch`, `Seen`, `Listed`, and that of its timing.
#[doc(hidden)]
#[macro_export]
macro_rules! for_essences {
    ({$($callback:tt)+} $($more:tt)*) => {
        $($callback)+! {
            [
                /// Uncompressed video: ST 2110-20.
                Video video [$crate::video::VideoStream, $crate::video::VideoDocument, $crate::video::VideoPatch,
                    $crate::video::Picture, $crate::video::ListedVideo, $crate::video::VideoTiming];
                /// Audio: ST 2110-30 and -31.
                Audio audio [$crate::audio::AudioFormat, $crate::audio::AudioDocument, $crate::audio::AudioPatch,
                    $crate::audio::SeenAudio, $crate::audio::ListedAudio, $crate::audio::AudioTiming];
                /// Ancillary data: ST 2110-40.
                Ancillary ancillary [$crate::ancillary::AncillaryStream, $crate::ancillary::AncillaryDocument,
                    $crate::ancillary::AncillaryPatch, $crate::ancillary::SeenAncillary,
                    $crate::ancillary::ListedAncillary, $crate::ancillary::AncillaryTiming];
                /// JPEG XS: ST 2110-22.
                JpegXs jpeg_xs [$crate::jpeg_xs::JpegXsStream, $crate::jpeg_xs::JpegXsDocument, $crate::jpeg_xs::JpegXsPatch,
                    $crate::jpeg_xs::SeenJpegXs, $crate::jpeg_xs::ListedJpegXs, $crate::jpeg_xs::JpegXsTiming];
            ]
            $($more)*
        }
    };
}
