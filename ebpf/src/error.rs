//! Why a file's probe sites cannot be used.

use std::io;

/// Arguments that the BPF program reads: session and attachment.
pub const ARGUMENTS: &str = "8@%rdi 8@%rsi";

/// Why a file's sites cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// No ELF magic.
    #[error("not an ELF file")]
    NotElf,
    /// ELF, but not for this machine.
    #[error("ELF class {class} for machine {machine}: only 64-bit x86-64 programs can be watched")]
    WrongMachine {
        /// EI_CLASS.
        class: u8,
        /// e_machine.
        machine: u16,
    },
    /// A header or a note contradicts itself or the length of the file.
    #[error("malformed ELF file: {what}")]
    Malformed {
        /// Which part.
        what: &'static str,
    },
    /// A part is larger than anything that a compiler makes.
    #[error("{what} of {size} bytes; the limit is {limit}")]
    TooLarge {
        /// Which part.
        what: &'static str,
        /// Its size in bytes.
        size: u64,
        /// Ours.
        limit: u64,
    },
    /// A part is more numerous than anything that a compiler makes.
    #[error("more than {limit} {what}")]
    TooMany {
        /// Which part.
        what: &'static str,
        /// Ours.
        limit: usize,
    },
    /// The site hands its arguments over in another way than the probe reads them.
    #[error(
        "site {name} has arguments {found:?} instead of {ARGUMENTS:?}: \
         build the client with the onair library of this release"
    )]
    WrongArguments {
        /// Of the site.
        name: &'static str,
        /// In the note.
        found: String,
    },
    /// One kind of site is there and the other is not.
    #[error("a site {found} but none {missing}: the binary is damaged, rebuild it")]
    Unpaired {
        /// The kind that is there.
        found: &'static str,
        /// The kind that is not.
        missing: &'static str,
    },
    /// The file could not be read.
    #[error("read failed: {0}")]
    Read(#[source] io::Error),
}
