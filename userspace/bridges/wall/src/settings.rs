//! The arguments.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use onair_http::tls::KeyFiles;

/// Where the daemon is, and who may look.
#[derive(Clone, Debug, Args)]
pub struct Settings {
    /// Serve the page at this address and port
    ///
    /// Each browser that reaches it sees every picture.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8180")]
    pub listen: SocketAddr,
    /// Also answer to this host name; addresses and localhost are always answered
    #[arg(long = "name", value_name = "HOST")]
    pub names: Vec<String>,
    /// Let the users of this file log in
    ///
    /// A line a user: NAME ROLE TOKEN. The role is `operate` (stop, start, retarget, record) or `admin` (also evict and
    /// destroy). A token has at least 20 characters. Only the file's owner may read it (mode 0600). Without a file the
    /// wall shows, and changes nothing.
    #[arg(long, value_name = "FILE")]
    pub users: Option<PathBuf>,
    /// Serve HTTPS with this certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_certificate: Option<PathBuf>,
    /// The certificate's private key (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    pub tls_key: Option<PathBuf>,
    /// Follow the daemon at this control socket
    #[arg(
        long,
        value_name = "PATH",
        env = "ONAIR_SOCKET",
        default_value = "/run/onair/control.sock"
    )]
    pub control: PathBuf,
    /// The daemon is on another machine: show no pictures, play no recordings
    #[arg(long)]
    pub remote: bool,
    /// Attach to sessions at this socket
    #[arg(long, value_name = "PATH", env = onair::SOCKET_VARIABLE, default_value = onair::DEFAULT_SOCKET)]
    pub attach: PathBuf,
}

impl Settings {
    /// The certificate and its key, if it serves HTTPS.
    #[must_use]
    pub fn tls(&self) -> Option<KeyFiles> {
        Some(KeyFiles {
            certificate: self.tls_certificate.clone()?,
            key: self.tls_key.clone()?,
        })
    }
}
