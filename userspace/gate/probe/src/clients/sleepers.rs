//! The threads of a client that sleep on the event counts of its attachment, from the kernel's own
//! list.
//!
//! `/proc/PID/task/TID/syscall` shows the call in which a thread sleeps, and its arguments
//! (proc_pid_syscall(5)). A thread counts if that is a futex call on one of our event counts. The
//! array of a `futex_waitv` is in the client's memory and may change while its thread sleeps: a
//! thread whose array has no word of ours does not count, because an application may wait for other
//! things.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use onair_ebpf::sites::ReadAt;
use onair_ipc::memory::EventCountFile;
use rustix::fs::{major, minor};
use rustix::time::{ClockId, clock_gettime};

use crate::clients::folder::{Folder, Mappings, Threads};
use crate::error::Blind;

/// Numbers of the calls whose first argument is the address of the word: `futex`, `futex_wait`, and
/// `restart_syscall`, which shows the arguments of the call that goes on (`asm/unistd_64.h`).
const ONE_WORD: [u64; 3] = [202, 455, 219];
/// `futex_waitv`: an array, and its length.
const MANY_WORDS: u64 = 449;
/// Words of one `futex_waitv` at most (`FUTEX_WAITV_MAX`).
const MAX_WORDS: usize = 128;
/// Bytes of an entry of the array: value, address, flags.
const ENTRY: usize = 24;

/// Bounds of a check of a process's threads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Most threads of a process.
    pub(crate) threads: usize,
    /// Processor time: a busy host does not make a check slow.
    pub(crate) time: Duration,
}

/// Addresses of the event counts in a process: one of each for each mapping of the file.
pub(crate) fn event_counts_in(mappings: &Mappings, file: &EventCountFile) -> Vec<u64> {
    let (major, minor) = (major(file.device), minor(file.device));
    let of_file = mappings
        .lines
        .iter()
        .filter(|line| (line.major, line.minor, line.inode) == (major, minor, file.inode));
    let addresses = of_file.flat_map(|line| file.offsets.map(|offset| line.address_of(offset)));
    addresses.flatten().collect()
}

/// The event counts of one attachment in its process, and the process's memory.
pub(crate) struct Words<'a, M: ?Sized> {
    pub(crate) addresses: Vec<u64>,
    pub(crate) memory: &'a M,
}

impl<M: ReadAt + ?Sized> Words<'_, M> {
    fn has_sleeper(&self, call: Call) -> bool {
        let waits_on = call.words(self.memory);
        waits_on.iter().any(|word| self.addresses.contains(word))
    }
}

/// For each of `sought`, all of one process, the threads that sleep on one of its words. What a thread
/// sleeps on is read once, through the memory of the first.
///
/// # Errors
/// [`Blind::TooManyThreads`], [`Blind::Restless`], [`Blind::Slow`], [`Blind::Proc`].
pub(crate) fn asleep_on<M: ReadAt + ?Sized>(
    sought: &[Words<'_, M>],
    folder: &Folder,
    bounds: Bounds,
) -> Result<Vec<Vec<u32>>, Blind> {
    let mut asleep = vec![Vec::new(); sought.len()];
    let each = sought.iter().enumerate();
    let mut places: Vec<(u64, usize)> = each
        .flat_map(|(at, words)| words.addresses.iter().map(move |address| (*address, at)))
        .collect();
    places.sort_unstable();
    let Some(Words { memory, .. }) = sought.first().filter(|_| !places.is_empty()) else {
        return Ok(asleep);
    };
    let end = processor_time() + bounds.time;
    let limit = bounds.threads;
    let threads = match folder.threads(limit).map_err(unreadable)? {
        Threads::Listed(threads) => threads,
        Threads::TooMany(count) => return Err(Blind::TooManyThreads { count, limit }),
        Threads::Restless => return Err(Blind::Restless),
    };
    for tid in threads {
        let call = call_of(folder, tid)?;
        for address in call.map_or(Vec::new(), |call| call.words(*memory)) {
            let first = places.partition_point(|(it, _)| *it < address);
            let here = places[first..].iter();
            for (_, at) in here.take_while(|(it, _)| *it == address) {
                if asleep[*at].last() != Some(&tid) {
                    asleep[*at].push(tid);
                }
            }
        }
        if processor_time() > end {
            let limit_ms = bounds.time.as_millis();
            return Err(Blind::Slow { limit_ms });
        }
    }
    Ok(asleep)
}

/// Processor time of this thread so far.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.try_into().unwrap_or_default()
}

/// Of `asleep`, the threads that sleep on one of `words` from before the call of `listed` until
/// after it, and that it does not list. The probe lists a caller from before it sleeps until after
/// it wakes, so that no conforming caller is among them.
///
/// # Errors
/// [`Blind::Proc`], and the errors of `listed`.
pub(crate) fn unlisted<M: ReadAt + ?Sized>(
    asleep: &[u32],
    words: &Words<'_, M>,
    folder: &Folder,
    listed: impl FnOnce() -> Result<Vec<u32>, Blind>,
) -> Result<Vec<u32>, Blind> {
    let mut before = Vec::new();
    for &tid in asleep {
        let switches = switches(folder, tid)?;
        let call = call_of(folder, tid)?;
        if switches.is_some() && call.is_some_and(|call| words.has_sleeper(call)) {
            before.push((tid, switches));
        }
    }
    if before.is_empty() {
        return Ok(Vec::new());
    }
    let listed = listed()?;
    let mut unlisted = Vec::new();
    for (tid, before) in before {
        // A thread that did not run since is in the same sleep.
        if !listed.contains(&tid) && switches(folder, tid)? == before {
            unlisted.push(tid);
        }
    }
    Ok(unlisted)
}

/// The call in which a thread sleeps, if it sleeps in one.
fn call_of(folder: &Folder, tid: u32) -> Result<Option<Call>, Blind> {
    let call = folder.of_thread(tid, "syscall").map_err(unreadable)?;
    Ok(call.as_deref().and_then(Call::parse))
}

/// Context switches of a thread; `None` if it has ended.
fn switches(folder: &Folder, tid: u32) -> Result<Option<u64>, Blind> {
    let status = folder.of_thread(tid, "status").map_err(unreadable)?;
    let count = |line: &str| line.rsplit_once(':')?.1.trim().parse::<u64>().ok();
    Ok(status.map(|status| {
        let lines = status.lines().filter(|line| line.contains("ctxt_switches"));
        lines.filter_map(count).sum()
    }))
}

fn unreadable(source: io::Error) -> Blind {
    Blind::Proc {
        what: "its threads",
        source: Arc::new(source),
    }
}

/// The call in which a thread sleeps: its number, and its first two arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Call {
    number: u64,
    arguments: [u64; 2],
}

impl Call {
    /// `None` for a thread that runs, or sleeps in no call.
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split_ascii_whitespace();
        let number = fields.next()?.parse().ok()?;
        let mut argument = || u64::from_str_radix(fields.next()?.strip_prefix("0x")?, 16).ok();
        let arguments = [argument()?, argument()?];
        Some(Self { number, arguments })
    }

    /// Addresses of the words on which it waits.
    fn words(self, memory: &(impl ReadAt + ?Sized)) -> Vec<u64> {
        let [first, count] = self.arguments;
        if ONE_WORD.contains(&self.number) {
            return vec![first];
        }
        let count = usize::try_from(count).ok().filter(|it| *it <= MAX_WORDS);
        let Some(count) = count.filter(|_| self.number == MANY_WORDS) else {
            return Vec::new();
        };
        let mut array = [0; ENTRY * MAX_WORDS];
        let bytes = &mut array[..ENTRY * count];
        // Short at the end of the memory; empty if it is unmapped.
        let read = memory.read_at(bytes, first).unwrap_or(0).min(bytes.len());
        let entries = bytes[..read].chunks_exact(ENTRY);
        let addresses = entries.filter_map(|entry| entry[8..].first_chunk());
        addresses.copied().map(u64::from_ne_bytes).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::folder::MapLine;

    struct Array(Vec<u64>);

    impl ReadAt for Array {
        fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
            assert_eq!(offset, 0x7000);
            let bytes: Vec<u8> = self.0.iter().flat_map(|word| word.to_ne_bytes()).collect();
            let count = bytes.len().min(buffer.len());
            buffer[..count].copy_from_slice(&bytes[..count]);
            Ok(count)
        }
    }

    #[test]
    fn call_of_a_sleeper_then_counted_by_its_words_alone() {
        // Value, address, flags of each.
        let array = Array(vec![0, 0x40, 2, 0, 0x80, 2]);
        let waits = |line: &str, words: &[u64]| {
            let call = Call::parse(line);
            let on = call.map_or(Vec::new(), |call| call.words(&array));
            on.iter().any(|word| words.contains(word))
        };
        let end = "0x2 0x0 0x0 0x0 0x7ffdeadbee00 0x7f0001\n";
        for number in ["202", "455", "219"] {
            assert!(waits(&format!("{number} 0x40 0x80 {end}"), &[0x40]));
            assert!(!waits(&format!("{number} 0x40 0x80 {end}"), &[0x44]));
        }
        assert!(waits(&format!("449 0x7000 0x2 {end}"), &[0x80]));
        assert!(!waits(&format!("449 0x7000 0x1 {end}"), &[0x80]));
        assert!(!waits(&format!("449 0x7000 0x2 {end}"), &[2]));
        assert!(!waits(&format!("449 0x7000 0xffffffff {end}"), &[0x80]));
        assert!(!waits(&format!("35 0x40 0x0 {end}"), &[0x40]));
        for line in ["running", "-1 0x7ffd 0x7f00", "", "202 0x40", "202 40 80"] {
            assert!(!waits(line, &[0x40]), "{line}");
        }
    }

    #[test]
    fn event_counts_in_mapped_twice_and_in_part_then_each_place() {
        let file = EventCountFile {
            device: rustix::fs::makedev(0, 1),
            inode: 77,
            offsets: [0x40, 0x80, 0x1c0],
        };
        let line = |start, offset, inode| MapLine {
            start,
            end: start + 0x1000,
            offset,
            permissions: *b"rw-s",
            major: 0,
            minor: 1,
            inode,
        };
        let mappings = Mappings {
            thread: None,
            lines: vec![
                line(0x1000, 0, 77),
                line(0x3000, 0, 76),
                line(0x5000, 0x1000, 77),
                line(0x7000, 0, 77),
            ],
        };
        assert_eq!(
            event_counts_in(&mappings, &file),
            [0x1040, 0x1080, 0x11c0, 0x7040, 0x7080, 0x71c0]
        );
    }
}
