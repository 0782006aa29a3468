//! Checks the pages of the documentation: their words, links, and every name that the code must have.
//!
//! `cargo xtask lint` runs [`faults`]. The tests of each program check its command lines with
//! [`command::faults`], and write the generated parts of pages with [`generated`].
#![forbid(unsafe_code)]

mod budget;
pub mod command;
pub mod generated;
mod link;
mod names;
mod page;
mod source;

use std::path::{Path, PathBuf};
use std::{fmt, io};

use source::Sources;

pub use page::{Block, Code, Page, read};

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

/// A fault of a page.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The page, from the root.
    pub page: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub remedy: &'static str,
}

impl Fault {
    pub(crate) fn new(page: &str, line: usize, what: String, remedy: &'static str) -> Self {
        Self {
            page: page.to_owned(),
            line,
            what,
            remedy,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            page,
            line,
            what,
            remedy,
        } = self;
        write!(f, "{page}:{line}: {what}: {remedy}")
    }
}
