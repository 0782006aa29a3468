//! A page of Markdown as plain text: no marks of links, headings and blocks, and tables in columns.

use comfy_table::ContentArrangement;
use console::Term;

use super::{cell, print, table};

/// Columns of blanks before a line of code.
const INDENT: &str = "    ";

/// The title of a page.
pub(crate) fn title(page: &str) -> &str {
    let first = page.lines().find(|line| line.starts_with("# "));
    first.map_or("", |line| line.trim_start_matches("# "))
}

/// The page as text.
pub(crate) fn plain(page: &str) -> String {
    let (_, columns) = Term::stdout().size();
    in_columns(page, columns)
}

fn in_columns(page: &str, columns: u16) -> String {
    let mut text = String::new();
    let mut rows = Vec::new();
    let mut is_code = false;
    for line in page.lines() {
        if line.starts_with('|') && !is_code {
            rows.push(line);
            continue;
        }
        text += &columned(&std::mem::take(&mut rows), columns);
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if is_code {
            text += &format!("{INDENT}{line}\n");
        } else if !line.starts_with("<!--") {
            let line = line.trim_start_matches('#');
            text += &(unmarked(line.strip_prefix(' ').unwrap_or(line)) + "\n");
        }
    }
    text + &columned(&rows, columns)
}

/// A table of Markdown, its lines as wide as the terminal at most.
fn columned(rows: &[&str], columns: u16) -> String {
    let cells = |row: &&str| -> Vec<String> {
        let row = row.trim().trim_matches('|').replace("\\|", "\u{0}");
        let cells = row
            .split('|')
            .map(|it| unmarked(it.trim()).replace('\u{0}', "|"));
        cells.collect()
    };
    let Some((heads, rows)) = rows.split_first() else {
        return String::new();
    };
    let heads = cells(heads);
    let heads: Vec<_> = heads.iter().map(String::as_str).collect();
    let mut shown = table(&heads);
    shown
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(columns);
    for row in rows.iter().skip(1) {
        shown.add_row(cells(row).iter().map(cell));
    }
    print(shown)
}

/// A line without the marks of emphasis, and of a link only its text.
fn unmarked(line: &str) -> String {
    let line = line.replace("**", "");
    let mut text = String::new();
    let mut rest = line.as_str();
    while let Some((before, link)) = rest.split_once("](") {
        let (before, label) = before.rsplit_once('[').unwrap_or((before, ""));
        text += before.strip_suffix('!').unwrap_or(before);
        text += label;
        rest = link.split_once(')').map_or("", |(_, after)| after);
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# A *title*

Text with **weight** and [a link](x.md#y), and [b](c.md).
- one

```sh
onairctl | # x
```

| key | what |
|---|---|
| `a \\| b` | [long](z.md) words |
<!-- mark -->
## End
";

    #[test]
    fn page_then_text_without_marks() {
        console::set_colors_enabled(false);
        let expected = "A *title*\n\nText with weight and a link, and b.\n- one\n\n    onairctl | # x\n\n\
             key      what\n`a | b`  long words\nEnd\n";
        assert_eq!(in_columns(PAGE, 80), expected);
        assert_eq!(title(PAGE), "A *title*");
    }

    #[test]
    fn wide_table_then_wrapped_to_the_terminal() {
        let row = format!("| a | b |\n|---|---|\n| key | {} |\n", "word ".repeat(40));
        let text = in_columns(&row, 60);
        assert!(text.lines().all(|line| line.len() <= 60), "{text}");
        assert_eq!(text.matches("word").count(), 40);
    }
}
