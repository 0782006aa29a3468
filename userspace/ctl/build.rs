//! Embeds the user's pages that there are: `onairctl help TOPIC` shows them.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

/// Pages for the reader of a terminal, in the order of `onairctl help topics`.
const TOPICS: [&str; 13] = [
    "first-stream",
    "nic",
    "operate",
    "troubleshoot",
    "failure-and-upgrade",
    "monitoring",
    "security",
    "clock",
    "kubernetes",
    "limits",
    "timing",
    "client",
    "formats",
];

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut list = "&[".to_owned();
    for topic in TOPICS {
        let page = folder.join(format!("{topic}.md"));
        if page.exists() {
            println!("cargo::rerun-if-changed={}", page.display());
            write!(list, "({topic:?}, include_str!({page:?})),").expect("a string takes all");
        }
    }
    let out = env::var_os("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&out).join("topics.rs"), list + "]").expect("cargo's folder is writable");
}
