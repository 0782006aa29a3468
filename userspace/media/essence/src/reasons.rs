//! Enums of the reasons for which packets are malformed.

/// Declares the reasons of an essence, behind those that all have. Each packet counts under exactly one.
macro_rules! reasons {
    ($(#[$meta:meta])* $name:ident { $($(#[$of:meta])+ $variant:ident $word:literal,)+ }) => {
        $crate::reasons::reasons! { @ $(#[$meta])* $name {
            /// Truncated within its headers.
            Truncated "truncated",
            /// RTP version other than 2.
            BadVersion "bad_version",
            /// RTP padding longer than the payload, or empty.
            BadPadding "bad_padding",
            /// Another payload type than the session's.
            BadPayloadType "bad_payload_type",
            $($(#[$of])+ $variant $word,)+
        } }
    };
    (@ $(#[$meta:meta])* $name:ident { $($(#[$of:meta])+ $variant:ident $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$of])+ $variant,)+ }

        impl $name {
            /// Names in statistics and metrics, in the order of the reasons.
            pub const NAMES: [&'static str; [$($word),+].len()] = [$($word),+];

            /// Every reason.
            pub const ALL: [Self; Self::NAMES.len()] = [$(Self::$variant),+];

            /// Name in statistics and metrics.
            #[must_use]
            pub const fn name(self) -> &'static str {
                Self::NAMES[self as usize]
            }
        }

        impl From<$name> for usize {
            fn from(reason: $name) -> Self {
                reason as Self
            }
        }

        impl From<$crate::rtp::RtpReject> for $name {
            fn from(reject: $crate::rtp::RtpReject) -> Self {
                match reject {
                    $crate::rtp::RtpReject::Truncated => Self::Truncated,
                    $crate::rtp::RtpReject::Version(_) => Self::BadVersion,
                    $crate::rtp::RtpReject::Padding(_) => Self::BadPadding,
                }
            }
        }
    };
}
pub(crate) use reasons;
