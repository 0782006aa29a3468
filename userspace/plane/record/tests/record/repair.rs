//! Repair of what a killed process left, cut at any place.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use onair_api::RecordingEnd;
use onair_record::{LeftAlone, Manifest, Repaired, Stage, Time, repair};
use proptest::prelude::*;

use super::pcapng;
use super::rig::{capture, check_sum, finish, names, packet, run, soon, start};

/// The files of a folder at one moment of a running recording.
type Image = Vec<(String, Vec<u8>)>;

/// Parts are renamed by another thread than the one that flushes: an image across that is taken again.
fn image(folder: &Path) -> Image {
    loop {
        let before = names(folder);
        let read = |name: &String| Some((name.clone(), fs::read(folder.join(name)).ok()?));
        let files: Option<Image> = before.iter().map(read).collect();
        if let Some(files) = files.filter(|_| names(folder) == before) {
            return files;
        }
    }
}

fn lay_out(image: &Image, folder: &Path) {
    for (name, bytes) in image {
        fs::write(folder.join(name), bytes).unwrap();
    }
}

/// What a kill leaves of a recording of two producers and 600 packets.
fn packets() -> &'static Image {
    static IMAGE: OnceLock<Image> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let (folder, mut recording) = start(|_| {});
        let mut producers = [
            recording.producer("a").unwrap(),
            recording.producer("b").unwrap(),
        ];
        for at in 0..300 {
            for (name, producer) in (0u32..).zip(&mut producers) {
                assert!(producer.offer(at, 1400, &packet(name, at)));
            }
        }
        recording.flush(soon()).unwrap();
        let image = image(folder.path());
        finish(&mut recording);
        image
    })
}

/// Repairs `image` after `change`, checks the manifest, and checks that a second repair does
/// nothing.
fn repaired(image: &Image, change: impl FnOnce(&mut Image)) -> (tempfile::TempDir, Manifest) {
    let folder = tempfile::tempdir().unwrap();
    let mut image = image.clone();
    change(&mut image);
    lay_out(&image, folder.path());
    let mut found = repair(folder.path()).unwrap();
    let Some(Repaired::Repaired(manifest)) = found.pop() else {
        panic!("{found:?}");
    };
    assert_eq!(found, []);
    assert_eq!(
        (manifest.stage, manifest.cause),
        (Stage::Repaired, Some(RecordingEnd::Killed))
    );
    assert!(
        manifest.totals.balance() && manifest.totals.pending == 0,
        "{manifest:?}"
    );
    let written = fs::read(folder.path().join("rec.json")).unwrap();
    assert_eq!(
        serde_json::from_slice::<Manifest>(&written).unwrap(),
        *manifest
    );
    for file in &manifest.files {
        check_sum(
            &folder.path().join(&file.name),
            file.sha256.as_deref().unwrap(),
        );
    }
    assert!(
        names(folder.path())
            .iter()
            .all(|name| !name.contains(".part"))
    );
    let after = self::image(folder.path());
    assert_eq!(repair(folder.path()).unwrap(), []);
    assert_eq!(self::image(folder.path()), after);
    (folder, *manifest)
}

fn of<'a>(image: &'a mut Image, name: &str) -> &'a mut Vec<u8> {
    &mut image.iter_mut().find(|(it, _)| it == name).unwrap().1
}

#[test]
fn repair_after_a_kill_then_all_that_was_flushed_is_there() {
    let (folder, manifest) = repaired(packets(), |_| {});
    let capture = capture(&folder.path().join("rec.pcapng"));
    assert_eq!(capture.packets.len(), 600);
    assert_eq!(manifest.totals.written, 600);
    let repair = manifest.repair.unwrap();
    assert_eq!(
        (repair.files[0].events, repair.files[0].cut_bytes),
        (600, 0)
    );
    assert!(
        capture.interfaces[0].comments[0].contains("repaired"),
        "{capture:?}"
    );
    assert!(repair.says.contains("is not known"), "{}", repair.says);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn repair_of_packets_cut_at_any_byte_then_the_whole_ones_stay(
        at in 0usize..1_000_000, tail in prop::collection::vec(any::<u8>(), 0..64), zeros in 0usize..5000,
    ) {
        let whole = packets().iter().find(|(name, _)| name == "rec.pcapng.part").unwrap().1.clone();
        let at = at % (whole.len() + 1);
        let ends = pcapng::read(&whole).unwrap().block_ends;
        let kept = ends.iter().copied().filter(|end| *end <= at).max().unwrap_or(0);
        let mut cut = whole[..at].to_vec();
        // What a file system may leave after a power failure.
        cut.extend(if at % 2 == 0 { tail } else { vec![0; zeros] });
        let (folder, manifest) = repaired(packets(), |image| of(image, "rec.pcapng.part").clone_from(&cut));
        let bytes = fs::read(folder.path().join("rec.pcapng")).unwrap();
        prop_assert_eq!(&bytes[..kept], &whole[..kept]);
        let read = pcapng::read(&bytes).unwrap();
        let expected = if kept == 0 { 0 } else { pcapng::read(&whole[..kept]).unwrap().packets.len() };
        // By chance, bytes after the cut may complete the truncated block.
        prop_assert!(read.packets.len() == expected || read.packets.len() == expected + 1);
        let file = &manifest.repair.unwrap().files[0];
        prop_assert_eq!(file.kept_bytes + file.cut_bytes, cut.len() as u64);
        prop_assert_eq!(manifest.files[0].events, read.packets.len() as u64);
        prop_assert!(manifest.totals.accepted >= 600 || manifest.totals.written == read.packets.len() as u64);
    }

    #[test]
    fn repair_cut_off_itself_then_the_next_one_comes_to_the_same(
        at in 0usize..1_000_000, back in 0usize..400,
    ) {
        let whole = packets().iter().find(|(name, _)| name == "rec.pcapng.part").unwrap().1.clone();
        let at = at % (whole.len() + 1);
        let (folder, manifest) = repaired(packets(), |image| of(image, "rec.pcapng.part").truncate(at));
        let bytes = fs::read(folder.path().join("rec.pcapng")).unwrap();
        let kept = usize::try_from(manifest.repair.as_ref().unwrap().files[0].kept_bytes).unwrap();
        // As if the first repair had written its plan and done part of it.
        let mut planned = manifest.clone();
        planned.stage = Stage::Recording;
        planned.cause = None;
        let image = vec![
            ("rec.json.part".to_owned(), serde_json::to_vec(&planned).unwrap()),
            ("rec.pcapng.part".to_owned(), bytes[..bytes.len().saturating_sub(back).max(kept)].to_vec()),
        ];
        let (folder, again) = repaired(&image, |_| {});
        prop_assert_eq!(fs::read(folder.path().join("rec.pcapng")).unwrap(), bytes);
        prop_assert_eq!(again.repair.unwrap().files, manifest.repair.unwrap().files);
    }

    #[test]
    fn repair_manifest_of_any_bytes_then_left_alone_and_no_panic(
        at in 0usize..10_000, byte: u8, cut: bool,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut image = packets().clone();
        let text = of(&mut image, "rec.json.part");
        let at = at % text.len();
        text[at] = byte;
        if cut {
            text.truncate(at.max(1));
        }
        lay_out(&image, folder.path());
        let found = repair(folder.path()).unwrap();
        if matches!(found[0], Repaired::LeftAlone(_)) {
            prop_assert_eq!(self::image(folder.path()), image);
        }
    }
}

#[test]
fn repair_foreign_and_hostile_things_then_left_alone_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let outside = tempfile::NamedTempFile::new().unwrap();
    fs::write(outside.path(), b"precious").unwrap();
    let manifest = |change: &dyn Fn(&mut serde_json::Value)| {
        let text = &packets()
            .iter()
            .find(|(name, _)| name == "rec.json.part")
            .unwrap()
            .1;
        let mut value: serde_json::Value = serde_json::from_slice(text).unwrap();
        change(&mut value);
        serde_json::to_vec(&value).unwrap()
    };
    fs::write(path.join("notes.txt"), b"mine").unwrap();
    fs::write(path.join("lone.pcapng.part"), b"mine").unwrap();
    fs::write(path.join("..evil.json.part"), b"{}").unwrap();
    fs::write(path.join("other.json.part"), manifest(&|_| {})).unwrap();
    fs::write(
        path.join("outside.json.part"),
        manifest(&|it| it["name"] = "../x".into()),
    )
    .unwrap();
    fs::write(
        path.join("later.json.part"),
        manifest(&|it| it["version"] = 99.into()),
    )
    .unwrap();
    fs::write(
        path.join("frames.json.part"),
        manifest(&|it| it["format"] = "y4m".into()),
    )
    .unwrap();
    fs::write(
        path.join("ended.json.part"),
        manifest(&|it| {
            it["name"] = "ended".into();
            it["stage"] = "complete".into();
        }),
    )
    .unwrap();
    fs::write(
        path.join("linked.json.part"),
        manifest(&|it| it["name"] = "linked".into()),
    )
    .unwrap();
    std::os::unix::fs::symlink(outside.path(), path.join("linked.pcapng.part")).unwrap();
    std::os::unix::fs::symlink(outside.path(), path.join("link.json.part")).unwrap();
    fs::create_dir(path.join("folder.json.part")).unwrap();
    run("mkfifo", &[&path.join("fifo.json.part").to_string_lossy()]);
    fs::write(path.join("huge.json.part"), b"").unwrap();
    fs::File::options()
        .write(true)
        .open(path.join("huge.json.part"))
        .unwrap()
        .set_len(1 << 40)
        .unwrap();
    let before = names(path);

    let found = repair(path).unwrap();
    let left: Vec<_> = found
        .iter()
        .map(|it| match it {
            Repaired::LeftAlone(LeftAlone { name, .. }) => name.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    for name in before
        .iter()
        .filter(|it| *it != "notes.txt" && *it != "linked.pcapng.part")
    {
        assert!(
            left.contains(&name.as_str()),
            "{name} is not named: {found:?}"
        );
    }
    assert_eq!(names(path), before);
    assert_eq!(fs::read(outside.path()).unwrap(), b"precious");
}

#[test]
fn repair_while_it_is_recorded_then_left_alone() {
    let (folder, mut recording) = start(|_| {});
    let mut producer = recording.producer("a").unwrap();
    assert!(producer.offer(1, 96, &packet(0, 1)));
    recording.flush(soon()).unwrap();
    let found = repair(folder.path()).unwrap();
    assert!(
        matches!(&found[..], [Repaired::LeftAlone(it)] if it.reason.contains("another process")),
        "{found:?}"
    );
    assert_eq!(finish(&mut recording).totals.written, 1);
    assert_eq!(repair(folder.path()).unwrap(), []);
}

#[test]
fn repair_of_a_split_recording_then_only_the_last_part_changes() {
    let (folder, mut recording) = start(|spec| spec.split_size = Some(100_000));
    let mut producer = recording.producer("a").unwrap();
    for at in 0..3000 {
        assert!(producer.offer(at, 96, &packet(0, at)));
    }
    recording.flush(soon()).unwrap();
    let image = image(folder.path());
    finish(&mut recording);
    let before = image.clone();
    let (folder, manifest) = repaired(&image, |image| {
        let last = image
            .iter_mut()
            .rfind(|(name, _)| name.ends_with(".pcapng.part"))
            .unwrap();
        let len = last.1.len();
        last.1.truncate(len - 50);
    });
    assert!(manifest.files.len() > 3);
    for (name, bytes) in before.iter().filter(|(name, _)| name.ends_with(".pcapng")) {
        assert_eq!(
            &fs::read(folder.path().join(name)).unwrap(),
            bytes,
            "{name}"
        );
    }
    let mut packets = Vec::new();
    for file in &manifest.files {
        packets.extend(capture(&folder.path().join(&file.name)).packets);
    }
    assert_eq!(packets.len(), 2999);
    let numbers = packets.iter().map(|it| super::rig::number(&it.bytes).1);
    assert!(numbers.eq(0..2999));
    assert_eq!(manifest.totals.written, 2999);
}

#[test]
fn repair_beside_a_complete_file_of_its_name_then_untouched() {
    let folder = tempfile::tempdir().unwrap();
    lay_out(packets(), folder.path());
    let theirs = folder.path().join("rec.pcapng");
    fs::write(&theirs, b"another program's file, not a capture").unwrap();
    // A child of another test, between fork and exec, also has the file open and locked.
    let is_locked = |it: &Repaired| matches!(it, Repaired::LeftAlone(it) if it.reason.contains("another process"));
    let repair = || loop {
        let found = repair(folder.path()).unwrap();
        if !found.iter().any(is_locked) {
            break found;
        }
        std::thread::yield_now();
    };
    // The first repair writes its plan; the second one finds it.
    for _ in 0..2 {
        let found = repair();
        assert!(
            matches!(&found[..], [Repaired::LeftAlone(it)] if it.reason.contains("repair failed")),
            "{found:?}"
        );
        assert_eq!(
            fs::read(&theirs).unwrap(),
            b"another program's file, not a capture"
        );
    }
    fs::remove_file(&theirs).unwrap();
    let found = repair();
    assert!(matches!(&found[..], [Repaired::Repaired(it)] if it.totals.written == 600));
}

#[test]
fn repair_of_a_name_that_was_only_taken_then_it_is_free() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rec.json.part"), b"").unwrap();
    assert_eq!(
        repair(folder.path()).unwrap(),
        [Repaired::Freed("rec".into())]
    );
    assert_eq!(names(folder.path()), Vec::<String>::new());
    assert_eq!(repair(&folder.path().join("none")).unwrap(), []);
    assert!(Time::now() > Time::from_unix_ns(0));
}
