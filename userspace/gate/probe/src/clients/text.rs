//! The pages with a client's probe sites, compared with the watched file.
//!
//! A breakpoint makes a private copy of its page. A client that overwrites the page, or maps its
//! own copy there, makes one, too: the kernel does not distinguish them (pagemap, smaps). The check
//! can tell the mapping, whose inode must be the watched one, and the bytes. A breakpoint that the
//! client itself wrote into a private mapping of the watched file works like the kernel's: the
//! kernel looks up the inode and the offset, not the page.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::io;
use std::sync::Arc;

use onair_ebpf::process::{FileKey, SitedFile};
use onair_ebpf::sites::{BREAKPOINT, ReadAt};

use crate::clients::folder::{Folder, Mappings, has_ended};
use crate::error::Blind;

/// Bytes of a page.
const PAGE: usize = 4096;

/// Required contents of a page with sites.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SitePage {
    /// Its address in the process.
    address: u64,
    /// Its offset in the file.
    offset: u64,
    /// The watched file.
    key: FileKey,
    /// The file's bytes, with a breakpoint at each site.
    bytes: Vec<u8>,
    /// Positions of the sites in it.
    sites: Vec<usize>,
}

impl SitePage {
    /// The pages with the sites of a file.
    pub(crate) fn of(file: &SitedFile) -> io::Result<Vec<Self>> {
        let sites = file.sites.iter().map(|site| (site.address, site.offset));
        Self::new(&file.file, file.key, sites)
    }

    fn new(
        file: &File,
        key: FileKey,
        sites: impl Iterator<Item = (u64, u64)>,
    ) -> io::Result<Vec<Self>> {
        let mut pages: BTreeMap<u64, Self> = BTreeMap::new();
        for (address, in_file) in sites {
            let within = address % PAGE as u64;
            let (begin, offset) = (address - within, in_file.saturating_sub(within));
            let page = match pages.entry(begin) {
                Entry::Occupied(page) => page.into_mut(),
                Entry::Vacant(place) => place.insert(Self {
                    address: begin,
                    offset,
                    key,
                    bytes: page_of(file, offset)?,
                    sites: Vec::new(),
                }),
            };
            let at = usize::try_from(within).map_err(io::Error::other)?;
            page.bytes[at] = BREAKPOINT;
            page.sites.push(at);
        }
        Ok(pages.into_values().collect())
    }

    /// Compares the process's bytes with the required ones.
    ///
    /// # Errors
    /// See [`Blind`].
    pub(crate) fn check_bytes(&self, memory: &(impl ReadAt + ?Sized)) -> Result<(), Blind> {
        let mut now = [0; PAGE];
        match memory.read_at(&mut now, self.address) {
            Ok(0) => return Err(Blind::AddressSpaceGone),
            Ok(PAGE) => {}
            Ok(_) => return Err(self.unreadable(io::ErrorKind::UnexpectedEof.into())),
            Err(source) => return Err(self.unreadable(source)),
        }
        let differs = |at: &usize| now[*at] != self.bytes[*at];
        let blind = |at: usize| {
            let (address, byte) = (self.address + at as u64, now[at]);
            if self.sites.contains(&at) {
                Blind::Unarmed { address, byte }
            } else {
                let built = self.bytes[at];
                Blind::Altered {
                    address,
                    byte,
                    built,
                }
            }
        };
        // A missing breakpoint is more informative than the bytes around it.
        let mut places = self.sites.iter().copied().chain(0..PAGE);
        places.find(differs).map_or(Ok(()), |at| Err(blind(at)))
    }

    /// Whether the page is mapped from the watched file, private, executable, and not writable.
    ///
    /// # Errors
    /// See [`Blind`].
    pub(crate) fn check_mapping(&self, folder: &Folder, mappings: &Mappings) -> Result<(), Blind> {
        let replaced = || Blind::Replaced {
            address: self.first_site(),
        };
        let lines = &mappings.lines;
        let line = lines.partition_point(|line| line.end <= self.address);
        let line = lines.get(line).ok_or_else(replaced)?;
        let [_, writable, executable, sharing] = line.permissions;
        let is_text = (writable, executable, sharing) == (b'-', b'x', b'p');
        if line.address_of(self.offset) != Some(self.address) || !is_text {
            return Err(replaced());
        }
        match folder.file_of(mappings, line) {
            Ok(key) if key == Some(self.key) => Ok(()),
            Ok(_) => Err(replaced()),
            Err(error) if has_ended(&error) => Err(replaced()),
            Err(source) => Err(Blind::Proc {
                what: "its mapped files",
                source: Arc::new(source),
            }),
        }
    }

    /// Its address in the process.
    pub(crate) fn address(&self) -> u64 {
        self.address
    }

    fn first_site(&self) -> u64 {
        self.address + self.sites.first().map_or(0, |at| *at as u64)
    }

    fn unreadable(&self, source: io::Error) -> Blind {
        Blind::Unreadable {
            address: self.first_site(),
            source: Arc::new(source),
        }
    }
}

/// A page of a file; zeroes after its end, as in a mapping.
fn page_of(file: &File, offset: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; PAGE];
    let mut read = 0;
    while read < PAGE {
        match ReadAt::read_at(file, &mut bytes[read..], offset + read as u64)? {
            0 => break,
            more => read += more,
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use super::*;

    const KEY: FileKey = FileKey {
        device: 1,
        inode: 2,
    };

    /// Memory with these bytes from an address on.
    struct Bytes(u64, Vec<u8>);

    impl ReadAt for Bytes {
        fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
            let begin = usize::try_from(offset - self.0).unwrap();
            let bytes = self.1.get(begin..).unwrap_or_default();
            let count = bytes.len().min(buffer.len());
            buffer[..count].copy_from_slice(&bytes[..count]);
            Ok(count)
        }
    }

    fn text() -> File {
        let file = rustix::fs::memfd_create("text", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        let file = File::from(file);
        // The second page ends early.
        file.write_all_at(&[0x90; PAGE + 100], 0).unwrap();
        file
    }

    #[test]
    fn site_page_of_two_pages_then_file_bytes_with_breakpoints() {
        let sites = [(0x7010, 0x10), (0x7020, 0x20), (0x8005, 0x1005)];
        let pages = SitePage::new(&text(), KEY, sites.into_iter()).unwrap();
        let [first, second] = &pages[..] else {
            panic!("{pages:?}");
        };
        assert_eq!((first.address, first.offset), (0x7000, 0));
        assert_eq!((second.address, second.offset), (0x8000, 0x1000));
        assert_eq!(
            (&first.sites[..], &second.sites[..]),
            (&[16, 32][..], &[5][..])
        );
        assert_eq!(second.bytes[5], BREAKPOINT);
        assert_eq!((second.bytes[99], second.bytes[100]), (0x90, 0));
    }

    #[test]
    fn check_bytes_one_differs_then_told_where_and_a_site_first() {
        let pages = SitePage::new(&text(), KEY, [(0x7010, 0x10)].into_iter()).unwrap();
        let with = |changes: &[(usize, u8)]| {
            let mut bytes = pages[0].bytes.clone();
            for (at, byte) in changes {
                bytes[*at] = *byte;
            }
            pages[0].check_bytes(&Bytes(0x7000, bytes))
        };
        with(&[]).unwrap();
        assert!(matches!(
            with(&[(0xfff, 0xcc)]),
            Err(Blind::Altered {
                address: 0x7fff,
                byte: 0xcc,
                built: 0x90
            })
        ));
        assert!(matches!(
            with(&[(0, 0xeb), (0x10, 0x90)]),
            Err(Blind::Unarmed {
                address: 0x7010,
                byte: 0x90
            })
        ));
        let short = pages[0].check_bytes(&Bytes(0x7000, vec![0x90; 9]));
        assert!(matches!(short, Err(Blind::Unreadable { .. })), "{short:?}");
        let gone = pages[0].check_bytes(&Bytes(0x7000, Vec::new()));
        assert!(matches!(gone, Err(Blind::AddressSpaceGone)), "{gone:?}");
    }
}
