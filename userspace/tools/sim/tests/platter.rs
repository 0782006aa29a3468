//! The simulated disk alone: what a power cut leaves.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use platter::{Entry, Platter};

// Not a unit test: the library would be built twice.
#[expect(dead_code, reason = "lives use the rest of it")]
#[path = "../src/disk/platter.rs"]
mod platter;

fn at(name: &str) -> PathBuf {
    Path::new("/d").join(name)
}

#[test]
fn name_and_bytes_synced_then_there_after_a_power_cut() {
    for seed in 0..200 {
        onair_sim_kernel::boot(seed, 0, 0);
        let mut disk = Platter::default();
        let file = disk.create(&at("a.part"), None);
        disk.write(file, &[7; 2000], 0);
        disk.sync(file);
        disk.rename(&at("a.part"), &at("a"));
        disk.sync_folder(Path::new("/d"));
        disk.write(file, &[9; 600], 600);
        disk.write_back();
        disk.cut_power();
        assert_eq!(disk.find(&at("a")), Some(Entry::File(file)));
        assert_eq!(disk.in_folder(Path::new("/d")), [at("a")]);
        assert_eq!(disk.bytes(file)[..512], [7; 512]);
    }
}

#[test]
fn nothing_synced_then_lost_torn_or_there() {
    let (mut names, mut lengths) = (BTreeSet::new(), BTreeSet::new());
    for seed in 0..400 {
        onair_sim_kernel::boot(seed, 0, 0);
        let mut disk = Platter::default();
        let file = disk.create(&at("a.part"), None);
        disk.write(file, &[7; 1024], 0);
        disk.rename(&at("a.part"), &at("a"));
        disk.cut_power();
        names.insert(disk.in_folder(Path::new("/d")));
        lengths.insert(disk.bytes(file).len());
    }
    assert_eq!(names.len(), 3, "{names:?}");
    assert!(lengths.contains(&0) && lengths.contains(&1024) && lengths.len() > 20);
}
