//! `onair-nmos`: the program.
#![forbid(unsafe_code)]

use std::io::{self, IsTerminal as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use onair_http::tls::Certificates;
use onair_nmos::settings::{Settings, SettingsError};
use onair_nmos::{RunError, run};
use sd_notify::NotifyState;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;
use tokio::io::AsyncReadExt as _;
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

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
    let filter = EnvFilter::try_from_env("ONAIR_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .init();
    match start(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("onair-nmos: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start(options: &Options) -> Result<(), Failure> {
    let path = options.config.as_deref().unwrap_or(Path::new(DEFAULT));
    let settings = Settings::read(path, options.config.is_none())?;
    if options.check {
        return Ok(print(&settings)?);
    }
    let runtime = tokio::runtime::Builder::new_current_thread();
    // It looks for what came after a few turns of work.
    let runtime = { runtime }.enable_all().event_interval(8).build();
    let runtime = runtime.map_err(Failure::Runtime)?;
    runtime.block_on(async {
        let ending = signals().map_err(Failure::Runtime)?;
        let ready = || {
            if let Err(error) = sd_notify::notify(&[NotifyState::Ready]) {
                tracing::warn!(%error, "cannot notify the service manager");
            }
        };
        Ok(run(settings, ending, ready).await?)
    })
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error("cannot start: {0}")]
    Runtime(io::Error),
}

/// True after SIGTERM or SIGINT.
fn signals() -> io::Result<watch::Receiver<bool>> {
    let (reader, writer) = UnixStream::pair()?;
    pipe::register(SIGTERM, writer.try_clone()?)?;
    pipe::register(SIGINT, writer)?;
    reader.set_nonblocking(true)?;
    let mut reader = tokio::net::UnixStream::from_std(reader)?;
    let (ending, reader_of) = watch::channel(false);
    tokio::spawn(async move {
        if reader.read_u8().await.is_ok() {
            tracing::info!("ends");
        }
        ending.send_replace(true);
    });
    Ok(reader_of)
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
