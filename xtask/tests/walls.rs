//! What an essence is stays in its folder: other files of the product have no word of it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

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
    "userspace/tools/ctl/src/args/video.rs",
];

/// Files that have some: the format of files that older versions recorded, and the name of a layout as an
/// example. This list only gets shorter.
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
