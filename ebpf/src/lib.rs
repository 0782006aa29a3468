//! The BPF programs: one observes blocked callers, with its structs and probe sites; one refuses descriptors, one counts a
//! file's openings, one says which packets are an AF_XDP port's.
//!
//! Here lives what every loader of the program needs and nothing that loads it:
//! the object's bytes, the mirrors of its structs ([`layout`]), the names of its
//! maps and programs ([`names`]), the search for the probe sites in a client's
//! ELF file ([`sites`]) and for such files in a process ([`process`]).

#![forbid(unsafe_code)]

mod elf;
mod error;
pub mod layout;
mod mirror;
pub mod names;
pub mod process;
pub mod sites;
mod stat;

/// Loaders cast the start of the object to ELF structs, so it must lie on 8 bytes.
#[repr(C, align(8))]
struct Aligned<Bytes: ?Sized>(Bytes);

static OBJECT: &Aligned<[u8]> =
    &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/waiters.bpf.o")));
static DESCRIPTORS: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(
    env!("OUT_DIR"),
    "/descriptors.bpf.o"
)));

static OPENINGS: &Aligned<[u8]> =
    &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/openings.bpf.o")));

static PORT: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/port.bpf.o")));

/// The programs that observe blocked callers: an ELF relocatable for the BPF machine, with BTF, 8-byte
/// aligned.
pub fn object() -> &'static [u8] {
    &OBJECT.0
}

/// The program that refuses descriptors, [`names::REFUSE_DESCRIPTORS`]: as [`object`].
pub fn descriptors() -> &'static [u8] {
    &DESCRIPTORS.0
}

/// The program that counts the openings of a file, [`names::OPENINGS`]: as [`object`].
pub fn openings() -> &'static [u8] {
    &OPENINGS.0
}

/// The program of an AF_XDP port, [`names::PORT`]: as [`object`].
pub fn port() -> &'static [u8] {
    &PORT.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_embed_then_aligned_elf() {
        assert_eq!(&object()[..4], b"\x7fELF");
        assert_eq!(object().as_ptr().addr() % 8, 0);
    }

    #[test]
    fn object_symbols_then_every_name_is_there() {
        use object::{Object, ObjectSymbol};
        let file = object::read::elf::ElfFile64::<object::Endianness>::parse(object())
            .expect("our own object");
        let symbols: Vec<_> = file.symbols().filter_map(|s| s.name().ok()).collect();
        for name in names::PROGRAMS
            .iter()
            .chain(names::MAPS)
            .chain([&names::SETTINGS])
        {
            assert!(
                symbols.contains(name),
                "{name} is not a symbol of the object"
            );
        }
    }
}
