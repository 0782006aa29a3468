//! Whether a client's sites are armed, read from its own memory.
//!
//! A client can map what it likes over its text, also a file whose server
//! never answers: reading there hangs. The caller reads on a thread that it can
//! leave behind.

use std::fs::File;
use std::sync::Arc;

use onair_ebpf::sites::{BREAKPOINT, ReadAt};

use crate::attached::Hold;
use crate::error::Blind;

/// The sites of one process. Keeps its files watched while it lives.
///
/// The open `/proc/PID/mem` stays with the address space of the moment it was
/// opened, and does not keep it alive.
pub struct Sight {
    target: Arc<Target>,
    _holds: Vec<Hold>,
}

impl std::fmt::Debug for Sight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sight")
            .field("addresses", &self.target.addresses)
            .finish_non_exhaustive()
    }
}

impl Sight {
    pub(crate) fn new(memory: File, addresses: Vec<u64>, holds: Vec<Hold>) -> Self {
        let target = Target {
            memory: Box::new(memory),
            addresses,
        };
        Self {
            target: Arc::new(target),
            _holds: holds,
        }
    }

    /// Looks at them on the caller's thread, which hangs as long as the memory of the process does.
    ///
    /// # Errors
    /// As [`Looker::look`], and [`Blind::AddressSpaceGone`] after exec or death.
    pub fn check(&self) -> Result<(), Blind> {
        self.target.read()
    }

    /// What looks at them, on a thread that may hang.
    #[must_use]
    pub fn looker(&self) -> Looker {
        Looker(Arc::clone(&self.target))
    }

    /// Addresses of the sites in the process.
    pub fn addresses(&self) -> &[u64] {
        &self.target.addresses
    }
}

/// Looks at the sites of one process.
pub struct Looker(Arc<Target>);

impl Looker {
    /// Reads the byte at each site, about 1 µs a site. It hangs as long as the memory of the process does:
    /// call it on a thread that may be left behind.
    ///
    /// # Errors
    /// [`Blind::Unarmed`] when a site holds anything but the kernel's breakpoint, [`Blind::Unreadable`].
    /// An address space that is gone (exec, death) is no error: no thread runs in it.
    pub fn look(&self) -> Result<(), Blind> {
        match self.0.read() {
            Err(Blind::AddressSpaceGone) => Ok(()),
            found => found,
        }
    }
}

impl std::fmt::Debug for Looker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Looker").field(&self.0.addresses).finish()
    }
}

struct Target {
    memory: Box<dyn ReadAt + Send + Sync>,
    addresses: Vec<u64>,
}

impl Target {
    fn read(&self) -> Result<(), Blind> {
        for &address in &self.addresses {
            let mut octet = [0];
            match self.memory.read_at(&mut octet, address) {
                Ok(0) => return Err(Blind::AddressSpaceGone),
                Ok(_) if octet == [BREAKPOINT] => {}
                Ok(_) => {
                    return Err(Blind::Unarmed {
                        address,
                        octet: octet[0],
                    });
                }
                Err(source) => return Err(Blind::Unreadable { address, source }),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// Memory that holds the same byte everywhere.
    struct Filled(u8);

    impl ReadAt for Filled {
        fn read_at(&self, buffer: &mut [u8], _offset: u64) -> io::Result<usize> {
            buffer.fill(self.0);
            Ok(buffer.len())
        }
    }

    fn read(memory: impl ReadAt + Send + Sync + 'static) -> Result<(), Blind> {
        let memory = Box::new(memory);
        let addresses = vec![1, 2];
        Target { memory, addresses }.read()
    }

    #[test]
    fn read__breakpoint_nop_or_nothing__then_told_apart() {
        read(Filled(BREAKPOINT)).expect("armed");
        let nop = read(Filled(0x90));
        let expected = matches!(
            nop,
            Err(Blind::Unarmed {
                address: 1,
                octet: 0x90
            })
        );
        assert!(expected, "{nop:?}");
        let gone = read(File::open("/dev/null").unwrap());
        assert!(matches!(gone, Err(Blind::AddressSpaceGone)), "{gone:?}");
    }
}
