//! The manual pages: of the programs and their subcommands from `--help`, of the configuration from its page, of the
//! library for C from its header.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::{done, reference};
use crate::cargo::root;

/// A package, a program of it, and the section.
const PROGRAMS: [(&str, &str, u8); 7] = [
    ("onair", "onaird", 8),
    ("onair", "onairctl", 1),
    ("onair", "onair-convert", 8),
    ("onair", "onair-waiters", 8),
    ("onair-nmos", "onair-nmos", 8),
    ("onair-wall", "onair-wall", 8),
    ("onair-mxl", "onair-mxl", 8),
];
/// Columns of a terminal that man(1) leaves to the text.
const COLUMNS: &str = "71";

/// Writes the pages of each package in a folder of its name below `man`.
pub(super) fn write(programs: &Path, man: &Path) -> Result<()> {
    for (package, name, section) in PROGRAMS {
        command(programs, &man.join(package), name, section)?;
    }
    let page = of_markdown(&root().join("docs/configuration.md"), "onair.toml", 5)?;
    save(&man.join("onair"), "onair.toml", 5, &page)?;
    let develop = man.join("libonair-dev");
    let capi = root().join("userspace/clients/capi");
    let header = fs::read_to_string(capi.join("include/onair.h"))?;
    for (name, page) in reference::pages(&header)? {
        save(&develop, &name, 3, &page)?;
    }
    let page = of_markdown(&capi.join("mtl/functions.md"), "onair_mtl", 7)?;
    save(&develop, "onair_mtl", 7, &page)
}

/// The page `name` of a Markdown file whose first heading is what it is about.
fn of_markdown(file: &Path, name: &str, section: u8) -> Result<String> {
    let text = fs::read_to_string(file)?;
    let title = text.lines().find_map(|line| line.strip_prefix("# "));
    let title = title.context("a page with a title")?;
    let (first, rest) = title.split_at(1);
    let mut page = Command::new("lowdown");
    page.args(["-s", "-Tman", "--nroff-nolinks", "-M"])
        .arg(format!("title={name}"))
        .args(["-M", &format!("section={section}")]);
    // groff 1.23 has no font C on a terminal.
    let page = done(page.arg(file))?.replace("\\fC", "\\fB");
    let (head, text) = page.split_once(".SH").context("a page with a title")?;
    Ok(format!(
        "{head}.SH NAME\n{name} \\- {}{rest}\n.SH{text}",
        first.to_lowercase()
    ))
}

/// Writes the page of the command line `words`, and those of its subcommands.
fn command(programs: &Path, folder: &Path, words: &str, section: u8) -> Result<()> {
    let mut line = words.split(' ');
    let mut help = Command::new(programs.join(line.next().context("a program")?));
    let help = done(help.args(line).arg("--help").env("COLUMNS", COLUMNS))?;
    let name = words.replace(' ', "-");
    let mut page = page(&name, section, &help);
    let mut also = Vec::new();
    for verb in subcommands(&help) {
        command(programs, folder, &format!("{words} {verb}"), section)?;
        also.push(format!(".BR {name}\\-{verb} ({section})"));
    }
    if !also.is_empty() {
        page += &format!(".SH SEE ALSO\n{}\n", also.join(",\n"));
    }
    save(folder, &name, section, &page)
}

/// The help as a manual page: what stands on a line of its own before a colon is a heading. A line that begins with
/// blanks stays as it is, and others are paragraphs: so roff has it.
fn page(name: &str, section: u8, help: &str) -> String {
    let what: Vec<_> = help.lines().take_while(|line| !line.is_empty()).collect();
    let version = env!("CARGO_PKG_VERSION");
    let mut page = format!(
        ".TH {name} {section} \"\" \"OnAir {version}\"\n.SH NAME\n{name} \\- {}\n.SH DESCRIPTION\n",
        escaped(&what.join(" "))
    );
    for line in help.lines() {
        let heading = line.split_once(':').filter(|(title, rest)| {
            !title.starts_with(' ') && (rest.is_empty() || *title == "Usage")
        });
        page += &match heading {
            Some((title, rest)) => {
                format!(".SH {}\n{}\n", title.to_uppercase(), escaped(rest.trim()))
            }
            None => escaped(line) + "\n",
        };
    }
    page
}

/// A line of text for roff; an option at its begin is bold.
fn escaped(line: &str) -> String {
    let line = line.replace('\\', "\\e").replace('-', "\\-");
    let text = line.trim_start().to_owned();
    let indent = " ".repeat(line.len() - text.len());
    match text.split_once("  ") {
        _ if line.starts_with(['.', '\'']) => format!("\\&{line}"),
        _ if !text.starts_with("\\-") => line,
        Some((option, rest)) => format!("{indent}\\fB{option}\\fR  {rest}"),
        None => format!("{indent}\\fB{text}\\fR"),
    }
}

/// The subcommands that a help lists.
fn subcommands(help: &str) -> impl Iterator<Item = &str> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let lines = lines.map_while(|line| line.strip_prefix("  "));
    let lines = lines.filter(|line| !line.starts_with(' '));
    lines
        .filter_map(|line| line.split(' ').next())
        .filter(|verb| *verb != "help")
}

fn save(folder: &Path, name: &str, section: u8, page: &str) -> Result<()> {
    let to = folder.join(format!("{name}.{section}"));
    super::write(&to, page.as_bytes(), 0o644)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELP: &str = "Does it
in two lines

Usage: x [OPTIONS] <COMMAND>

Commands:
  make   Make one, which is
         longer
  break  Break one: now
  help   Print this

Options:
  -h, --help  Print help

.it: \\n
";

    #[test]
    fn subcommands_are_those_that_the_help_lists() {
        assert!(subcommands(HELP).eq(["make", "break"]));
        assert_eq!(subcommands("Options:\n  -h  Print help\n").count(), 0);
    }

    #[test]
    fn help_becomes_a_page_and_no_line_of_it_a_request() {
        let page = page("x", 1, HELP);
        assert!(page.starts_with(".TH x 1 "));
        for part in [
            ".SH NAME\nx \\- Does it in two lines\n",
            "\n.SH USAGE\nx [OPTIONS] <COMMAND>\n",
            "\n  \\fB\\-h, \\-\\-help\\fR  Print help\n",
            "\n\\&.it: \\en\n",
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
    }
}
