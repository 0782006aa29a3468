//! Command lines that pages name, against the arguments that the program takes.

use std::collections::VecDeque;

use clap::{Arg, Command};

use crate::page::Code;
use crate::{Block, Fault, Page};

const PROMPT: &str = "$ ";
/// What may stand before a program.
const BEFORE: [&str; 6] = ["$", "sudo", "exec", "time", "nice", "env"];
/// Where the next command begins, or this one has ended.
const ENDS: [&str; 9] = ["|", "||", "&&", "&", ";", ">", ">>", "<", "2>"];
/// Languages of blocks with commands.
const SHELLS: [&str; 3] = ["sh", "bash", "console"];
/// Those of blocks that may show one.
const SHOWN: [&str; 2] = ["", "text"];
const REMEDY: &str = "write a command line that `--help` has";

/// A command of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its line in the page.
    pub line: usize,
    /// The command, that of several lines on one, without its prompt.
    pub text: String,
    /// The lines that it prints, by the page.
    pub output: Vec<String>,
}

/// The command lines of `pages` that `program` does not take. Its name may be of several words, as `cargo xtask`.
#[must_use]
pub fn faults(pages: &[Page], program: &str, mut command: Command) -> Vec<Fault> {
    command.build();
    let mut found = Vec::new();
    for page in pages.iter().filter(|page| !page.is_record()) {
        let may_have = |it: &&Block| it.has_commands() || SHOWN.contains(&&*it.language);
        let blocks = page.blocks.iter().filter(may_have);
        let steps = blocks.flat_map(steps);
        let steps = steps.map(|Step { line, text, .. }| Code { line, text });
        let lines = page.inline.iter().cloned().chain(steps);
        for code in lines {
            for words in command_lines(&code.text, program) {
                if let Err(what) = check(&command, program, words) {
                    found.push(Fault::new(&page.path, code.line, what, REMEDY));
                }
            }
        }
    }
    found
}

impl Block {
    /// Whether its language is that of a shell.
    #[must_use]
    pub fn has_commands(&self) -> bool {
        SHELLS.contains(&&*self.language)
    }
}

/// The commands of a block. If some lines begin with a prompt, the others are output.
#[must_use]
pub fn steps(block: &Block) -> Vec<Step> {
    let has_prompt = |it: &Code| it.text.trim_start().starts_with(PROMPT);
    let has_prompts = block.lines.iter().any(has_prompt);
    let mut steps = Vec::<Step>::new();
    let mut goes_on = false;
    for code in &block.lines {
        let text = code.text.trim();
        let command = text.strip_prefix(PROMPT);
        let begun = command.unwrap_or(text).trim_end_matches('\\');
        match steps.last_mut() {
            Some(last) if goes_on => last.text += begun,
            Some(last) if has_prompts && command.is_none() => {
                last.output.push(code.text.clone());
                continue;
            }
            None if has_prompts && command.is_none() => continue,
            _ => steps.push(Step {
                line: code.line,
                text: begun.to_owned(),
                output: Vec::new(),
            }),
        }
        goes_on = text.ends_with('\\');
    }
    steps
}

/// What stands behind `program` in each of the commands of `line`.
fn command_lines(line: &str, program: &str) -> Vec<VecDeque<String>> {
    let mut words = split(line);
    let comment = words.iter().position(|word| word == "#");
    words.truncate(comment.unwrap_or(words.len()));
    let commands = words.split(|word| ENDS.contains(&word.as_str()) || word == "--");
    let parts: Vec<_> = program.split(' ').collect();
    let own = commands.filter_map(|words| {
        let is_before = |it: &&String| {
            let (name, value) = it.split_once('=').unwrap_or((it, ""));
            let is_variable = !value.is_empty() && name.chars().all(|it| !it.is_lowercase());
            is_variable || BEFORE.contains(&it.as_str())
        };
        let words = &words[words.iter().take_while(is_before).count()..];
        let (name, after) = words.split_at_checked(parts.len())?;
        let mut pairs = name.iter().zip(&parts);
        let is_it = pairs.all(|(name, part)| name.rsplit('/').next() == Some(part));
        is_it.then(|| after.iter().cloned().collect())
    });
    own.collect()
}

/// The words of a shell's line; a quoted one loses its quotes.
fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut is_quoted = false;
    for it in line.chars() {
        match quote {
            Some(mark) if it == mark => quote = None,
            None if it == '"' || it == '\'' => {
                quote = Some(it);
                is_quoted = true;
            }
            None if it.is_whitespace() || it == ';' => {
                if !word.is_empty() || is_quoted {
                    words.push(std::mem::take(&mut word));
                }
                is_quoted = false;
                words.extend((it == ';').then(|| ";".to_owned()));
            }
            _ => word.push(it),
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

fn check(root: &Command, program: &str, mut words: VecDeque<String>) -> Result<(), String> {
    let mut command = root;
    let mut path = program.to_owned();
    while let Some(word) = words.pop_front() {
        // Something is left out: `[OPTIONS]`, `…`.
        if word.starts_with(['[', '…', '<', '(']) || word == "..." {
            continue;
        }
        let mut positionals = command.get_positionals();
        if positionals.any(Arg::is_trailing_var_arg_set) {
            // Another program's.
            return Ok(());
        }
        if word.starts_with('-') {
            let (flag, value) = match word.split_once('=') {
                Some((flag, value)) => (flag, Some(value)),
                None => (word.as_str(), None),
            };
            let flag = flag.trim_end_matches([',', '.', ':', ')', ']']);
            let known =
                flags(command, flag).ok_or_else(|| format!("`{path}` has no flag {flag}"))?;
            let takes_value = known.get_action().takes_values() && value.is_none();
            // `--watch` takes a duration after a blank, too.
            let is_value = |word: &String| word.starts_with(|it: char| it.is_ascii_digit());
            if takes_value
                && (!known.is_require_equals_set() || words.front().is_some_and(is_value))
            {
                words.pop_front();
            }
            continue;
        }
        if command.has_subcommands() {
            // `onairctl session VERB`
            if word
                .chars()
                .all(|it| it.is_uppercase() || "-_…".contains(it))
            {
                return Ok(());
            }
            match command.find_subcommand(&word) {
                Some(next) => {
                    command = next;
                    path = format!("{path} {word}");
                }
                None if command.is_allow_external_subcommands_set() => return Ok(()),
                None if command.get_positionals().next().is_some() => {}
                None => return Err(format!("`{path}` has no subcommand {word}")),
            }
        } else if command.get_positionals().next().is_none() && command.get_name() != "help" {
            return Err(format!("`{path}` takes no argument {word}"));
        }
    }
    Ok(())
}

/// The argument of `command` with this flag; several short ones in a word count as the first.
fn flags<'a>(command: &'a Command, flag: &str) -> Option<&'a Arg> {
    let (long, short) = match flag.strip_prefix("--") {
        Some(long) => (long, None),
        None => ("", flag.chars().nth(1)),
    };
    command.get_arguments().find(|it| {
        let aliases = it.get_all_aliases().unwrap_or_default();
        let has_long = it.get_long() == Some(long) || aliases.contains(&long);
        let has_short = short.is_some() && it.get_short() == short;
        has_long || has_short
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program() -> Command {
        let socket = Arg::new("socket").long("socket").global(true);
        let wait = Arg::new("wait").long("wait").short('w').num_args(1);
        let name = Arg::new("name");
        let stop = Command::new("stop").arg(wait).arg(name);
        let session = Command::new("session").subcommand(stop);
        let session = session.subcommand(Command::new("list"));
        Command::new("onairctl").arg(socket).subcommand(session)
    }

    fn said(text: &str) -> Vec<String> {
        let pages = [Page::new("docs/a.md", text)];
        let found = faults(&pages, "onairctl", program());
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn lines_that_the_program_takes_then_no_fault() {
        let text = "`onairctl session stop cam1 --wait 5s` `onairctl` `onairctl session VERB` `onairctl.rs x`\n\
            ```sh\nsudo ONAIR_SOCKET=/x ./target/onairctl --socket /x session list | head # onairctl no\n\
            onairctl session stop \\\n  cam1 -w 5s; onairctl session list --socket=/x\n```\n\
            ```console\n$ onairctl session list\nonairctl nonsense\n```\n\
            ```toml\nonairctl nonsense\n```\n";
        assert_eq!(said(text), Vec::<String>::new());
    }

    #[test]
    fn block_with_prompts_then_the_other_lines_are_output() {
        let text = "# A b\n```console\n$ cat x\n  y\n$ onairctl \\\n  list\n```\n";
        let page = Page::new("docs/a.md", text);
        assert_eq!(page.blocks[0].section, "a-b");
        let steps = steps(&page.blocks[0]);
        let steps: Vec<_> = steps.iter().map(|it| (it.line, &*it.text)).collect();
        assert_eq!(steps, [(3, "cat x"), (5, "onairctl list")]);
        assert_eq!(super::steps(&page.blocks[0])[0].output, ["  y"]);
    }

    #[test]
    fn lines_that_it_does_not_take_then_named() {
        let text = "`onairctl session halt cam1` `onairctl session stop --force`\n\
            ```sh\nsudo onairctl session list a\nonairctl session list && onairctl \\\n  stop\n\
            kubectl exec x -- onairctl gone\n```\n";
        let end = format!(": {REMEDY}");
        let said = said(text);
        let said: Vec<_> = said.iter().map(|it| it.trim_end_matches(&end)).collect();
        assert_eq!(
            said,
            [
                "docs/a.md:1: `onairctl session` has no subcommand halt",
                "docs/a.md:1: `onairctl session stop` has no flag --force",
                "docs/a.md:3: `onairctl session list` takes no argument a",
                "docs/a.md:4: `onairctl` has no subcommand stop",
                "docs/a.md:6: `onairctl` has no subcommand gone",
            ]
        );
    }
}
