//! The search for sites on files made by hand, and on files damaged at random.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in test functions, not in their helpers"
)]

use std::cell::Cell;
use std::io;

use onair_ebpf::sites::{
    ARGUMENTS, FileSites, MAX_NOTES, MAX_SITES, NOP, ReadAt, Site, SiteError, SiteKind, find,
};
use proptest::prelude::*;

/// Virtual address of the file's first byte.
const BASE: u64 = 0x40_0000;
const TEXT: usize = 0x100;
const TEXT_SIZE: usize = 0x100;

/// What goes into a file.
struct Made {
    notes: Vec<u8>,
    /// Recorded base, if there is a base section, and its address.
    base: Option<u64>,
    class: u8,
    machine: u16,
    build_id: bool,
}

impl Default for Made {
    fn default() -> Self {
        Self {
            notes: Vec::new(),
            base: None,
            class: 2,
            machine: 62,
            build_id: true,
        }
    }
}

impl Made {
    fn note(mut self, name: &str, address: u64, base: u64, arguments: &str) -> Self {
        let mut description = [address, base, 0].map(u64::to_le_bytes).concat();
        for text in ["onair", name, arguments] {
            description.extend(text.as_bytes());
            description.push(0);
        }
        self.notes.extend(note("stapsdt\0", 3, &description));
        self
    }

    fn pair(self) -> Self {
        self.note("wait_begin", BASE + 0x110, 0, ARGUMENTS).note(
            "wait_end",
            BASE + 0x120,
            0,
            ARGUMENTS,
        )
    }

    fn bytes(&self) -> Vec<u8> {
        let mut file = vec![0; TEXT + TEXT_SIZE];
        // Every other address is a nop.
        for at in (TEXT..TEXT + TEXT_SIZE).step_by(2) {
            file[at] = NOP;
        }
        let mut sections = vec![(String::new(), 0_u64, 0_u64, 0_u64)];
        let mut add = |file: &mut Vec<u8>, name: &str, address: u64, contents: &[u8]| {
            sections.push((
                name.into(),
                address,
                file.len() as u64,
                contents.len() as u64,
            ));
            file.extend(contents);
        };
        add(&mut file, ".note.stapsdt", 0, &self.notes);
        if let Some(base) = self.base {
            add(&mut file, ".stapsdt.base", base, &[0]);
        }
        if self.build_id {
            add(
                &mut file,
                ".note.gnu.build-id",
                0,
                &note("GNU\0", 3, &[0xab; 20]),
            );
        }
        let names_at = file.len() as u64;
        let mut names = Vec::new();
        let mut headers = Vec::new();
        sections.push((".shstrtab".into(), 0, names_at, 0));
        for (name, address, offset, size) in &sections {
            let mut header = [0; 64];
            header[..4].copy_from_slice(&u32::try_from(names.len()).unwrap().to_le_bytes());
            header[16..24].copy_from_slice(&address.to_le_bytes());
            header[24..32].copy_from_slice(&offset.to_le_bytes());
            header[32..40].copy_from_slice(&size.to_le_bytes());
            headers.push(header);
            names.extend(name.as_bytes());
            names.push(0);
        }
        headers.last_mut().unwrap()[32..40].copy_from_slice(&(names.len() as u64).to_le_bytes());
        file.extend(&names);
        let headers_at = file.len() as u64;
        file.extend(headers.concat());

        file[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', self.class, 1]);
        file[18..20].copy_from_slice(&self.machine.to_le_bytes());
        file[32..40].copy_from_slice(&64_u64.to_le_bytes());
        file[40..48].copy_from_slice(&headers_at.to_le_bytes());
        let count = u16::try_from(headers.len()).unwrap();
        for (at, value) in [
            (52, 64),
            (54, 56),
            (56, 1),
            (58, 64),
            (60, count),
            (62, count - 1),
        ] {
            file[at..at + 2].copy_from_slice(&u16::to_le_bytes(value));
        }
        // One loadable, executable segment from the start to the end of the text.
        let size = (TEXT + TEXT_SIZE) as u64;
        file[64..72].copy_from_slice(&[1, 0, 0, 0, 5, 0, 0, 0]);
        for (at, value) in [(72, 0), (80, BASE), (96, size), (104, size)] {
            file[at..at + 8].copy_from_slice(&u64::to_le_bytes(value));
        }
        file
    }

    fn find(&self) -> Result<FileSites, SiteError> {
        find(&self.bytes()[..])
    }
}

fn note(name: &str, kind: u32, description: &[u8]) -> Vec<u8> {
    let size = |part: &[u8]| u32::try_from(part.len()).unwrap().to_le_bytes();
    let mut note = [size(name.as_bytes()), size(description), kind.to_le_bytes()].concat();
    for part in [name.as_bytes(), description] {
        note.extend(part);
        note.resize(note.len().next_multiple_of(4), 0);
    }
    note
}

fn offsets(found: &FileSites) -> Vec<(SiteKind, u64)> {
    found
        .sites
        .iter()
        .map(|&Site { kind, offset }| (kind, offset))
        .collect()
}

#[test]
fn find_begin_and_end_then_file_offsets_and_build_id() {
    let found = Made::default().pair().find().unwrap();
    assert_eq!(
        offsets(&found),
        [(SiteKind::WaitBegin, 0x110), (SiteKind::WaitEnd, 0x120)]
    );
    assert_eq!(found.build_id, Some("ab".repeat(20)));
    assert_eq!(
        (
            found.count(SiteKind::WaitBegin),
            found.count(SiteKind::WaitEnd)
        ),
        (1, 1)
    );
}

#[test]
fn find_moved_base_then_corrected_by_it() {
    let moved = Made {
        base: Some(BASE + 0x1000),
        ..Made::default()
    }
    .note(
        "wait_begin",
        BASE + 0x110 - 0x300,
        BASE + 0x1000 - 0x300,
        ARGUMENTS,
    )
    .note(
        "wait_end",
        BASE + 0x120 - 0x300,
        BASE + 0x1000 - 0x300,
        ARGUMENTS,
    );
    assert_eq!(
        offsets(&moved.find().unwrap())[0],
        (SiteKind::WaitBegin, 0x110)
    );
}

#[test]
fn find_ghosts_then_skipped() {
    // A tombstone, an address past the text, one that holds no nop.
    let ghosts = [0x16, BASE + 0x900, BASE + 0x111]
        .into_iter()
        .fold(Made::default().pair(), |made, address| {
            made.note("wait_begin", address, 0, ARGUMENTS)
        });
    assert_eq!(ghosts.find().unwrap().sites.len(), 2);
    let only = Made::default().note("wait_begin", 0x16, 0, ARGUMENTS);
    assert_eq!(only.find().unwrap().sites, []);
}

#[test]
fn find_other_programs_probes_then_none() {
    let mut notes = note(
        "stapsdt\0",
        3,
        &[[0; 24].as_slice(), b"libc\0setjmp\0\0"].concat(),
    );
    notes.extend(note("else\0", 3, b"onair"));
    let made = Made {
        notes,
        ..Made::default()
    };
    assert_eq!(
        made.find().unwrap(),
        FileSites {
            sites: vec![],
            build_id: Some("ab".repeat(20))
        }
    );
}

#[test]
fn find_one_kind_only_then_refused() {
    let made = Made::default().note("wait_end", BASE + 0x110, 0, ARGUMENTS);
    let refused = made.find();
    assert!(
        matches!(
            refused,
            Err(SiteError::Unpaired {
                found: "wait_end",
                missing: "wait_begin"
            })
        ),
        "{refused:?}"
    );
}

#[test]
fn find_other_arguments_then_refused() {
    let made = Made::default()
        .pair()
        .note("wait_begin", BASE + 0x130, 0, "4@%edi 8@%rsi");
    let refused = made.find();
    assert!(
        matches!(&refused, Err(SiteError::WrongArguments { found, .. }) if found == "4@%edi 8@%rsi")
    );
}

#[test]
fn find_too_many_sites_or_notes_then_refused() {
    let many = (0..=MAX_SITES as u64).fold(Made::default(), |made, n| {
        made.note("wait_begin", BASE + 0x110 + 2 * n, 0, ARGUMENTS)
    });
    assert!(matches!(many.find(), Err(SiteError::TooMany { .. })));
    // The same site again is not another one.
    let again = (0..20).fold(Made::default(), |made, _| made.pair());
    assert_eq!(again.find().unwrap().sites.len(), 2);
    let large = Made {
        notes: vec![0; usize::try_from(MAX_NOTES).unwrap() + 1],
        ..Made::default()
    };
    assert!(matches!(
        large.find(),
        Err(SiteError::TooLarge {
            limit: MAX_NOTES,
            ..
        })
    ));
}

#[test]
fn find_not_for_this_machine_then_told() {
    assert!(matches!(find(&b"#!/bin/sh\n"[..]), Err(SiteError::NotElf)));
    assert!(matches!(find(&[][..]), Err(SiteError::NotElf)));
    for made in [
        Made {
            class: 1,
            ..Made::default()
        },
        Made {
            machine: 183,
            ..Made::default()
        },
    ] {
        assert!(matches!(made.find(), Err(SiteError::WrongMachine { .. })));
    }
}

/// Counts what is read.
struct Counted<'file> {
    file: &'file [u8],
    bytes: Cell<usize>,
}

impl ReadAt for Counted<'_> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.bytes.set(self.bytes.get() + buffer.len());
        self.file.read_at(buffer, offset)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]

    #[test]
    fn find_damaged_file_then_no_panic_and_bounded(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        words in proptest::collection::vec((any::<prop::sample::Index>(), any::<u64>()), 0..3),
        length in any::<Option<prop::sample::Index>>(),
    ) {
        let mut file = Made { base: Some(BASE), ..Made::default() }.pair().bytes();
        for (at, byte) in changes {
            let at = at.index(file.len());
            file[at] = byte;
        }
        for (at, word) in words {
            let at = at.index(file.len() / 8 - 1) * 8;
            file[at..at + 8].copy_from_slice(&word.to_le_bytes());
        }
        if let Some(length) = length {
            file.truncate(length.index(file.len()));
        }
        let counted = Counted { file: &file, bytes: Cell::new(0) };
        if let Ok(found) = find(&counted) {
            prop_assert!(found.sites.len() <= MAX_SITES);
            for site in &found.sites {
                prop_assert_eq!(file[usize::try_from(site.offset).unwrap()], NOP);
            }
        }
        prop_assert!(counted.bytes.get() < 1 << 20, "{} bytes read", counted.bytes.get());
    }

    #[test]
    fn find_any_bytes_then_no_panic(mut file in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = find(&file[..]);
        if file.len() > 64 {
            file[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1, 1]);
            file[18..20].copy_from_slice(&62_u16.to_le_bytes());
            let _ = find(&file[..]);
        }
    }
}
