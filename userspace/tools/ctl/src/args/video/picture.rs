//! What is said of pictures on the command line, for each essence that has them.

/// Declares the flags of an essence's packets: those of its own, and what is said of its pictures, each with the name in
/// code, the flag, and its help.
macro_rules! picture_flags {
    ($essence:literal [$($own_flags:tt)*] [$($own:tt)*]
     $colorimetry:ident $colorimetry_flag:literal $colorimetry_help:tt,
     $transfer:ident $transfer_flag:literal $transfer_help:tt,
     $range:ident $range_flag:literal $range_help:tt,
     $pixel_aspect:ident $pixel_aspect_flag:literal $pixel_aspect_help:tt,) => {
        /// Fields of a session, each with its flag.
        pub(super) const FLAGS: &[(&str, &str)] = &[
            $($own_flags)*
            (concat!($essence, ".colorimetry"), $colorimetry_flag),
            (concat!($essence, ".transfer"), $transfer_flag),
            (concat!($essence, ".range"), $range_flag),
            (concat!($essence, ".pixel_aspect"), $pixel_aspect_flag),
        ];

        /// Flags of how packets are made, and of what is said of the pictures.
        pub(super) const OF_PACKETS: &[&str] = &[
            $($own)*
            stringify!($colorimetry),
            stringify!($transfer),
            stringify!($range),
            stringify!($pixel_aspect),
        ];

        /// Flags of what is said of the pictures.
        #[derive(Debug, clap::Args)]
        #[group(skip)]
        struct PictureFlags {
            #[doc = $colorimetry_help]
            #[arg(long, value_name = "NAME", hide_possible_values = true, value_parser = crate::args::parse::word(onair_essence::video::Colorimetry::ALL, onair_essence::video::Colorimetry::as_str))]
            $colorimetry: Option<onair_essence::video::Colorimetry>,

            #[doc = $transfer_help]
            #[arg(long, value_name = "NAME", hide_possible_values = true, value_parser = crate::args::parse::word(onair_essence::video::TransferCharacteristics::ALL, onair_essence::video::TransferCharacteristics::as_str))]
            $transfer: Option<onair_essence::video::TransferCharacteristics>,

            #[doc = $range_help]
            #[arg(long, value_name = "NAME", hide_possible_values = true, value_parser = crate::args::parse::word(onair_essence::video::VideoRange::ALL, onair_essence::video::VideoRange::as_str))]
            $range: Option<onair_essence::video::VideoRange>,

            #[doc = $pixel_aspect_help]
            #[arg(long, value_name = "WIDTH:HEIGHT")]
            $pixel_aspect: Option<onair_essence::video::PixelAspect>,
        }

        impl PictureFlags {
            /// What the flags say, over what is said without them.
            fn over(&self, said: onair_essence::video::Appearance) -> onair_essence::video::Appearance {
                onair_essence::video::Appearance {
                    colorimetry: self.$colorimetry.or(said.colorimetry),
                    transfer: self.$transfer.or(said.transfer),
                    range: self.$range.or(said.range),
                    pixel_aspect: self.$pixel_aspect.or(said.pixel_aspect),
                }
            }
        }
    };
}
pub(in crate::args) use picture_flags;
