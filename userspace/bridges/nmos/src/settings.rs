//! The settings file: `[nmos]` of `/etc/onair/nmos.toml`. Every key may be absent, and the file, too.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};

use onair_bridge::{FileError, MACHINE_ID};
use serde::{Deserialize, Deserializer};

use crate::Ids;
use crate::endpoint::Endpoint;
use crate::resources::{Asset, Host};
use onair_http::tls::KeyFiles;

/// The file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    nmos: Settings,
}

/// The settings.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Address and TCP port where the APIs answer.
    pub listen: SocketAddr,
    /// Host of the URLs: an address or a name of DNS. Absent: the address of `listen`, or of the default route.
    pub host: Option<String>,
    /// The daemon's control socket.
    pub control: PathBuf,
    /// The control socket of `onair-mxl`. Absent: what it carries is not shown.
    pub mxl: Option<PathBuf>,
    /// Seed of all identities. Absent: `/etc/machine-id`.
    pub seed: Option<String>,
    /// Label of the node; the host's name when absent.
    pub label: Option<String>,
    /// Description of the node.
    pub description: String,
    /// Certificates with their keys. With any, the APIs answer over TLS only.
    pub tls: Vec<KeyFiles>,
    /// Seconds in which browsers use nothing but TLS with this host; 0: it is not said.
    pub hsts: u32,
    /// File with the authorities that sign the certificates of registries.
    pub ca: PathBuf,
    /// Asset information (BCP-002-02).
    pub asset: Asset,
    /// URLs of registries, the first first. If there are any, no others are looked for.
    #[serde(deserialize_with = "registries")]
    pub registries: Vec<Endpoint>,
    /// URL of the System API (IS-09). Absent: it is looked for as registries are.
    pub system: Option<Endpoint>,
    /// Domain in which unicast DNS has the registries.
    pub domain: Option<String>,
    /// Look for registries by mDNS, and announce the node where there is none.
    pub mdns: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 3212)),
            host: None,
            control: "/run/onair/control.sock".into(),
            mxl: None,
            seed: None,
            label: None,
            description: "OnAir media sessions".to_owned(),
            tls: Vec::new(),
            hsts: 31_536_000,
            ca: "/etc/ssl/certs/ca-certificates.crt".into(),
            asset: Asset::default(),
            registries: Vec::new(),
            system: None,
            domain: None,
            mdns: true,
        }
    }
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// This machine has no identity.
    #[error("cannot read {MACHINE_ID}: {0}: set nmos.seed to a text that no other machine has")]
    Seed(io::Error),
    /// This machine has no address to other machines.
    #[error("this machine has no default route: set nmos.host to its address ({0})")]
    Host(io::Error),
    /// The host of the URLs is none.
    #[error("nmos.host = {0:?} is neither an IP address nor a name of DNS")]
    HostName(String),
    /// The asset tags that BCP-002-02 requires are not empty.
    #[error("nmos.asset.{0} is empty: leave it out, or give it a value")]
    Asset(&'static str),
}

impl Settings {
    /// Reads the file. An absent one has nothing but defaults, if it `may_be_absent`.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn read(path: &Path, may_be_absent: bool) -> Result<Self, SettingsError> {
        let file: File = onair_bridge::settings(path, may_be_absent)?;
        file.nmos.check()
    }

    fn check(self) -> Result<Self, SettingsError> {
        let is_host = |it: &&String| it.parse::<IpAddr>().is_ok() || is_hostname(it);
        if let Some(host) = self.host.as_ref().filter(|it| !is_host(it)) {
            return Err(SettingsError::HostName(host.clone()));
        }
        let asset = &self.asset;
        let functions = asset.functions.iter();
        for (name, is_empty) in [
            ("manufacturer", asset.manufacturer.is_empty()),
            ("product", asset.product.is_empty()),
            ("instance_id", asset.instance_id.as_deref() == Some("")),
            (
                "functions",
                asset.functions.is_empty() || functions.clone().any(String::is_empty),
            ),
        ] {
            if is_empty {
                return Err(SettingsError::Asset(name));
            }
        }
        Ok(self)
    }

    /// The identities.
    ///
    /// # Errors
    /// [`SettingsError::Seed`].
    pub fn ids(&self) -> Result<Ids, SettingsError> {
        let seed = onair_bridge::seed(self.seed.as_deref());
        Ok(Ids::of(&seed.map_err(SettingsError::Seed)?))
    }

    /// This machine, whose APIs answer at `port`.
    ///
    /// # Errors
    /// [`SettingsError::Host`].
    pub fn of_host(&self, port: u16) -> Result<Host, SettingsError> {
        let name = rustix::system::uname();
        let name = name.nodename().to_string_lossy().into_owned();
        let address = match (&self.host, self.listen.ip()) {
            (Some(host), _) => host.clone(),
            (None, ip) if ip.is_unspecified() => {
                outside().map_err(SettingsError::Host)?.to_string()
            }
            (None, ip) => ip.to_string(),
        };
        Ok(Host {
            address,
            port,
            tls: !self.tls.is_empty(),
            label: self.label.clone().unwrap_or_else(|| name.clone()),
            description: self.description.clone(),
            asset: self.asset.clone(),
            hostname: Some(name).filter(|it| is_hostname(it)),
        })
    }
}

/// The address that packets to other machines have. The kernel chooses it when a socket is connected; nothing is sent.
fn outside() -> io::Result<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    // An address of documentation (RFC 5737): it is on no link.
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
    Ok(socket.local_addr()?.ip())
}

/// Whether it is a name of DNS (RFC 1123 §2.1).
fn is_hostname(text: &str) -> bool {
    let is_label = |it: &str| {
        let inner = it
            .bytes()
            .all(|it| it.is_ascii_alphanumeric() || it == b'-');
        inner && (1..=63).contains(&it.len()) && !it.starts_with('-') && !it.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

fn registries<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Endpoint>, D::Error> {
    let all = Vec::<Endpoint>::deserialize(from)?.into_iter().zip(0..);
    Ok(all
        .map(|(it, priority)| Endpoint { priority, ..it })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Settings, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nmos.toml");
        std::fs::write(&path, text).unwrap();
        Settings::read(&path, false).map_err(|error| error.to_string())
    }

    #[test]
    fn no_file_or_an_empty_one_then_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let absent = folder.path().join("nmos.toml");
        assert_eq!(Settings::read(&absent, true).unwrap(), Settings::default());
        assert!(Settings::read(&absent, false).is_err());
        assert_eq!(read("").unwrap(), Settings::default());
        assert_eq!(read("[nmos]").unwrap(), Settings::default());
    }

    #[test]
    fn every_key_then_taken() {
        let settings = read(
            "[nmos]\nlisten = \"10.0.0.5:80\"\nhost = \"studio.example.org\"\ncontrol = \"/c\"\nmxl = \"/m\"\nseed = \"s\"\n\
             label = \"l\"\nhsts = 0\nsystem = \"https://c\"\nca = \"/a\"\ndescription = \"d\"\nregistries = [\"http://b:1\", \"http://a:2\"]\n\
             domain = \"example.org\"\nmdns = false\n[nmos.asset]\nmanufacturer = \"m\"\nproduct = \"p\"\n\
             instance_id = \"i\"\nfunctions = [\"f\", \"g\"]\n\
             [[nmos.tls]]\ncertificate = \"/t\"\nkey = \"/k\"\n",
        )
        .unwrap();
        let registries: Vec<_> = settings
            .registries
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(registries, ["b:1", "a:2"]);
        assert_eq!(settings.system.as_ref().unwrap().to_string(), "c:443");
        let host = settings.of_host(80).unwrap();
        assert_eq!((&*host.address, &*host.label), ("studio.example.org", "l"));
        assert_eq!(host.base(), "https://studio.example.org:80");
        assert_eq!(settings.ids().unwrap().node(), Ids::of("s").node());
    }

    #[test]
    fn wrong_key_or_value_then_named_with_its_line() {
        for (text, parts) in [
            ("[nmos]\nlisen = 1\n", ["line 2", "lisen"]),
            ("[nmos]\nlisten = \"80\"\n", ["line 2", "listen"]),
            (
                "[nmos]\nregistries = [\"ftp://a\"]\n",
                ["line 2", "ftp://a"],
            ),
            ("[nmos.asset]\ncolour = \"red\"\n", ["line 2", "colour"]),
            (
                "[nmos.asset]\nfunctions = []\n",
                ["nmos.asset.functions", "empty"],
            ),
            ("[nmos]\nhost = \"a b\"\n", ["nmos.host", "a b"]),
            ("[other]\n", ["line 1", "other"]),
        ] {
            let error = read(text).unwrap_err();
            assert!(parts.iter().all(|it| error.contains(it)), "{text}: {error}");
        }
    }

    #[test]
    fn names_of_hosts_then_only_those_of_dns() {
        for (text, is_one) in [
            ("studio-1", true),
            ("a.b", true),
            ("a_b", false),
            ("-a", false),
            ("", false),
        ] {
            assert_eq!(is_hostname(text), is_one, "{text}");
        }
    }

    #[test]
    fn seed_of_spaces_then_refused() {
        let settings = read("[nmos]\nseed = \" \"\n").unwrap();
        assert!(settings.ids().is_err());
    }
}
