//! What the packets of a codestream carry.

use crate::document::words::words;

words! {
    /// What a run of packets carries: `packetmode` of RFC 9134 §4.1.
    #[derive(Default)]
    PacketMode {
        /// A frame or field: K is 0.
        #[default]
        Codestream "codestream",
        /// The header, and each slice: K is 1.
        Slice "slice",
    }
}
