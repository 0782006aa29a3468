//! The breakpoints that the kernel has put into a process for a probe, and how to take them away.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;

use anyhow::{Context as _, Result, ensure};

/// What the file has at a probe site, and what the kernel puts there.
const NOP: u8 = 0x90;
const BREAKPOINT: u8 = 0xcc;

/// The armed probe sites of a process.
#[derive(Debug)]
pub struct Breakpoints {
    memory: File,
    addresses: Vec<u64>,
}

impl Breakpoints {
    /// Finds them: where the program's memory differs from its file in just this way.
    pub fn find(pid: u32) -> Result<Self> {
        let memory = File::options()
            .read(true)
            .write(true)
            .open(format!("/proc/{pid}/mem"))?;
        let path = fs::read_link(format!("/proc/{pid}/exe"))?;
        let file = File::open(format!("/proc/{pid}/exe"))?;
        let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
        let mut addresses = Vec::new();
        for line in maps.lines() {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let [range, "r-xp", offset, _, _, name] = fields[..] else {
                continue;
            };
            if *name != *path.to_string_lossy() {
                continue;
            }
            let (begin, end) = range.split_once('-').context("a range")?;
            let begin = u64::from_str_radix(begin, 16)?;
            let length = usize::try_from(u64::from_str_radix(end, 16)? - begin)?;
            let mut now = vec![0; length];
            memory.read_exact_at(&mut now, begin)?;
            let mut built = vec![0; length];
            // The last page may reach beyond the end of the file.
            let read = file.read_at(&mut built, u64::from_str_radix(offset, 16)?)?;
            let places = now.iter().zip(&built[..read]).enumerate();
            let armed = places.filter(|(_, (now, built))| **now == BREAKPOINT && **built == NOP);
            addresses.extend(armed.map(|(at, _)| begin + at as u64));
        }
        ensure!(!addresses.is_empty(), "process {pid} has no breakpoint");
        Ok(Self { memory, addresses })
    }

    /// Puts the file's own bytes there again, as the process itself could.
    pub fn take_away(&self) -> Result<()> {
        self.write(NOP)
    }

    /// Puts them back where they were.
    pub fn put_back(&self) -> Result<()> {
        self.write(BREAKPOINT)
    }

    /// Changes one byte behind the last one, and leaves them alone.
    pub fn scribble_beside(&self) -> Result<()> {
        let beside = self.addresses.iter().max().context("a breakpoint")? + 1;
        let mut byte = [0];
        self.memory.read_exact_at(&mut byte, beside)?;
        Ok(self.memory.write_all_at(&[!byte[0]], beside)?)
    }

    /// Where they are.
    #[must_use]
    pub fn addresses(&self) -> &[u64] {
        &self.addresses
    }

    fn write(&self, byte: u8) -> Result<()> {
        for address in &self.addresses {
            self.memory.write_all_at(&[byte], *address)?;
        }
        Ok(())
    }
}
