//! The few parts of an ELF file that the search for sites needs.
//!
//! The file belongs to a client and may be anything: every read is positioned
//! and bounded, nothing is mapped, and every number is checked before use.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use object::LittleEndian as Le;
use object::elf::{
    self, ELFCLASS64, ELFDATA2LSB, EM_X86_64, FileHeader64, ProgramHeader64, SectionHeader64,
};
use object::pod::{from_bytes, slice_from_bytes};

use crate::error::SiteError;

/// Programs have about a dozen.
const MAX_SEGMENTS: u16 = 128;
/// A debug build of a large program has about fifty.
const MAX_SECTIONS: u16 = 4096;
/// Longer than any section name that is looked for.
const NAME_WINDOW: usize = 32;

/// Positioned reads; the shape of `pread`.
pub trait ReadAt {
    /// Reads up to `buffer.len()` bytes at `offset`; 0 at the end.
    ///
    /// # Errors
    /// As the source has them.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

impl ReadAt for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }
}

impl ReadAt for [u8] {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset)
            .ok()
            .and_then(|at| self.get(at..))
            .unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

/// A loadable, executable segment.
pub(crate) struct Segment {
    address: u64,
    offset: u64,
    size: u64,
}

impl Segment {
    /// File offset of a virtual address inside of this segment.
    fn offset_of(&self, address: u64) -> Option<u64> {
        let inside = address.checked_sub(self.address)?;
        if inside >= self.size {
            return None;
        }
        self.offset.checked_add(inside)
    }
}

/// A section by name.
pub(crate) struct Section {
    pub(crate) address: u64,
    offset: u64,
    size: u64,
}

/// Headers of an x86-64 ELF file.
pub(crate) struct Elf<'file, R: ReadAt + ?Sized> {
    file: &'file R,
    executable: Vec<Segment>,
    sections: Vec<(u32, Section)>,
    names: Option<(u64, u64)>,
}

impl<'file, R: ReadAt + ?Sized> Elf<'file, R> {
    /// Reads the headers.
    pub(crate) fn read(file: &'file R) -> Result<Self, SiteError> {
        let mut bytes = vec![0; size_of::<FileHeader64<Le>>()];
        let got = read_up_to(file, &mut bytes, 0)?;
        if got < bytes.len() || bytes[..4] != elf::ELFMAG {
            return Err(SiteError::NotElf);
        }
        let (header, _) =
            from_bytes::<FileHeader64<Le>>(&bytes).map_err(|()| malformed("file header"))?;
        let (class, data) = (header.e_ident.class, header.e_ident.data);
        let machine = header.e_machine.get(Le);
        if class != ELFCLASS64 || data != ELFDATA2LSB || machine != EM_X86_64 {
            return Err(SiteError::WrongMachine { class, machine });
        }
        let mut elf = Self {
            file,
            executable: Vec::new(),
            sections: Vec::new(),
            names: None,
        };
        elf.read_segments(header)?;
        elf.read_sections(header)?;
        Ok(elf)
    }

    fn read_segments(&mut self, header: &FileHeader64<Le>) -> Result<(), SiteError> {
        let count = header.e_phnum.get(Le);
        if count == 0 {
            return Ok(());
        }
        if count > MAX_SEGMENTS {
            return Err(SiteError::TooMany {
                what: "segments",
                limit: MAX_SEGMENTS.into(),
            });
        }
        if usize::from(header.e_phentsize.get(Le)) != size_of::<ProgramHeader64<Le>>() {
            return Err(malformed("size of a program header"));
        }
        let bytes = self.bytes(
            header.e_phoff.get(Le),
            usize::from(count) * size_of::<ProgramHeader64<Le>>(),
            "program headers",
        )?;
        let (segments, _) = slice_from_bytes::<ProgramHeader64<Le>>(&bytes, count.into())
            .map_err(|()| malformed("program headers"))?;
        self.executable.extend(
            segments
                .iter()
                .filter(|s| s.p_type.get(Le) == elf::PT_LOAD && s.p_flags.get(Le) & elf::PF_X != 0)
                .map(|s| Segment {
                    address: s.p_vaddr.get(Le),
                    offset: s.p_offset.get(Le),
                    size: s.p_filesz.get(Le),
                }),
        );
        Ok(())
    }

    fn read_sections(&mut self, header: &FileHeader64<Le>) -> Result<(), SiteError> {
        let (count, start) = (header.e_shnum.get(Le), header.e_shoff.get(Le));
        if start == 0 {
            return Ok(());
        }
        // A count of 0 with a table means more than the field can hold.
        if count == 0 || count > MAX_SECTIONS {
            return Err(SiteError::TooMany {
                what: "sections",
                limit: MAX_SECTIONS.into(),
            });
        }
        if usize::from(header.e_shentsize.get(Le)) != size_of::<SectionHeader64<Le>>() {
            return Err(malformed("size of a section header"));
        }
        let bytes = self.bytes(
            start,
            usize::from(count) * size_of::<SectionHeader64<Le>>(),
            "section headers",
        )?;
        let (sections, _) = slice_from_bytes::<SectionHeader64<Le>>(&bytes, count.into())
            .map_err(|()| malformed("section headers"))?;
        self.names = sections
            .get(usize::from(header.e_shstrndx.get(Le)))
            .map(|names| (names.sh_offset.get(Le), names.sh_size.get(Le)));
        self.sections.extend(sections.iter().map(|s| {
            let section = Section {
                address: s.sh_addr.get(Le),
                offset: s.sh_offset.get(Le),
                size: s.sh_size.get(Le),
            };
            (s.sh_name.get(Le), section)
        }));
        Ok(())
    }

    /// The first section of that name.
    pub(crate) fn section(&self, name: &str) -> Result<Option<&Section>, SiteError> {
        let Some((names, size)) = self.names else {
            return Ok(None);
        };
        for (at, section) in &self.sections {
            if u64::from(*at) >= size {
                continue;
            }
            let Some(offset) = names.checked_add(u64::from(*at)) else {
                continue;
            };
            let mut window = [0; NAME_WINDOW];
            let got = read_up_to(self.file, &mut window, offset)?;
            if window[..got].split(|&byte| byte == 0).next() == Some(name.as_bytes()) {
                return Ok(Some(section));
            }
        }
        Ok(None)
    }

    /// A section's bytes, refused above `limit`.
    pub(crate) fn contents(
        &self,
        section: &Section,
        limit: u64,
        what: &'static str,
    ) -> Result<Vec<u8>, SiteError> {
        if section.size > limit {
            return Err(SiteError::TooLarge {
                what,
                size: section.size,
                limit,
            });
        }
        let size = usize::try_from(section.size).map_err(|_| malformed(what))?;
        self.bytes(section.offset, size, what)
    }

    /// File offset of an address, if it is executable and stands in the file.
    pub(crate) fn executable_offset(&self, address: u64) -> Option<u64> {
        self.executable
            .iter()
            .find_map(|segment| segment.offset_of(address))
    }

    /// One byte of the file.
    pub(crate) fn byte(&self, offset: u64) -> Result<Option<u8>, SiteError> {
        let mut byte = [0];
        Ok((read_up_to(self.file, &mut byte, offset)? == 1).then_some(byte[0]))
    }

    fn bytes(&self, offset: u64, size: usize, what: &'static str) -> Result<Vec<u8>, SiteError> {
        let mut bytes = vec![0; size];
        if read_up_to(self.file, &mut bytes, offset)? < size {
            return Err(malformed(what));
        }
        Ok(bytes)
    }
}

fn malformed(what: &'static str) -> SiteError {
    SiteError::Malformed { what }
}

/// Fills `buffer` as far as the file goes.
fn read_up_to<R: ReadAt + ?Sized>(
    file: &R,
    buffer: &mut [u8],
    offset: u64,
) -> Result<usize, SiteError> {
    // pread takes a signed offset; the kernel answers EINVAL where we mean "beyond the end".
    if i64::try_from(offset).is_err() {
        return Ok(0);
    }
    let mut done = 0;
    while done < buffer.len() {
        let Some(at) = offset.checked_add(done as u64) else {
            break;
        };
        match file.read_at(&mut buffer[done..], at) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(SiteError::Read(error)),
        }
    }
    Ok(done)
}
