//! A page of Markdown: its text, inline code, and blocks of code, with line numbers.

use std::path::Path;
use std::{fs, io};

/// A page.
#[derive(Clone, Debug)]
pub struct Page {
    /// Its path from the root.
    pub path: String,
    text: String,
}

/// Code of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Code {
    /// The line, from 1.
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// A block of code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// What stands behind the fence, such as `sh`.
    pub(crate) language: String,
    pub(crate) lines: Vec<Code>,
}

/// Every page below `root`: README.md, CONTRIBUTING.md, and those in `docs`.
///
/// # Errors
/// A file cannot be read.
pub fn read(root: &Path) -> io::Result<Vec<Page>> {
    let mut paths = vec!["README.md".to_owned(), "CONTRIBUTING.md".to_owned()];
    let mut folders = vec!["docs".to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder))? {
            let entry = entry?;
            let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else if path.ends_with(".md") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    paths.retain(|path| root.join(path).exists());
    let page = |path: String| Ok(Page::new(&path, &fs::read_to_string(root.join(&path))?));
    paths.into_iter().map(page).collect()
}

impl Page {
    /// A page of this text.
    #[must_use]
    pub fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    pub(crate) fn words(&self) -> usize {
        self.text.split_whitespace().count()
    }

    pub(crate) fn is_decision(&self) -> bool {
        self.path.starts_with("docs/adr/")
    }

    /// Whether it says what was so at a time: a decision or a result.
    pub(crate) fn is_record(&self) -> bool {
        self.is_decision() || self.path.starts_with("docs/results/")
    }

    /// Lines with their numbers; the language of the block for those within one, fences included.
    fn lines(&self) -> impl Iterator<Item = (usize, Option<String>, &str)> {
        let mut block: Option<String> = None;
        self.text.lines().enumerate().map(move |(at, line)| {
            let Some(language) = line.trim_start().strip_prefix("```") else {
                return (at + 1, block.clone(), line);
            };
            let opened = block.take();
            if opened.is_none() {
                block = Some(language.trim().to_owned());
            }
            (at + 1, opened.or_else(|| block.clone()), "```")
        })
    }

    /// Lines outside blocks of code, with their numbers.
    pub(crate) fn prose(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.lines();
        lines.filter_map(|(number, block, line)| block.is_none().then_some((number, line)))
    }

    /// Blocks of code.
    pub(crate) fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::<Block>::new();
        let mut is_open = false;
        for (line, language, text) in self.lines() {
            let Some(language) = language else { continue };
            if text == "```" {
                is_open = !is_open;
                if is_open {
                    let lines = Vec::new();
                    blocks.push(Block { language, lines });
                }
            } else if let Some(block) = blocks.last_mut() {
                let text = text.to_owned();
                block.lines.push(Code { line, text });
            }
        }
        blocks
    }

    /// Inline code; it may begin on one line of a paragraph and end on the next.
    pub(crate) fn inline(&self) -> Vec<Code> {
        let mut found = Vec::new();
        // Code that has begun, with the length of its fence.
        let mut open: Option<(usize, Code)> = None;
        for (line, text) in self.prose() {
            if text.trim().is_empty() {
                open = None;
                continue;
            }
            if let Some((_, code)) = &mut open {
                code.text.push(' ');
            }
            let mut rest = text;
            while !rest.is_empty() {
                let ticks = rest.len() - rest.trim_start_matches('`').len();
                if ticks > 0 {
                    match open.take() {
                        Some((fence, code)) if fence == ticks => found.push(code),
                        Some((fence, mut code)) => {
                            code.text += &rest[..ticks];
                            open = Some((fence, code));
                        }
                        None => {
                            let text = String::new();
                            open = Some((ticks, Code { line, text }));
                        }
                    }
                    rest = &rest[ticks..];
                    continue;
                }
                let end = rest.find('`').unwrap_or(rest.len());
                if let Some((_, code)) = &mut open {
                    code.text += rest[..end].trim_start_matches(if code.text.ends_with(' ') {
                        " "
                    } else {
                        "\0"
                    });
                }
                rest = &rest[end..];
            }
            // A row of a table ends its code.
            if text.trim_start().starts_with('|') {
                open = None;
            }
        }
        for code in &mut found {
            code.text = code.text.replace("\\|", "|");
        }
        found
    }

    /// All code: inline, and each line of the blocks.
    pub(crate) fn code(&self) -> Vec<Code> {
        let blocks = self.blocks().into_iter();
        let mut all: Vec<_> = blocks.flat_map(|block| block.lines).collect();
        all.extend(self.inline());
        all
    }

    /// The anchors of its headings, as GitHub makes them, and those that it sets itself.
    pub(crate) fn anchors(&self) -> Vec<String> {
        let mut anchors = Vec::<String>::new();
        for (_, line) in self.prose() {
            for set in ["id=\"", "name=\""] {
                let mut parts = line.split(set);
                parts.next();
                let ids = parts.filter_map(|part| part.split('"').next());
                anchors.extend(ids.map(str::to_owned));
            }
            let title = line.trim_start_matches('#');
            if title.len() < line.len() && title.starts_with(' ') {
                let slug = slug(title.trim());
                let numbered = (1..).map(|number| format!("{slug}-{number}"));
                let mut names = std::iter::once(slug.clone()).chain(numbered);
                anchors.extend(names.find(|name| !anchors.contains(name)));
            }
        }
        anchors
    }
}

fn slug(title: &str) -> String {
    let mut slug = String::new();
    let mut rest = title;
    // Of a link only its text counts.
    while let Some((before, link)) = rest.split_once("](") {
        slug += before;
        rest = link.split_once(')').map_or("", |(_, after)| after);
    }
    slug += rest;
    slug.to_lowercase()
        .chars()
        .filter(|it| it.is_alphanumeric() || [' ', '-', '_'].contains(it))
        .map(|it| if it == ' ' { '-' } else { it })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# One `two`: three's, [four](five.md)
Inline `a b` and ``c`d``, and `e
f` here.

| `x \\| y` | open ` |
# One `two`: three's, [four](five.md)
```sh
run --it
```
<a id=\"own\"></a> after
";

    #[test]
    fn page_then_code_with_its_lines() {
        let page = Page::new("docs/x.md", TEXT);
        let inline: Vec<_> = page
            .inline()
            .into_iter()
            .map(|it| (it.line, it.text))
            .collect();
        let expected = [
            (1, "two"),
            (2, "a b"),
            (2, "c`d"),
            (2, "e f"),
            (5, "x | y"),
            (6, "two"),
        ];
        assert_eq!(inline, expected.map(|(line, text)| (line, text.to_owned())));
        let blocks = page.blocks();
        assert_eq!(blocks.len(), 1);
        assert_eq!(blocks[0].language, "sh");
        let text = "run --it".to_owned();
        assert_eq!(blocks[0].lines, [Code { line: 8, text }]);
    }

    #[test]
    fn headings_then_anchors_of_github() {
        let page = Page::new("docs/x.md", TEXT);
        let own = "one-two-threes-four";
        assert_eq!(page.anchors(), [own, &format!("{own}-1"), "own"]);
    }
}
