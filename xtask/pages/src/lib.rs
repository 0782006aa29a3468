//! Checks the pages of the documentation: their words, links, and every name that the code must have.
//!
//! `cargo xtask lint` runs [`faults`]. The tests of each program check its command lines with
//! [`command::faults`], and write the generated parts of pages with [`generated`].
#![forbid(unsafe_code)]

mod budget;
pub mod command;
mod fault;
pub mod generated;
mod link;
mod names;
mod page;
mod source;

use std::io;
use std::path::{Path, PathBuf};

pub use fault::Fault;
pub use page::{Block, Code, Page, read};
use source::Sources;

/// The folder of the workspace that this crate was built in.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every fault of the pages below `root`, but for the command lines of programs.
///
/// # Errors
/// A file cannot be read.
pub fn faults(root: &Path) -> io::Result<Vec<Fault>> {
    let all = read(root)?;
    let sources = Sources::read(root)?;
    let keys = names::key::known(&all);
    let mut found = budget::faults(&all);
    found.extend(names::mention::faults(&sources, root)?);
    found.extend(names::sync_name::faults(&sources));
    for page in &all {
        found.extend(link::faults(page, &all, root));
        if page.is_record() {
            continue;
        }
        found.extend(names::path::faults(page, &sources));
        found.extend(names::metric::faults(page, &sources));
        found.extend(names::key::faults(page, &keys));
        found.extend(names::test_name::faults(page, &sources));
    }
    found.sort();
    Ok(found)
}
