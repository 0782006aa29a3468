//! `onair-mxl`: the program.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use onair_mxl::settings::{InwardSettings, OutwardSettings, Settings};
use onair_mxl::{RunError, run};
use uuid::Uuid;

/// Where the settings are.
const DEFAULT: &str = "/etc/onair/mxl.toml";

/// Carry sessions of onaird into an MXL domain, and flows of the domain into sessions
///
/// Needs the MXL library (libmxl.so.1), the right to attach to the sessions, and a folder on a tmpfs that it may write.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "\
Examples:
  onair-mxl                                 run with /etc/onair/mxl.toml
  onair-mxl --check                         print what would be carried, and exit
  onair-mxl --domain /dev/shm/mxl --in cam1 --in mic1
                                            write two receive sessions as flows
  onair-mxl --out 5fbec3b1-1b0f-417d-9059-8b94a47197ed=playout
                                            fill a send or local session with a flow

A file:
  [mxl]
  domain = \"/dev/shm/mxl\"

  [[mxl.in]]
  session = \"cam1\"                          its flow's id is made of the machine's and this name
  group = \"studio1\"

  [[mxl.out]]
  flow = \"5fbec3b1-1b0f-417d-9059-8b94a47197ed\"
  session = \"playout\"

Environment:
  ONAIR_LIBMXL   as --library
  ONAIR_ATTACH   as --attach
  ONAIR_LOG      filter of the log, such as debug or onair_mxl=debug
  MXL_LOG_LEVEL  log of libmxl, such as debug

Exit codes:
  0  ended by SIGTERM or SIGINT
  1  invalid settings, or no libmxl
  2  wrong usage"
)]
struct Options {
    /// Read the settings from this file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print what would be carried, and exit
    #[arg(long)]
    check: bool,
    /// Use the domain in this folder
    #[arg(long, value_name = "DIR")]
    domain: Option<PathBuf>,
    /// Load this libmxl
    #[arg(long, value_name = "FILE", env = "ONAIR_LIBMXL")]
    library: Option<PathBuf>,
    /// Attach at this socket of the daemon
    #[arg(long, value_name = "FILE", env = onair::SOCKET_VARIABLE)]
    attach: Option<PathBuf>,
    /// Let onair-nmos see and switch what is carried, at this socket
    #[arg(long, value_name = "FILE")]
    control: Option<PathBuf>,
    /// Write this receive session as a flow, also with an id of its own
    #[arg(long = "in", value_name = "SESSION[=FLOW]", value_parser = inward)]
    inward: Vec<InwardSettings>,
    /// Fill this send or local session with a flow
    #[arg(long = "out", value_name = "FLOW=SESSION", value_parser = outward)]
    outward: Vec<OutwardSettings>,
    /// Write flows also while CLOCK_TAI shows UTC
    #[arg(long)]
    allow_utc: bool,
}

fn id(text: &str) -> Result<Uuid, String> {
    text.parse()
        .map_err(|error| format!("{text:?} is no id of a flow: {error}"))
}

fn inward(text: &str) -> Result<InwardSettings, String> {
    let (session, flow) = match text.split_once('=') {
        Some((session, flow)) => (session, Some(id(flow)?)),
        None => (text, None),
    };
    Ok(InwardSettings {
        session: session.to_owned(),
        flow,
        label: None,
        group: None,
    })
}

fn outward(text: &str) -> Result<OutwardSettings, String> {
    let (flow, session) = text.split_once('=').ok_or("write FLOW=SESSION")?;
    Ok(OutwardSettings {
        flow: Some(id(flow)?),
        session: session.to_owned(),
    })
}

impl Options {
    /// The file's, and what the command line says instead or besides. What is to be carried may be in the command line alone.
    fn settings(self) -> Result<Settings, RunError> {
        let is_complete = !self.inward.is_empty() || !self.outward.is_empty();
        let mut settings = match &self.config {
            Some(path) => Settings::read(path)?,
            None if is_complete => Settings::default(),
            None => Settings::read(Path::new(DEFAULT))?,
        };
        let domain = self.domain.unwrap_or(settings.domain);
        // The log names flows by it. An empty path stays as it is: no folder has it.
        settings.domain = std::path::absolute(&domain).unwrap_or(domain);
        settings.library = self.library.unwrap_or(settings.library);
        settings.attach = self.attach.unwrap_or(settings.attach);
        settings.control = self.control.or(settings.control);
        settings.allow_utc |= self.allow_utc;
        settings.inward.extend(self.inward);
        settings.outward.extend(self.outward);
        Ok(settings)
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    let check = options.check;
    onair_bridge::exit("onair-mxl", || {
        let settings = options.settings()?;
        match check {
            true => print(&settings),
            false => run(&settings, onair_bridge::ready),
        }
    })
}

fn print(settings: &Settings) -> Result<(), RunError> {
    let (inward, outward) = settings.tasks()?;
    let library = onair_mxl::libmxl::Library::load(settings.library.as_os_str())?;
    println!("libmxl   {}", library.version());
    println!("domain   {}", settings.domain.display());
    println!("attach   {}", settings.attach.display());
    if let Some(control) = &settings.control {
        println!("control  {}", control.display());
    }
    for of in inward {
        println!("in       {} -> {}", of.session, of.flow);
    }
    for of in outward {
        let flow = of.flow.map_or_else(|| "?".to_owned(), |it| it.to_string());
        println!("out      {flow} -> {}", of.session);
    }
    Ok(())
}
