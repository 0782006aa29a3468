//! Contents of a codestream's packets.

use crate::document::words::words;

words! {
    /// Content of a run of packets: `packetmode` of RFC 9134 §4.1.
    #[derive(Default)]
    PacketMode {
        /// A frame or field: K is 0.
        #[default]
        Codestream "codestream",
        /// The header, and each slice: K is 1.
        Slice "slice",
    }
}
