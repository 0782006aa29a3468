//! The parts of `docs/reference.md` about this program. `cargo xtask pages` writes them.

use std::fmt::Write as _;

use clap::{Command, CommandFactory as _};
use onair_pages::generated;

use crate::cli::Cli;

const PAGE: &str = "docs/reference.md";

/// Adds each flag of `command` that has a default, and those of its subcommands.
fn add_flags(command: &Command, path: &str, rows: &mut Vec<(String, String)>) {
    for argument in command.get_arguments() {
        let is_inherited = argument.is_global_set() && path != "onairctl";
        let takes_value = argument.get_action().takes_values();
        let defaults = argument.get_default_values();
        if let (Some(flag), [value, ..]) = (argument.get_long(), defaults)
            && takes_value
            && !is_inherited
        {
            let value = value.to_string_lossy().into_owned();
            rows.push((format!("{path} --{flag}"), value));
        }
    }
    for verb in command
        .get_subcommands()
        .filter(|it| it.get_name() != "help")
    {
        add_flags(verb, &format!("{path} {}", verb.get_name()), rows);
    }
}

#[test]
fn page_of_reference_then_its_defaults_are_those_of_the_flags() {
    let mut command = Cli::command();
    command.build();
    let mut rows = Vec::new();
    add_flags(&command, "onairctl", &mut rows);
    let width = rows.iter().map(|(flag, _)| flag.len()).max().unwrap();
    let mut text = "```text\n".to_owned();
    for (flag, value) in rows {
        let _ = writeln!(text, "{flag:width$}  {value}");
    }
    if let Err(stale) = generated::part(PAGE, "flags", &(text + "```\n")) {
        panic!("{stale}");
    }
}

#[test]
fn page_of_reference_then_its_statuses_are_those_of_help() {
    let help = Cli::command().get_after_help().unwrap().to_string();
    let (_, codes) = help.split_once("Exit codes:\n").unwrap();
    let lines: String = codes
        .lines()
        .map(|line| format!("{}\n", line.trim()))
        .collect();
    let text = format!("```text\n{lines}```\n");
    if let Err(stale) = generated::part(PAGE, "statuses of onairctl", &text) {
        panic!("{stale}");
    }
}
