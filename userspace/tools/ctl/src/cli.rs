//! The command line: every command, its help and its run.
//!
//! The requests and the output of a command are in `command`, the message of its failure in `report`.

use clap::{Parser, Subcommand};

use crate::args::Options;
use crate::command::daemon::{config, doctor, health, poller, port, shutdown, upgrade};
use crate::command::{
    analyze, certificate, completions, debug, events, export, group, pipe, record, session, top,
    wall,
};
use crate::failure::Failure;
use onair_control::Client;

/// Inspect and control onaird sessions
///
/// The daemon destroys a session only when the counters, the eBPF probe and the pollers agree that
/// it has no user. The session's certificate is the proof.
#[derive(Debug, Parser)]
#[command(
    name = "onairctl",
    version,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "\
Examples:
  onairctl doctor
  onairctl health
  onairctl session list
  onairctl top
  onairctl session destroy cam1 --stop --wait 5s
  onairctl session evict cam1 --pid 4711
  onairctl analyze capture.pcap
  onairctl group create studio1 --sdp picture.sdp sound.sdp
  onairctl record start cam1 --format pcapng --duration 10s
  onairctl export /var/lib/onair/recordings/take-1.json --format raw
  onairctl pipe cam1 | ffplay -f nut -
  onairctl --host ops@studio1 session list
  onairctl --json session certificate cam1
  onairctl help topics

Exit codes:
  0  done
  1  refused or failed (also: health, if the daemon is not ready)
  2  wrong usage, or an unreadable file
  3  the daemon cannot be reached or does not answer
  4  the session is in use (also: verdict, upgrade and --dry-run, if the operation would be refused)
  5  no such session, group, attachment or recording, or it is gone
  6  a certificate is invalid
  7  a recording has ended, and packets are missing in it; or in what was exported"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) options: Options,

    #[command(subcommand)]
    pub(crate) noun: Noun,
}

/// Nouns of the command line.
#[derive(Debug, Subcommand)]
pub(crate) enum Noun {
    /// Create, inspect, stop, start and destroy sessions
    #[command(subcommand, visible_alias = "s")]
    Session(session::SessionVerb),
    /// Create, inspect, stop, start and destroy the sessions of a programme together
    #[command(subcommand)]
    Group(group::GroupVerb),
    /// Record a session's packets to disk
    #[command(subcommand, visible_alias = "rec")]
    Record(record::RecordVerb),
    /// List, show and verify certificates of destroyed sessions
    #[command(subcommand, visible_alias = "cert")]
    Certificate(certificate::CertificateVerb),
    /// Follow events as they happen
    Events(events::Events),
    /// Show the active configuration or reload the file
    #[command(subcommand)]
    Config(config::ConfigVerb),
    /// Watch sessions, pollers and ports live
    Top(top::Top),
    /// Show the sessions in a browser: pictures, meters, lamps
    Wall(wall::Wall),
    /// List the ports, and what arrives at them
    #[command(subcommand)]
    Port(port::PortVerb),
    /// List the pollers, and which of them works
    #[command(subcommand)]
    Poller(poller::PollerVerb),
    /// Show the daemon's health and readiness
    Health(health::Show),
    /// Check whether this machine can run the daemon, and what to change
    Doctor(doctor::Doctor),
    /// Measure the RTP streams of a capture file: loss, and timing by ST 2110-21
    Analyze(analyze::Analyze),
    /// Write the frames of recorded or captured packets to a file
    Export(export::Export),
    /// Give a session's frames to another program such as ffmpeg, or send frames of one
    Pipe(pipe::Pipe),
    /// Get what the daemon decided, and by what
    #[command(subcommand)]
    Debug(debug::DebugVerb),
    /// Restart the service with the installed program
    Upgrade(upgrade::Upgrade),
    /// Shut the daemon down in order
    Shutdown(shutdown::Shutdown),
    /// Print a completion script for a shell
    Completions(completions::Completions),
}

impl Cli {
    /// Runs the command. Returns the exit code.
    pub(crate) async fn run(&self, client: &Client) -> Result<u8, Failure> {
        let options = &self.options;
        match &self.noun {
            Noun::Session(verb) => session::run(options, client, verb).await,
            Noun::Group(verb) => group::run(options, client, verb).await,
            Noun::Record(verb) => record::run(options, client, verb).await,
            Noun::Certificate(verb) => certificate::run(options, client, verb).await,
            Noun::Events(events) => events.run(options, client).await,
            Noun::Config(verb) => config::run(options, client, verb).await,
            Noun::Health(health) => health.run(options, client).await,
            Noun::Top(top) => top.run(options, client).await,
            Noun::Wall(wall) => wall.run(options, client).await,
            Noun::Port(verb) => port::run(options, client, verb).await,
            Noun::Poller(verb) => poller::run(options, client, verb).await,
            Noun::Doctor(doctor) => doctor.run(options),
            Noun::Analyze(analyze) => analyze.run(options),
            Noun::Export(export) => export.run(options),
            Noun::Pipe(pipe) => pipe.run(options),
            Noun::Debug(verb) => debug::run(options, client, verb).await,
            Noun::Upgrade(upgrade) => upgrade.run(options, client).await,
            Noun::Shutdown(shutdown) => shutdown.run(options, client).await,
            Noun::Completions(shell) => completions::run(shell),
        }
    }

    /// The command, if it takes memory, files or programs of its own machine.
    pub(crate) const fn of_its_machine(&self) -> Option<&'static str> {
        match &self.noun {
            Noun::Doctor(_) => Some("doctor"),
            Noun::Analyze(_) => Some("analyze"),
            Noun::Export(_) => Some("export"),
            Noun::Pipe(_) => Some("pipe"),
            Noun::Upgrade(_) => Some("upgrade"),
            _ => None,
        }
    }

    /// Whether the session that the command names is a destroyed one.
    pub(crate) fn is_about_certificates(&self) -> bool {
        matches!(
            &self.noun,
            Noun::Certificate(_) | Noun::Session(session::SessionVerb::Certificate { .. })
        )
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use super::*;
    use crate::topics::{LIST, TOPICS};
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    #[test]
    fn cli_definition_then_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn pages_then_no_command_line_that_onairctl_does_not_take() {
        let pages = onair_pages::read(&onair_pages::root()).unwrap();
        let mut command = Cli::command();
        command.build();
        let topics = TOPICS.iter().map(|(topic, _)| *topic).chain([LIST]);
        let command = command.mut_subcommand("help", |help| {
            help.subcommands(topics.map(clap::Command::new))
        });
        let found = onair_pages::command::faults(&pages, "onairctl", command);
        let said: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert!(found.is_empty(), "\n{}", said.join("\n"));
    }

    #[test]
    fn cli_every_command_then_help_has_an_example() {
        fn walk(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            let help = command.get_after_help().map(ToString::to_string);
            if !command.has_subcommands() {
                let help = help.unwrap_or_default();
                assert!(help.contains("Example"), "{path} has no example: {help}");
            }
            command
                .get_subcommands()
                .filter(|c| c.get_name() != "help")
                .for_each(|c| walk(c, &path));
        }
        walk(&Cli::command(), "");
    }

    #[test]
    fn cli_globals_after_the_verb_then_taken() {
        let cli = Cli::try_parse_from(["onairctl", "session", "list", "--json", "--socket", "/x"])
            .unwrap();
        assert!(cli.options.json);
        assert_eq!(cli.options.socket, PathBuf::from("/x"));
        assert_eq!(cli.options.timeout, Duration::from_secs(10));
    }

    #[test]
    fn cli_negative_duration_or_number_anywhere_then_said() {
        let create = "session create a --direction send --port a --size 16x2 --rate 60 \
             --destination 10.0.0.1:1";
        for (args, said) in [
            ("session destroy x --wait -5s", "cannot be negative"),
            ("session destroy x --wait -5", "cannot be negative"),
            ("session destroy x --wait --dry-run", "no duration"),
            ("session flush x --wait -5s", "cannot be negative"),
            ("session blockers x --watch=-5s", "cannot be negative"),
            ("--timeout -5s health", "cannot be negative"),
            ("certificate list --since -5s", "cannot be negative"),
            (
                "record start x -f pcapng --duration -5s",
                "cannot be negative",
            ),
            (
                "record start x -f pcapng --split-duration -5s",
                "cannot be negative",
            ),
            ("record start x -f pcapng --size -5", "write it as 65536"),
            (
                "record start x -f pcapng --split-size -5MB",
                "write it as 65536",
            ),
            ("record start x -f pcapng --snap-length -5", "-5 is not in"),
            (&format!("{create} --duration -5s"), "cannot be negative"),
            (
                &format!("{create} --frame-timeout -5s"),
                "cannot be negative",
            ),
            (&format!("{create} --priority -5"), "-5 is not in"),
            (&format!("{create} --ttl -5"), "-5 is not in"),
            (&format!("{create} --tr-offset -5"), "-5 is not in"),
        ] {
            let all = ["onairctl"].into_iter().chain(args.split_whitespace());
            let error = Cli::try_parse_from(all).unwrap_err();
            let text = error.to_string();
            assert!(text.contains(said), "{args}: {text}");
        }
    }

    #[test]
    fn cli_wrong_usage_then_error() {
        let cases: &[&[&str]] = &[
            &["session", "stop"],
            &["session", "stop", "UPPER"],
            &["session", "destroy", "x", "--wait", "5"],
            &["session", "destroy", "x", "--wait", "2days"],
            &["session", "destroy", "x", "--wait", "2s", "--dry-run"],
            &["session", "destroy", "x", "--stop", "--dry-run"],
            &["session", "evict", "x"],
            &["session", "evict", "x", "--all", "--pid", "1"],
            &["session", "evict", "x", "--attachment", "one"],
            &["session", "abort"],
            &["record", "start", "cam1"],
            &["record", "start", "cam1", "--format", "wav"],
            &[
                "record", "start", "cam1", "--format", "pcapng", "--name", "../x",
            ],
            &[
                "record",
                "start",
                "cam1",
                "--format",
                "pcapng",
                "--duration",
                "5",
            ],
            &[
                "record", "start", "cam1", "--format", "pcapng", "--size", "5 apples",
            ],
            &["record", "stop"],
            &["record", "show", "UPPER"],
            &["record", "list", "--session", "UPPER"],
            &["certificate", "verify"],
            &["certificate", "verify", "UPPER"],
            &["certificate", "list", "--operation", "force"],
            &["certificate", "list", "--since", "yesterday"],
            &["health", "--live", "--ready"],
            &["session", "create", "x"],
            &["session", "create", "--file", "f", "x"],
            &["--timeout", "soon", "health"],
            &["nonsense"],
        ];
        for case in cases {
            let args = ["onairctl"].iter().chain(*case);
            let error = Cli::try_parse_from(args).unwrap_err();
            assert_ne!(error.kind(), ErrorKind::DisplayHelp, "{case:?}");
            assert_eq!(error.exit_code(), 2, "{case:?}");
        }
    }
}
