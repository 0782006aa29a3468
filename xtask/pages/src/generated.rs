//! Pages, and parts of pages, that follow from the code. `cargo xtask pages` writes them.

use std::path::Path;
use std::{env, fs, io};

/// Set: write what is stale instead of failing.
pub const VARIABLE: &str = "ONAIR_WRITE_PAGES";

/// Why a page is not as the code has it.
#[derive(Debug)]
pub enum Stale {
    /// It is older than the code, at this line.
    Line(String, usize),
    /// It has no markers for this part.
    NoPart(String, String),
    /// It cannot be read or written.
    File(io::Error),
}

impl std::fmt::Display for Stale {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Line(page, line) => write!(
                f,
                "{page}:{line}: older than the code: run `cargo xtask pages`"
            ),
            Self::NoPart(page, part) => write!(
                f,
                "{page}: no lines `<!-- {part} -->` and `<!-- end of {part} -->`: add them"
            ),
            Self::File(error) => write!(f, "{error}"),
        }
    }
}

impl From<io::Error> for Stale {
    fn from(error: io::Error) -> Self {
        Self::File(error)
    }
}

/// Compares the page at `path`, from the root, with `text`, or writes it.
///
/// # Errors
/// [`Stale`].
pub fn page(path: &str, text: &str) -> Result<(), Stale> {
    in_root(&crate::root(), path, text)
}

/// The same of the lines between the page's markers `<!-- part -->` and `<!-- end of part -->`.
///
/// # Errors
/// [`Stale`].
pub fn part(path: &str, part: &str, text: &str) -> Result<(), Stale> {
    let page = fs::read_to_string(crate::root().join(path))?;
    let wanted = with(&page, part, text);
    let wanted = wanted.ok_or_else(|| Stale::NoPart(path.to_owned(), part.to_owned()))?;
    in_root(&crate::root(), path, &wanted)
}

fn with(page: &str, part: &str, text: &str) -> Option<String> {
    let (begin, end) = (
        format!("<!-- {part} -->\n"),
        format!("<!-- end of {part} -->"),
    );
    let (before, rest) = page.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}{text}{end}{after}"))
}

fn in_root(root: &Path, path: &str, text: &str) -> Result<(), Stale> {
    let file = root.join(path);
    let written = fs::read_to_string(&file).or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(String::new()),
        _ => Err(error),
    })?;
    if written == text {
        return Ok(());
    }
    if env::var_os(VARIABLE).is_some() {
        return Ok(fs::write(&file, text)?);
    }
    let mut pairs = written.lines().zip(text.lines());
    let same = pairs.by_ref().take_while(|(old, new)| old == new).count();
    Err(Stale::Line(path.to_owned(), same + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_then_only_what_is_between_its_markers_is_another() {
        let page = "a\n<!-- x -->\nold\n<!-- end of x -->\nb\n";
        let expected = "a\n<!-- x -->\nnew\n<!-- end of x -->\nb\n";
        assert_eq!(with(page, "x", "new\n").as_deref(), Some(expected));
        assert_eq!(with(page, "y", "new\n"), None);
    }

    #[test]
    fn stale_page_then_its_line_is_named() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("p.md"), "a\nb\n").unwrap();
        in_root(root.path(), "p.md", "a\nb\n").unwrap();
        let error = in_root(root.path(), "p.md", "a\nc\n").unwrap_err();
        let said = error.to_string();
        assert!(said.starts_with("p.md:2: older than the code"), "{said}");
    }
}
