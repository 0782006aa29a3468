//! A page of Markdown: its text, links, anchors, inline code, and blocks of code, with line numbers.

use std::collections::HashSet;
use std::path::Path;
use std::{fs, io};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// A page.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Its path from the root.
    pub path: String,
    text: String,
    /// Inline code; it may begin on one line of a paragraph and end on the next.
    pub(crate) inline: Vec<Code>,
    /// Blocks of code, in their order.
    pub blocks: Vec<Block>,
    /// Targets of links and images, with their lines.
    pub(crate) links: Vec<(usize, String)>,
    /// The anchors of its headings, as GitHub makes them, and those that it sets itself.
    pub(crate) anchors: Vec<String>,
}

/// Code of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// The line, from 1.
    pub line: usize,
    /// The code, without what marks it.
    pub text: String,
}

/// A block of code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The anchor of the heading that it is under; empty before the first one.
    pub section: String,
    /// What stands behind the fence, such as `sh`.
    pub language: String,
    /// Its lines.
    pub lines: Vec<Code>,
}

/// Pages outside `docs`.
const AT_THE_TOP: [&str; 3] = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"];

/// Every page below `root`: those at the top, those in `docs`, and those of the floors.
///
/// # Errors
/// A file cannot be read.
pub fn read(root: &Path) -> io::Result<Vec<Page>> {
    let mut paths = AT_THE_TOP.map(str::to_owned).to_vec();
    for floor in fs::read_dir(root.join("userspace"))? {
        let floor = floor?.file_name();
        paths.push(format!("userspace/{}/README.md", floor.to_string_lossy()));
    }
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
        let mut page = Self {
            path: path.to_owned(),
            text: text.to_owned(),
            ..Self::default()
        };
        let line_of = |at: usize| 1 + text[..at].matches('\n').count();
        // The heading or the block that has begun.
        let (mut heading, mut is_block) = (None::<String>, false);
        for (event, range) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
            let line = line_of(range.start);
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => {
                    page.add_heading(&heading.take().unwrap_or_default())
                }
                Event::Start(Tag::CodeBlock(kind)) => {
                    is_block = true;
                    let language = match kind {
                        CodeBlockKind::Fenced(language) => language.into_string(),
                        CodeBlockKind::Indented => String::new(),
                    };
                    page.blocks.push(Block {
                        section: page.anchors.last().cloned().unwrap_or_default(),
                        language,
                        lines: Vec::new(),
                    });
                }
                Event::End(TagEnd::CodeBlock) => is_block = false,
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    page.links.push((line, dest_url.into_string()));
                }
                Event::Code(text) => {
                    heading.iter_mut().for_each(|it| it.push_str(&text));
                    let text = text.into_string();
                    page.inline.push(Code { line, text });
                }
                Event::Text(text) => {
                    heading.iter_mut().for_each(|it| it.push_str(&text));
                    if let Some(block) = page.blocks.last_mut().filter(|_| is_block) {
                        block
                            .lines
                            .extend((line..).zip(text.lines()).map(|(line, text)| Code {
                                line,
                                text: text.to_owned(),
                            }));
                    }
                }
                Event::Html(html) | Event::InlineHtml(html) => page.add_html(line, &html),
                _ => {}
            }
        }
        page
    }

    /// A heading's anchor; of several that are equal each further one has a number.
    fn add_heading(&mut self, title: &str) {
        let slug: String = title
            .to_lowercase()
            .chars()
            .filter(|it| it.is_alphanumeric() || [' ', '-', '_'].contains(it))
            .map(|it| if it == ' ' { '-' } else { it })
            .collect();
        let numbered = (1..).map(|number| format!("{slug}-{number}"));
        let mut names = std::iter::once(slug.clone()).chain(numbered);
        let name = names.find(|name| !self.anchors.contains(name));
        self.anchors.extend(name);
    }

    fn add_html(&mut self, line: usize, html: &str) {
        let values = |key: &str| {
            let parts = html.split(key).skip(1);
            let values = parts.filter_map(|part| part.split('"').next());
            values.map(str::to_owned).collect::<Vec<_>>()
        };
        for key in ["id=\"", "name=\""] {
            self.anchors.extend(values(key));
        }
        for key in ["src=\"", "href=\""] {
            self.links
                .extend(values(key).into_iter().map(|it| (line, it)));
        }
    }

    pub(crate) fn words(&self) -> usize {
        self.text.split_whitespace().count()
    }

    pub(crate) fn is_decision(&self) -> bool {
        self.path.starts_with("docs/adr/")
    }

    /// Whether it is about a floor of `userspace`.
    pub(crate) fn is_floor(&self) -> bool {
        self.path.starts_with("userspace/")
    }

    /// Whether it says what was so at a time, and may name what is gone.
    pub(crate) fn is_record(&self) -> bool {
        self.is_decision() || self.path == "CHANGELOG.md"
    }

    /// Lines outside blocks of code, with their numbers.
    pub(crate) fn prose(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.blocks.iter().flat_map(|block| &block.lines);
        let code: HashSet<usize> = lines.map(|it| it.line).collect();
        let lines = (1..).zip(self.text.lines());
        lines.filter(move |(number, _)| !code.contains(number))
    }

    /// All code: inline, and each line of the blocks.
    pub(crate) fn code(&self) -> impl Iterator<Item = &Code> {
        let lines = self.blocks.iter().flat_map(|block| &block.lines);
        lines.chain(&self.inline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# One `two`: three's, [four](five.md)
Inline `a b` and ``c`d``, and `e
f` here.

| `x \\| y` | open ` |
|---|---|
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
            .inline
            .iter()
            .map(|it| (it.line, it.text.clone()))
            .collect();
        let expected = [
            (1, "two"),
            (2, "a b"),
            (2, "c`d"),
            (2, "e f"),
            (5, "x | y"),
            (7, "two"),
        ];
        assert_eq!(inline, expected.map(|(line, text)| (line, text.to_owned())));
        let blocks = &page.blocks;
        assert_eq!(blocks.len(), 1);
        assert_eq!(blocks[0].language, "sh");
        let text = "run --it".to_owned();
        assert_eq!(blocks[0].lines, [Code { line: 9, text }]);
    }

    #[test]
    fn headings_then_anchors_of_github() {
        let page = Page::new("docs/x.md", TEXT);
        let own = "one-two-threes-four";
        assert_eq!(page.anchors, [own, &format!("{own}-1"), "own"]);
    }
}
