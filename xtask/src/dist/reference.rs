//! Manual pages of section 3, of the comments of `onair.h`: one of the whole, and one of each group of functions that
//! a comment is about.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};

const HEADER: &str = "onair.h";
/// What the declarations lie between.
const BEGIN: &str = "extern \"C\" {\n#endif\n";
const END: &str = "\n#ifdef __cplusplus\n}";

/// Names and texts of the pages. A function that is not the first one of its group has a page that names that one's.
pub(super) fn pages(header: &str) -> Result<Vec<(String, String)>> {
    let (intro, rest) = header
        .split_once("*/")
        .context("a comment at the begin of the header")?;
    let (_, body) = rest
        .split_once(BEGIN)
        .context("the begin of the declarations")?;
    let (body, _) = body
        .split_once(END)
        .context("the end of the declarations")?;
    let (mut all, mut types, mut functions) = (Vec::new(), String::new(), Vec::new());
    for block in body
        .split("\n\n")
        .map(str::trim)
        .filter(|it| !it.is_empty())
    {
        let (comment, code) = match block.strip_prefix("/*") {
            Some(text) => text.split_once("*/").context("the end of a comment")?,
            None => ("", block),
        };
        let names = names(code);
        let Some((first, others)) = names.split_first() else {
            let _ = write!(types, "{}\n\n", verbatim(block));
            continue;
        };
        let text = plain(comment);
        let page = format!(
            "{}{}.SH SYNOPSIS\n.nf\n#include <{HEADER}>\n\n{}\n.fi\n.SH DESCRIPTION\n{}.SH SEE ALSO\n.BR onair (3)\n",
            title(first),
            name(&names.join(", "), &text),
            verbatim(code.trim()),
            paragraphs(&text),
        );
        all.push(((*first).to_owned(), page));
        for other in others {
            all.push(((*other).to_owned(), format!(".so man3/{first}.3\n")));
        }
        functions.extend(names.iter().map(|it| format!(".BR {it} (3)")));
    }
    let intro = plain(intro.trim_start_matches("/*"));
    let page = format!(
        "{}{}.SH DESCRIPTION\n{}.SH TYPES\n.nf\n{types}.fi\n.SH SEE ALSO\n{}\n",
        title("onair"),
        name("onair", &intro),
        paragraphs(&intro),
        functions.join(",\n"),
    );
    all.push(("onair".to_owned(), page));
    Ok(all)
}

/// The functions that `code` declares; none if it declares something else.
fn names(code: &str) -> Vec<&str> {
    if ["typedef", "#define"].iter().any(|it| code.contains(it)) {
        return Vec::new();
    }
    let before = code.split(';').filter_map(|it| Some(it.split_once('(')?.0));
    before
        .filter_map(|it| it.rsplit([' ', '*']).next())
        .collect()
}

fn title(page: &str) -> String {
    format!(
        ".TH {page} 3 \"\" \"OnAir {}\"\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// The section with the names, and the first sentence.
fn name(names: &str, text: &str) -> String {
    let sentence = text
        .split("\n\n")
        .next()
        .unwrap_or_default()
        .replace('\n', " ");
    let sentence = sentence
        .split(". ")
        .next()
        .unwrap_or_default()
        .trim_end_matches('.');
    format!(".SH NAME\n{names} \\- {}\n", escaped(sentence))
}

/// A comment without its asterisks.
fn plain(comment: &str) -> String {
    let lines = comment.lines().map(|line| {
        let line = line.strip_prefix(" *").unwrap_or(line);
        line.strip_prefix(' ').unwrap_or(line).trim_end()
    });
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}

/// Text for roff: indented lines stay as they are, and words in capitals before a dot are a heading.
fn paragraphs(text: &str) -> String {
    let mut page = String::new();
    for paragraph in text.split("\n\n") {
        let heading = paragraph.split_once(". ").filter(|(word, _)| {
            word.len() > 3 && word.chars().all(|it| it.is_uppercase() || it == '-')
        });
        let text = match heading {
            Some((word, text)) => {
                let _ = writeln!(page, ".SH {}", escaped(word));
                text
            }
            None => {
                page += ".PP\n";
                paragraph
            }
        };
        if text.starts_with("    ") {
            let _ = write!(page, ".nf\n{}\n.fi\n", verbatim(text));
        } else {
            page += &verbatim(text);
            page += "\n";
        }
    }
    page
}

fn verbatim(text: &str) -> String {
    text.lines().map(escaped).collect::<Vec<_>>().join("\n")
}

fn escaped(line: &str) -> String {
    let line = line.replace('\\', "\\e").replace('-', "\\-");
    match line.starts_with(['.', '\'']) {
        true => format!("\\&{line}"),
        false => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "/*\n * Does it: well.\n *\n *     cc x\n *\n * TIME-OUTS. In ms,\n * all.\n */\n#ifdef \
                         __cplusplus\nextern \"C\" {\n#endif\n\n/* A thing. */\ntypedef int thing;\n\n/* Makes one, \
                         or\n * none. More. */\nint make(int a,\n         int b);\nthing *take(void);\n\n#ifdef \
                         __cplusplus\n}\n#endif\n";

    #[test]
    fn header_becomes_a_page_of_the_whole_and_one_of_each_group() {
        let pages = pages(SMALL).unwrap();
        let names: Vec<_> = pages.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["make", "take", "onair"]);
        let make = &pages[0].1;
        assert!(
            make.contains("\nmake, take \\- Makes one, or none\n"),
            "{make}"
        );
        assert!(
            make.contains("\nint make(int a,\n         int b);\n"),
            "{make}"
        );
        assert_eq!(pages[1].1, ".so man3/make.3\n");
        let whole = &pages[2].1;
        for part in [
            "\nonair \\- Does it: well\n",
            "\n.nf\n    cc x\n.fi\n",
            "\n.SH TIME\\-OUTS\nIn ms,\nall.\n",
            "\ntypedef int thing;\n",
            ".BR make (3),\n.BR take (3)\n",
        ] {
            assert!(whole.contains(part), "{part}: {whole}");
        }
    }

    #[test]
    fn own_header_then_each_function_has_a_page_with_a_text() {
        let header = include_str!("../../../userspace/clients/capi/include/onair.h");
        let pages = pages(header).unwrap();
        assert!(pages.len() > 25, "{}", pages.len());
        for (name, page) in pages {
            let said = page.starts_with(".so ") || !page.contains(" \\- \n");
            assert!(said, "{name} says nothing");
        }
    }
}
