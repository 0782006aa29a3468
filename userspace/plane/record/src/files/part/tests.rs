//! Parts that are written behind, as the final drain does it.

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};

use super::*;

/// A part, the folder of its file, and its sum.
struct Rig {
    _place: tempfile::TempDir,
    folder: Folder,
    producers: [Arc<ProducerTotals>; 1],
    summer: Summer,
    part: RecordingFile,
}

impl Rig {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        Self {
            folder: Folder::new(place.path(), "rec", "pcapng", false, 0),
            _place: place,
            producers: [Arc::new(ProducerTotals::new("a"))],
            summer: Summer::start("rec").unwrap(),
            part: RecordingFile::new(1, "rec.pcapng".to_owned()),
        }
    }

    /// Adds an event of `size` bytes and writes it, as the final drain does or as before it.
    fn write(&mut self, size: usize, all: bool, behind: bool) -> Result<(), Fault> {
        let from = self.part.len();
        self.part.out().extend((from..from + size as u64).map(byte));
        self.part.mark(Some(0), size as u64, Some(1));
        let (folder, producers, part) = (&self.folder, &self.producers, &mut self.part);
        let result = match behind {
            true => part.write_behind(all, folder, producers, &self.summer),
            false => Ok(()),
        };
        let result = result.and_then(|()| part.write(all, folder, producers));
        if let Some(block) = part.take_written(Block::new) {
            self.summer.add(block);
        }
        result
    }

    /// Behind the first `size` bytes: blocks, an event for which the buffer has to grow, and the
    /// end.
    fn write_to_the_end(&mut self, mut size: usize) {
        let half = BLOCK / 2;
        for more in [BLOCK, half, 5 * BLOCK, BLOCK + half + 9, BLOCK] {
            self.write(more, false, true).unwrap();
            size += more;
            assert_eq!(self.part.len(), size as u64);
        }
        self.write(77, true, true).unwrap();
        let expected = ((size + 77) as u64, 0);
        assert_eq!((self.part.in_file(), self.part.waiting()), expected);
        self.check();
    }

    /// Checks the contents of the file, which is as long as the part says.
    fn check(&self) {
        let file = self.part.file().unwrap();
        let size = file.metadata().unwrap().len();
        assert_eq!(size, self.part.in_file());
        let mut found = vec![0; usize::try_from(size).unwrap()];
        file.read_exact_at(&mut found, 0).unwrap();
        assert!((0..size).map(byte).eq(found.iter().copied()));
        // The same bytes, as the other thread got them.
        use sha2::Digest as _;
        let sum = crate::files::sum::hexadecimal(&sha2::Sha256::digest(&found));
        assert_eq!(self.summer.finish().recv().unwrap().unwrap(), sum);
    }
}

fn byte(at: u64) -> u8 {
    (at / 7).to_le_bytes()[0]
}

#[test]
fn part_written_behind_an_odd_place_then_each_byte_once() {
    let mut rig = Rig::new();
    // A flush, which leaves it at an odd place; then to the block's end.
    rig.write(1000, true, false).unwrap();
    rig.write(BLOCK - 900, false, true).unwrap();
    assert!(matches!(rig.part.behind, WriteBehind::Idle));
    rig.write_to_the_end(BLOCK + 100);
    assert_eq!(rig.part.report().events, 8);
}

#[test]
fn part_written_behind_half_a_block_then_each_byte_once() {
    let mut rig = Rig::new();
    rig.write(BLOCK / 2, true, false).unwrap();
    rig.write_to_the_end(BLOCK / 2);
}

#[test]
fn part_whose_file_takes_no_more_then_no_byte_lost_or_doubled() {
    let mut rig = Rig::new();
    let flags = MemfdFlags::ALLOW_SEALING | MemfdFlags::CLOEXEC;
    let file = File::from(memfd_create("small", flags).unwrap());
    // Six blocks and a half have room.
    ftruncate(&file, 13 * BLOCK as u64 / 2).unwrap();
    fcntl_add_seals(&file, SealFlags::GROW).unwrap();
    rig.part.file = Some(Arc::new(file));
    let results: Vec<_> = (0..20).map(|_| rig.write(BLOCK, false, true)).collect();
    assert!(results.last().unwrap().is_err());
    let part = &mut rig.part;
    assert_eq!((part.len(), part.flying), (20 * BLOCK as u64, 0));
    assert!(part.in_file() <= 13 * BLOCK as u64 / 2);
    let whole = part.in_file() / BLOCK as u64;
    assert_eq!(
        (part.report().events, part.whole),
        (whole, whole * BLOCK as u64)
    );
    let cut = part.give_up(Loss::DiskFull, &rig.producers).unwrap();
    if let Some(size) = cut {
        rig.summer.cut(rig.part.file().unwrap(), size);
    }
    let counts = rig.producers[0].counts();
    assert_eq!((counts.written, counts.lost.disk_full), (whole, 20 - whole));
    rig.check();
}
