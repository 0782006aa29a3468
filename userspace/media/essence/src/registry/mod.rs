//! The essences. One that is added here is known to the whole project.
//!
//! The rest of the project carries *units*: bytes, a time, and a tag. It must not know whether they are pictures
//! or sound, or each new essence would touch every crate. But a packet must not pay for that with a call through
//! a table either. So an essence is a set of types behind the trait [`Essence`](crate::Essence), and this folder
//! has one enum of each kind of type, with an arm for each essence:
//!
//! 1. *The list* is [`for_essences!`](crate::for_essences), for what other crates have of each. It calls a macro with all
//!    entries. An entry has the name in code, the name in documents (which is public, and stays), the format, and
//!    the types of its documents.
//! 2. *The enums* (`parts.rs`): [`Format`] is what a session carries; [`Depacketiser`], [`Packetiser`],
//!    [`Signal`] and [`Monitor`] work on it; [`FormatDocument`], [`SeenFormat`], [`ListedFormat`] and
//!    [`TimingDocument`] are its JSON. Their matches are written out: the compiler names each that misses an essence.
//! 3. *The questions* (`asked.rs`): each enum has the trait that its arms have, and passes each call on to the
//!    arm. On the way in the arm is found once for a run of packets
//!    ([`Depacketise::push`](crate::receive::Depacketise::push)), not for each.
//! 4. *The fields* (`fields.rs`): in requests the format is a field named as the essence, `{"video": {…}}`,
//!    beside the others. Serde cannot flatten an enum and refuse unknown fields at once, so
//!    [`with_essences!`](crate::with_essences) declares such structs with an optional field each.
//!
//! A [`Format`] is always valid: the one way from a [`FormatDocument`] is the essence's own check. Code that has
//! a `Format` need not check it again, also if it came from a socket.
//!
//! Two formats of different essences meet in few places (`differs_from`, `has_units_of`, `declare`, `copy_from`);
//! each says what it does then.
//!
//! *To add an essence*: its folder, an entry here, and the crates that show it to people; `CONTRIBUTING.md` has
//! the list. The compiler names what is missing, and `xtask/tests/walls.rs` fails if words of an essence are used
//! elsewhere.
//!
//! Read on in `essence.rs` (what an essence brings), `receive.rs` and `send.rs` (the traits), `docs/adr/0026`.

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
