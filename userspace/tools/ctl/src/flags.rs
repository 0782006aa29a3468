//! Fields of the API as the flags that a user typed.

use std::env;

use onair_api::{Problem, SpecError};

use crate::args::essence;
use crate::cli::{Cli, Noun};
use crate::command::{record, session};

/// Fields of a session, without those of its format, each with its flag.
const SESSION: &[(&str, &str)] = &[
    ("direction", "--direction"),
    ("port", "--port"),
    ("flow.destination", "--destination"),
    ("flow.sources", "--source-address"),
    ("flow.source", "--source-address"),
    ("flow.ttl", "--ttl"),
    ("flow.dscp", "--dscp"),
    ("flow.payload_type", "--payload-type"),
    ("flow.media_clock_offset", "--media-clock-offset"),
    ("flow.second_leg", "--second-port"),
    ("flow.second_leg.port", "--second-port"),
    ("flow.second_leg.destination", "--second-destination"),
    ("flow.second_leg.source", "--second-source-address"),
    ("flow.second_leg.sources", "--second-source-address"),
    ("flow.second_leg.payload_type", "--second-payload-type"),
    ("flow.second_leg.class", "--class"),
    ("source", "--pattern"),
    ("convert.from", "--from"),
    ("convert.layout", "--layout"),
    ("quota", "--quota"),
    ("max_attachments", "--max-attachments"),
    ("priority", "--priority"),
    ("frame_timeout_ms", "--frame-timeout"),
    ("duration_ms", "--duration"),
    ("persistent", "--persistent"),
    ("overcommit", "--overcommit"),
];

/// Fields of a recording, each with its flag.
const RECORDING: &[(&str, &str)] = &[
    ("format", "--format"),
    ("name", "--name"),
    ("duration_ms", "--duration"),
    ("size_bytes", "--size"),
    ("snap_length", "--snap-length"),
    ("split_size_bytes", "--split-size"),
    ("split_duration_ms", "--split-duration"),
];

/// Fields of other requests, each with its flag.
const OTHER: &[(&str, &str)] = &[
    ("deadline_ms", "--wait"),
    ("at_tai_ns", "--at"),
    ("rejoin", "--rejoin"),
];

/// `problem` with flags for the fields that were given as flags. A field that comes from a file keeps
/// its name.
pub(crate) fn translated(cli: &Cli, problem: &Problem) -> Problem {
    let (table, has_file) = match &cli.noun {
        Noun::Session(session::SessionVerb::Create(create)) => {
            (of_session(), create.reads_a_file())
        }
        Noun::Session(session::SessionVerb::Retarget(_)) => (of_retarget(), true),
        Noun::Record(record::RecordVerb::Start(_)) => (RECORDING.to_vec(), false),
        _ => (OTHER.to_vec(), false),
    };
    let typed: Vec<_> = env::args_os()
        .filter_map(|it| it.into_string().ok())
        .collect();
    let is_typed = |flag: &str| {
        let with_value = format!("{flag}=");
        let is_it = |it: &String| it == flag || it.starts_with(&with_value);
        !has_file || typed.iter().any(is_it)
    };
    translate(problem, &table, is_typed)
}

fn of_session() -> Vec<(&'static str, &'static str)> {
    [essence::flags(), SESSION.to_vec()].concat()
}

fn of_retarget() -> Vec<(&'static str, &'static str)> {
    [of_session(), OTHER.to_vec()].concat()
}

fn translate(
    problem: &Problem,
    table: &[(&str, &str)],
    is_typed: impl Fn(&str) -> bool,
) -> Problem {
    let flag = |field: &str| {
        let (_, flag) = table.iter().find(|(name, _)| *name == field)?;
        is_typed(flag).then_some(*flag)
    };
    // Within a text only a name with a dot is surely a field.
    let in_text = |text: &str| {
        let dotted = table.iter().filter(|(field, _)| field.contains('.'));
        dotted.fold(text.to_owned(), |text, (field, name)| match flag(field) {
            Some(_) => text.replace(field, name),
            None => text,
        })
    };
    let mut translated = problem.clone();
    for error in &mut translated.errors {
        let field = flag(&error.field).map_or_else(|| error.field.clone(), str::to_owned);
        *error = SpecError::new(field, in_text(&error.problem));
    }
    if problem.detail == Problem::of_fields(problem.code, problem.errors.clone()).detail {
        translated.detail = Problem::of_fields(problem.code, translated.errors.clone()).detail;
    } else {
        translated.detail = in_text(&problem.detail);
    }
    translated
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;
    use onair_api::ProblemCode;

    /// The long flags of a command that have a value.
    fn flags(path: &[&str]) -> Vec<String> {
        let mut command = Cli::command();
        command.build();
        let command = path.iter().fold(&command, |command, verb| {
            command.find_subcommand(verb).unwrap()
        });
        let own = command.get_arguments().filter(|it| !it.is_global_set());
        let long = own.filter_map(|it| it.get_long());
        long.map(|it| format!("--{it}")).collect()
    }

    #[test]
    fn flags_of_create_retarget_and_record_then_in_the_table() {
        let not_of_the_body = [
            "--file",
            "--sdp",
            "--media",
            "--any-source",
            "--second-any-source",
            "--wait",
            "--help",
            "--like-what-arrives",
            "--local",
        ];
        for (path, table) in [
            (["session", "create"], of_session()),
            (["session", "retarget"], of_retarget()),
            (["record", "start"], RECORDING.to_vec()),
        ] {
            for flag in flags(&path) {
                let is_there = table.iter().any(|(_, known)| *known == flag);
                assert!(
                    is_there || not_of_the_body.contains(&&*flag),
                    "{path:?} {flag}"
                );
            }
        }
        let create = flags(&["session", "create"]);
        for (field, flag) in of_session() {
            assert!(create.contains(&flag.to_owned()), "{field}: {flag}");
        }
    }

    #[test]
    fn problem_of_fields_then_flags_where_they_were_typed() {
        let errors = vec![
            SpecError::new("flow.destination", "as flow.source says"),
            SpecError::new("name", "is bad"),
            SpecError::new("video.width", "is odd"),
        ];
        let problem = Problem::of_fields(ProblemCode::InvalidSpec, errors);
        let all = translate(&problem, &of_session(), |_| true);
        assert_eq!(all.detail, "3 invalid fields: --destination, name, --size");
        assert_eq!(
            all.errors[0].to_string(),
            "--destination: as --source-address says"
        );
        let sdp = translate(&problem, &of_session(), |flag| flag == "--destination");
        assert_eq!(
            sdp.detail,
            "3 invalid fields: --destination, name, video.width"
        );
        let other = Problem::new(
            ProblemCode::NameTaken,
            "flow.destination is taken by \"name\"",
        );
        let other = translate(&other, &of_session(), |_| true);
        assert_eq!(other.detail, "--destination is taken by \"name\"");
    }
}
