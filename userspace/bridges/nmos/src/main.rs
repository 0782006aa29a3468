//! `onair-nmos`: the program.
#![forbid(unsafe_code)]

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use onair_http::tls::Certificates;
use onair_nmos::settings::Settings;
use onair_nmos::{RunError, run};
use tokio::runtime::Builder;

/// Where the settings are.
const DEFAULT: &str = "/etc/onair/nmos.toml";

/// Show the sessions of onaird to NMOS controllers (IS-04 v1.3, IS-05 v1.1 and v1.2)
///
/// Needs the right to use onaird's control socket, and no other privilege.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "\
Examples:
  onair-nmos                          run with /etc/onair/nmos.toml, or without a file by the defaults
  onair-nmos --check                  print the settings that would be used, and exit
  onair-nmos --config ./nmos.toml     run with another file

A file:
  [nmos]
  listen = \"0.0.0.0:3212\"             address and port of the APIs
  host = \"10.0.0.5\"                   host of the URLs, if it is another one
  registries = [\"http://10.0.0.1:8235\"]
  domain = \"plant.example.org\"        or look for registries there
  mdns = true                         or on this link
  mxl = \"/run/onair-mxl/control.sock\"   show the flows of onair-mxl, too

  [[nmos.tls]]                        HTTPS instead of HTTP
  certificate = \"/etc/onair/nmos.crt\"
  key = \"/etc/onair/nmos.key\"

Environment:
  ONAIR_LOG  filter of the log, such as debug or onair_nmos=debug

Exit codes:
  0  ended by SIGTERM or SIGINT
  1  invalid settings, or the address is in use
  2  wrong usage"
)]
struct Options {
    /// Read the settings from this file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the settings that would be used, and exit
    #[arg(long)]
    check: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    onair_bridge::exit("onair-nmos", || start(&options))
}

fn start(options: &Options) -> Result<(), Failure> {
    let path = options.config.as_deref().unwrap_or(Path::new(DEFAULT));
    let settings = Settings::read(path, options.config.is_none()).map_err(RunError::from)?;
    if options.check {
        return Ok(print(&settings)?);
    }
    // It looks for what came after a few turns of work.
    let mut runtime = Builder::new_current_thread();
    let done = onair_bridge::run(runtime.event_interval(8), |ending| {
        run(settings, ending, onair_bridge::ready)
    });
    Ok(done.map_err(Failure::Start)??)
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Run(#[from] RunError),
    #[error("cannot start: {0}")]
    Start(io::Error),
}

fn print(settings: &Settings) -> Result<(), RunError> {
    Certificates::read(&settings.tls)?;
    let (ids, host) = (settings.ids()?, settings.of_host(settings.listen.port())?);
    let registries: Vec<_> = settings
        .registries
        .iter()
        .map(ToString::to_string)
        .collect();
    let found = match (&settings.domain, settings.mdns) {
        _ if !registries.is_empty() => registries.join(", "),
        (Some(domain), true) => format!("unicast DNS of {domain}, then mDNS"),
        (Some(domain), false) => format!("unicast DNS of {domain}"),
        (None, true) => "mDNS".to_owned(),
        (None, false) => "none".to_owned(),
    };
    println!("node        {}", ids.node());
    println!("label       {}", host.label);
    println!("URL         {}/", host.base());
    println!("listen      {}", settings.listen);
    for files in &settings.tls {
        println!("certificate {}", files.certificate.display());
    }
    println!("control     {}", settings.control.display());
    if let Some(mxl) = &settings.mxl {
        println!("mxl         {}", mxl.display());
    }
    println!("registries  {found}");
    Ok(())
}
