//! Why headers cannot be read.

/// Why bytes have no header of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The bytes end within the header.
    #[error("the header is not whole")]
    Short,
    /// A box whose length or contents are wrong.
    #[error("a box is wrong")]
    Box,
    /// Another marker than the one that has to follow, or a wrong length.
    #[error("marker {0:04x} is wrong there")]
    Marker(u16),
    /// A value that no picture has.
    #[error("a value of the picture header is wrong")]
    Value,
}
