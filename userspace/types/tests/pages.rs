//! Tables of the documentation that follow from declarations. `ONAIR_WRITE_PAGES=1` writes them.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::fs;
use std::path::Path;

use onair_types::ProblemCode;
use onair_types::api::{Access, Entry, entries};

/// The page, from this crate's folder.
const PAGE: &str = "../../docs/api.md";

fn right(access: Access) -> String {
    match access {
        Access::Everyone => "none".to_owned(),
        Access::ThisSession(right) => format!("{right}, own or any"),
        Access::AnySession(right) => right.to_string(),
    }
}

/// The first paragraph of the documentation, on one line.
fn summary(entry: &Entry) -> String {
    let lines = entry.docs.iter().map(|line| line.trim());
    let first: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
    first.join(" ")
}

fn row(entry: &Entry) -> String {
    let errors: Vec<_> = entry.errors.iter().map(|it| format!("`{it}`")).collect();
    format!(
        "| `{} {}` | {} | {} | {} |\n",
        entry.method,
        entry.path,
        summary(entry),
        right(entry.access),
        errors.join(", "),
    )
}

fn operations() -> String {
    let mut table =
        "| request | what it does | right | its own errors |\n|---|---|---|---|\n".to_owned();
    table.extend(entries().map(row));
    table
}

fn problems() -> String {
    let mut table = "| code | status | title | what to do |\n|---|---|---|---|\n".to_owned();
    table.extend(ProblemCode::ALL.iter().map(|code| {
        let (status, title, advice) = (code.status(), code.title(), code.advice());
        format!("| `{code}` | {status} | {title} | {advice} |\n")
    }));
    table
}

/// The page with `table` between the markers of this name.
fn with(page: &str, name: &str, table: &str) -> String {
    let (begin, end) = (
        format!("<!-- {name} -->\n"),
        format!("<!-- end of {name} -->"),
    );
    let (before, rest) = page.split_once(&begin).unwrap();
    let (_, after) = rest.split_once(&end).unwrap();
    format!("{before}{begin}{table}{end}{after}")
}

#[test]
fn tables_of_the_api_page_are_those_of_the_declarations() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let page = fs::read_to_string(&path).unwrap();
    let page_now = with(&page, "operations", &operations());
    let page_now = with(&page_now, "problems", &problems());
    if std::env::var_os("ONAIR_WRITE_PAGES").is_some() {
        fs::write(&path, &page_now).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap();
    assert_eq!(
        written, page_now,
        "docs/api.md is older than the declarations: run this test with ONAIR_WRITE_PAGES=1"
    );
}
