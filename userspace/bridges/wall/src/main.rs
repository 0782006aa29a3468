//! `onair-wall`: the program.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use onair_wall::run;
use onair_wall::settings::Settings;
use tokio::runtime::Builder;

/// Show the sessions of onaird in a browser: pictures, meters, lamps, and what is wrong
///
/// Needs the right to use onaird's sockets, and no other privilege.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "\
Examples:
  onair-wall                                    for browsers on this machine: http://127.0.0.1:8180/
  onair-wall --users /etc/onair/wall.users      whose users may stop and start sessions
  onair-wall --listen 10.0.0.5:8180 --name wall.example.org \\
    --tls-certificate /etc/onair/wall.crt --tls-key /etc/onair/wall.key

Environment:
  ONAIR_LOG  filter of the log, such as debug or onair_wall=debug

Exit codes:
  0  ended by SIGTERM or SIGINT
  1  a file cannot be used, or the address is in use
  2  wrong usage"
)]
struct Options {
    #[command(flatten)]
    settings: Settings,
}

fn main() -> ExitCode {
    let Options { settings } = Options::parse();
    onair_bridge::exit("onair-wall", || {
        let work = |ending| run(settings, ending, onair_bridge::ready);
        onair_bridge::run(&mut Builder::new_current_thread(), work)?
    })
}
