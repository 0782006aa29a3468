//! The probe sites of a client, found in its ELF file.
//!
//! A site is a one-byte nop with a SystemTap note (section `.note.stapsdt`,
//! provider `onair`, name `wait_begin` or `wait_end`, arguments `8@%rdi 8@%rsi`).
//! The kernel puts a breakpoint wherever it is told, so a site is believed only
//! if its address is executable and the file holds a nop there.

use crate::elf::Elf;
pub use crate::elf::ReadAt;
pub use crate::error::{ARGUMENTS, SiteError};

/// The byte at a site in the file: `nop`.
pub const NOP: u8 = 0x90;
/// The byte at a site in the memory of a watched process: the kernel's breakpoint.
pub const BREAKPOINT: u8 = 0xcc;
/// Provider in the notes.
pub const PROVIDER: &str = "onair";
/// Largest note section that is read, bytes.
pub const MAX_NOTES: u64 = 64 * 1024;
/// Most sites in one file. One begin and one end are usual; inlining may copy them.
pub const MAX_SITES: usize = 8;

/// Largest note with a build id that is read, bytes.
const MAX_BUILD_ID: u64 = 256;
/// Type of a stapsdt note.
const NT_STAPSDT: u32 = 3;
/// Type of a build-id note.
const NT_GNU_BUILD_ID: u32 = 3;

/// Which end of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SiteKind {
    /// Before the caller sleeps.
    WaitBegin,
    /// After it woke.
    WaitEnd,
}

impl SiteKind {
    /// Name in the note, and of the BPF program.
    pub fn name(self) -> &'static str {
        match self {
            Self::WaitBegin => crate::names::WAIT_BEGIN,
            Self::WaitEnd => crate::names::WAIT_END,
        }
    }

    fn of(name: &[u8]) -> Option<Self> {
        [Self::WaitBegin, Self::WaitEnd]
            .into_iter()
            .find(|kind| kind.name().as_bytes() == name)
    }
}

/// One site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Site {
    /// Which end.
    pub kind: SiteKind,
    /// Where in the file, bytes.
    pub offset: u64,
}

/// What a file tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileSites {
    /// Its sites, sorted: none, or at least one of each kind.
    pub sites: Vec<Site>,
    /// GNU build id, hexadecimal.
    pub build_id: Option<String>,
}

impl FileSites {
    /// Number of sites of a kind.
    pub fn count(&self, kind: SiteKind) -> usize {
        self.sites.iter().filter(|site| site.kind == kind).count()
    }
}

/// Finds the sites in a file. A file without any is no error.
///
/// # Errors
/// See [`SiteError`]. Hostile contents never panic and never make it read more than some hundred KiB.
pub fn find<R: ReadAt + ?Sized>(file: &R) -> Result<FileSites, SiteError> {
    let elf = Elf::read(file)?;
    let Some(section) = elf.section(".note.stapsdt")? else {
        return Ok(FileSites::default());
    };
    let notes = elf.contents(section, MAX_NOTES, "section .note.stapsdt")?;
    // Prelink moves addresses and not notes: the base section tells by how much.
    let base = elf.section(".stapsdt.base")?.map(|section| section.address);

    let mut sites = Vec::new();
    for note in Notes(&notes) {
        let Some(probe) = Probe::of(&note?)? else {
            continue;
        };
        let address = match base {
            Some(now) => probe.address.wrapping_add(now).wrapping_sub(probe.base),
            None => probe.address,
        };
        // A linker that drops an unused function may keep its note with a dead address.
        let Some(offset) = elf.executable_offset(address) else {
            continue;
        };
        if elf.byte(offset)? != Some(NOP) {
            continue;
        }
        if probe.arguments != ARGUMENTS.as_bytes() {
            let found = String::from_utf8_lossy(probe.arguments)
                .chars()
                .take(64)
                .collect();
            return Err(SiteError::WrongArguments {
                name: probe.kind.name(),
                found,
            });
        }
        let site = Site {
            kind: probe.kind,
            offset,
        };
        if !sites.contains(&site) {
            sites.push(site);
        }
        if sites.len() > MAX_SITES {
            return Err(SiteError::TooMany {
                what: "probe sites",
                limit: MAX_SITES,
            });
        }
    }
    sites.sort_unstable();
    let found = FileSites {
        sites,
        build_id: build_id(&elf)?,
    };
    let (begins, ends) = (
        found.count(SiteKind::WaitBegin),
        found.count(SiteKind::WaitEnd),
    );
    let (begin, end) = (SiteKind::WaitBegin.name(), SiteKind::WaitEnd.name());
    match (begins, ends) {
        (1.., 0) => Err(SiteError::Unpaired {
            found: begin,
            missing: end,
        }),
        (0, 1..) => Err(SiteError::Unpaired {
            found: end,
            missing: begin,
        }),
        _ => Ok(found),
    }
}

/// GNU build id in hexadecimal, if the file has one.
fn build_id<R: ReadAt + ?Sized>(elf: &Elf<'_, R>) -> Result<Option<String>, SiteError> {
    let Some(section) = elf.section(".note.gnu.build-id")? else {
        return Ok(None);
    };
    // It only names the file for people: an odd one is no reason to refuse.
    let Ok(notes) = elf.contents(section, MAX_BUILD_ID, "section .note.gnu.build-id") else {
        return Ok(None);
    };
    let id = Notes(&notes)
        .filter_map(Result::ok)
        .find(|note| note.kind == NT_GNU_BUILD_ID && note.name == b"GNU\0")
        .map(|note| {
            note.description
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect()
        });
    Ok(id)
}

/// What a stapsdt note of ours says.
struct Probe<'notes> {
    kind: SiteKind,
    address: u64,
    base: u64,
    arguments: &'notes [u8],
}

impl<'notes> Probe<'notes> {
    /// `None` for the notes of other programs' probes.
    fn of(note: &Note<'notes>) -> Result<Option<Self>, SiteError> {
        if note.kind != NT_STAPSDT || note.name != b"stapsdt\0" {
            return Ok(None);
        }
        let damaged = || SiteError::Malformed {
            what: "stapsdt note",
        };
        let (address, rest) = note.description.split_first_chunk().ok_or_else(damaged)?;
        let (base, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
        // A semaphore would have to be raised by us; our sites have none.
        let (_semaphore, rest) = rest.split_first_chunk::<8>().ok_or_else(damaged)?;
        let mut texts = rest.split(|&byte| byte == 0);
        let mut text = || texts.next().ok_or_else(damaged);
        let (provider, name, arguments) = (text()?, text()?, text()?);
        if provider != PROVIDER.as_bytes() {
            return Ok(None);
        }
        Ok(SiteKind::of(name).map(|kind| Self {
            kind,
            address: u64::from_le_bytes(*address),
            base: u64::from_le_bytes(*base),
            arguments,
        }))
    }
}

/// A note of an ELF note section.
struct Note<'notes> {
    name: &'notes [u8],
    kind: u32,
    description: &'notes [u8],
}

/// Walks a note section; ends after the first note that does not fit.
struct Notes<'notes>(&'notes [u8]);

impl<'notes> Notes<'notes> {
    fn word(&mut self) -> Option<u32> {
        let (word, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*word))
    }

    fn part(&mut self, size: u32) -> Option<&'notes [u8]> {
        let size = usize::try_from(size).ok()?;
        let (part, rest) = self.0.split_at_checked(size)?;
        // Parts are padded to 4 bytes; the padding of the last one may be missing.
        let padding = (size.next_multiple_of(4) - size).min(rest.len());
        self.0 = &rest[padding..];
        Some(part)
    }

    fn note(&mut self) -> Option<Note<'notes>> {
        let (name_size, description_size, kind) = (self.word()?, self.word()?, self.word()?);
        let name = self.part(name_size)?;
        Some(Note {
            name,
            kind,
            description: self.part(description_size)?,
        })
    }
}

impl<'notes> Iterator for Notes<'notes> {
    type Item = Result<Note<'notes>, SiteError>;

    fn next(&mut self) -> Option<Self::Item> {
        // Less than a header is the padding of the section.
        if self.0.len() < 12 {
            return None;
        }
        let note = self.note().ok_or(SiteError::Malformed { what: "notes" });
        if note.is_err() {
            self.0 = &[];
        }
        Some(note)
    }
}
