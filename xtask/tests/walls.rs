//! What an essence is stays in its folder: other files of the product have no word of it. And a crate names no crate of a
//! higher floor.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Words of video, as parts of names. This list only gets longer.
const WORDS: [&str; 17] = [
    "colorimetry",
    "height",
    "interlaced",
    "pgroup",
    "pgroups",
    "planar",
    "progressive",
    "psf",
    "raster",
    "sampling",
    "samplings",
    "scan",
    "scans",
    "v210",
    "video",
    "y4m",
    "ycbcr",
];

/// Where they belong.
const ROOMS: [&str; 18] = [
    "userspace/bridges/mxl/src/",
    "userspace/bridges/nmos/src/essence/",
    "userspace/bridges/wall/src/looks/essence/",
    "userspace/clients/capi/src/group/views.rs",
    "userspace/clients/capi/src/view/",
    "userspace/clients/client/src/layout/",
    "userspace/clients/client/src/video/",
    "userspace/clients/gst/",
    "userspace/clients/python/src/view/",
    "userspace/documents/sdp/src/",
    "userspace/media/essence/src/ancillary/",
    "userspace/media/essence/src/jpeg_xs/",
    "userspace/media/essence/src/registry/",
    "userspace/media/essence/src/survey/",
    "userspace/media/essence/src/video/",
    "userspace/media/pixels/",
    "userspace/tools/ctl/src/args/jpeg_xs.rs",
    "userspace/tools/ctl/src/args/video",
];

/// Files that have some, such as the name of a layout as an example. This list only gets shorter.
const KNOWN: &str = include_str!("walls/known.txt");

/// The parts of a name: `VideoFormat` has two, as `frame_height`.
fn parts(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut before = '_';
    for letter in name.chars() {
        if letter == '_' || (letter.is_uppercase() && before.is_lowercase()) {
            parts.push(String::new());
        }
        if letter != '_' {
            parts.last_mut().unwrap().extend(letter.to_lowercase());
        }
        before = letter;
    }
    parts
}

/// Whether the code of a file has one of the words: without comments, unit tests, and the declaration of an
/// essence's folder with what the crate gives out of it.
fn has_words(text: &str) -> bool {
    let product = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let mut is_given_out = false;
    let lines = product.lines().filter(|line| {
        let line = line.trim_start();
        let declared = line.strip_prefix("pub(crate) ").unwrap_or(line);
        let declared = declared.strip_prefix("pub ").unwrap_or(declared);
        let gives_out = declared.starts_with("use video::{");
        let skip = is_given_out || gives_out;
        is_given_out = skip && !line.ends_with(';');
        !(skip || line.starts_with("//") || declared == "mod video;")
    });
    lines
        .flat_map(|line| line.split(|it: char| !it.is_alphanumeric() && it != '_'))
        .flat_map(parts)
        .any(|part| WORDS.contains(&part.as_str()))
}

fn collect(folder: &Path, root: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().display().to_string();
        if path.is_dir() {
            if !name.ends_with("/tests") && !name.ends_with("/target") {
                collect(&path, root, found);
            }
            continue;
        }
        let is_product = name.contains("/src/")
            && name.ends_with(".rs")
            && !name.ends_with("tests.rs")
            && !ROOMS.iter().any(|room| name.starts_with(room));
        if is_product && has_words(&fs::read_to_string(&path).unwrap()) {
            found.insert(name);
        }
    }
}

#[test]
fn words_of_video_are_in_no_other_file_than_the_known_ones() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = BTreeSet::new();
    collect(&root.join("userspace"), &root, &mut found);
    let known: BTreeSet<_> = KNOWN.lines().map(str::to_owned).collect();
    let new: Vec<_> = found.difference(&known).collect();
    assert!(new.is_empty(), "files with words of video: {new:#?}");
    let gone: Vec<_> = known.difference(&found).collect();
    assert!(
        gone.is_empty(),
        "no word of video any more, take them off: {gone:#?}"
    );
}

#[test]
fn words_in_names_then_found_but_not_in_comments_or_tests() {
    for text in [
        "struct VideoFormat;",
        "fn frame_height() {}",
        "use a::video::b;",
        "use video::{Scan};\nlet height = 0;",
    ] {
        assert!(has_words(text), "{text}");
    }
    for text in [
        "// a video",
        "pub mod video;\npub use video::{\n    Scan, VideoFormat,\n};",
        "fn rescan() {}",
        "fn f() {}\n#[cfg(test)]\nmod tests {\n    use video;\n}\n",
    ] {
        assert!(!has_words(text), "{text}");
    }
}

/// Each floor of `userspace`, the lowest first, and what its crates may name besides each other: floors, single crates,
/// and `ebpf`. A folder with a row of its own is a floor within its floor. Tests may name any crate.
const FLOORS: [(&str, &[&str]); 10] = [
    ("base", &[]),
    ("media", &["base"]),
    ("documents", &["base", "media"]),
    ("gate", &["base", "media", "documents", "ebpf"]),
    ("plane", &["base", "media", "documents", "gate", "ebpf"]),
    ("daemon", &["base", "media", "documents", "gate", "plane"]),
    ("clients", &["media", "documents", "gate/ipc"]),
    ("bridges", &["media", "documents", "clients"]),
    (
        "tools",
        &[
            "base",
            "media",
            "documents",
            "gate/ipc",
            "plane/record",
            "clients",
            "ebpf",
        ],
    ),
    (
        "tools/sim",
        &["base", "media", "documents", "gate", "plane", "daemon"],
    ),
];

/// The row of a crate's folder.
fn floor(folder: &Path) -> Option<&'static (&'static str, &'static [&'static str])> {
    FLOORS.iter().rev().find(|it| folder.starts_with(it.0))
}

/// What is wrong if the crate in `folder` names the one in `named`.
fn arrow_up(folder: &Path, named: &Path) -> Option<String> {
    let row = floor(folder);
    let is_own = row.is_some() && floor(named) == row;
    let may = row.map_or(&[][..], |it| it.1);
    let is_fine = is_own || may.iter().any(|it| named.starts_with(it));
    (!is_fine).then(|| format!("{} names {}", folder.display(), named.display()))
}

/// The folders of the workspace's crates in `userspace`, and of the workspace's crates that each names outside its tests.
fn manifests(root: &Path) -> Vec<(PathBuf, Vec<PathBuf>)> {
    let mut metadata = Command::new(env!("CARGO"));
    metadata.args(["metadata", "--offline", "--locked", "--no-deps"]);
    let metadata = metadata.args(["--format-version", "1"]).output().unwrap();
    assert!(metadata.status.success(), "{metadata:?}");
    let metadata: Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let userspace = root.join("userspace");
    let from_userspace = |folder: &str| {
        let folder = Path::new(folder);
        let inside = folder.strip_prefix(&userspace);
        let folder = inside.or_else(|_| folder.strip_prefix(root));
        folder.unwrap().to_owned()
    };
    let mut all = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        let manifest = Path::new(package["manifest_path"].as_str().unwrap());
        if !manifest.starts_with(&userspace) {
            continue;
        }
        let named = package["dependencies"].as_array().unwrap().iter();
        let named = named.filter(|it| it["kind"] != "dev");
        let named = named.filter_map(|it| it["path"].as_str());
        let folder = manifest.parent().unwrap().to_str().unwrap();
        all.push((from_userspace(folder), named.map(from_userspace).collect()));
    }
    all
}

#[test]
fn crates_name_no_higher_floor() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let all = manifests(&root.canonicalize().unwrap());
    assert!(all.len() > 30, "{all:#?}");
    let named = |(folder, named): &(PathBuf, Vec<PathBuf>)| {
        let faults = named.iter().filter_map(|it| arrow_up(folder, it));
        faults.collect::<Vec<_>>()
    };
    let found: Vec<_> = all.iter().flat_map(named).collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn floors_of_the_table_then_each_is_a_folder_with_a_page() {
    let userspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../userspace");
    let folders: BTreeSet<_> = fs::read_dir(&userspace)
        .unwrap()
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .collect();
    let floors: BTreeSet<_> = FLOORS.iter().map(|it| it.0.to_owned()).collect();
    let floors: BTreeSet<_> = floors.into_iter().filter(|it| !it.contains('/')).collect();
    assert_eq!(folders, floors);
    for floor in floors {
        assert!(userspace.join(&floor).join("README.md").exists(), "{floor}");
    }
    // No row names itself or a later one.
    for (at, (_, may)) in FLOORS.iter().enumerate() {
        for name in may.iter().filter(|it| **it != "ebpf") {
            let earlier = FLOORS[..at].iter().any(|it| name.starts_with(it.0));
            assert!(earlier, "{name}");
        }
    }
}

#[test]
fn crate_then_it_may_name_its_own_floor_and_what_its_row_says() {
    for (folder, named) in [
        ("gate/session", "gate/ipc"),
        ("gate/probe", "ebpf"),
        ("clients/client", "gate/ipc"),
        ("tools/ctl", "plane/record"),
        ("tools/sim/engine", "daemon/engine"),
        ("tools/sim", "tools/sim/ipc"),
    ] {
        assert_eq!(arrow_up(folder.as_ref(), named.as_ref()), None);
    }
    for (folder, named) in [
        ("media/essence", "documents/api"),
        ("clients/client", "gate/session"),
        ("clients/client", "gate/ipc-other"),
        ("daemon/daemon", "bridges/nmos"),
        ("tools/ctl", "daemon/engine"),
        ("tools/ctl", "tools/sim"),
        ("daemon/engine", "xtask/stage"),
        ("attic/engine", "base/net"),
        ("attic/engine", "attic/net"),
    ] {
        let said = arrow_up(folder.as_ref(), named.as_ref());
        assert_eq!(said, Some(format!("{folder} names {named}")));
    }
}
