//! Lines of a text, with their numbers: `sdp-types` keeps none of those that it accepts.

/// The text without lines that continue the one before (they begin with a blank), and where its
/// lines were.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    /// The text for `sdp-types`.
    pub(crate) text: String,
    /// For each line of `text`, its number in the original.
    numbers: Vec<usize>,
    /// Sections: the session's, then one for each medium.
    pub(crate) sections: Vec<Section>,
}

/// Numbers of the lines of a section that this crate reads.
#[derive(Debug, Default)]
pub(crate) struct Section {
    /// The `m=` line; 1 for the session's.
    pub(crate) start: usize,
    /// The first `c=` line.
    pub(crate) connection: Option<usize>,
    /// The `a=` lines, in order.
    pub(crate) attributes: Vec<usize>,
}

impl Lines {
    pub(crate) fn new(text: &str) -> Self {
        let mut lines = Self {
            sections: vec![Section {
                start: 1,
                ..Section::default()
            }],
            ..Self::default()
        };
        for (number, line) in (1..).zip(text.lines()) {
            let continues = line.starts_with([' ', '\t']) && !lines.numbers.is_empty();
            if continues {
                lines.text.push(' ');
                lines.text += line.trim();
                continue;
            }
            let line = line.trim_end();
            if line.is_empty() {
                continue;
            }
            if !lines.numbers.is_empty() {
                lines.text.push('\n');
            }
            lines.text += line;
            lines.numbers.push(number);
            lines.note(number, line);
        }
        lines.text.push('\n');
        lines
    }

    fn note(&mut self, number: usize, line: &str) {
        if line.starts_with("m=") {
            self.sections.push(Section {
                start: number,
                ..Section::default()
            });
        }
        let Some(section) = self.sections.last_mut() else {
            return;
        };
        if line.starts_with("a=") {
            section.attributes.push(number);
        } else if line.starts_with("c=") {
            section.connection.get_or_insert(number);
        }
    }

    /// The number in the original of a line of `text`, from 1.
    pub(crate) fn original(&self, line: usize) -> usize {
        let number = line.checked_sub(1).and_then(|at| self.numbers.get(at));
        number.copied().unwrap_or(line)
    }
}
