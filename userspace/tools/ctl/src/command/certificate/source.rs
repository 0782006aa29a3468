//! Sources of a certificate.

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use onair_api::SessionRef;
use onair_api::id::IdError;
use onair_api::operations::ShowCertificate;
use onair_control::Client;
use serde_json::Value;

use crate::failure::Failure;

/// A source named on the command line. Only the form of the text decides: the meaning of a name
/// never depends on which files exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CertificateSource {
    /// The daemon's certificate of this session.
    Daemon(SessionRef),
    /// A file: its path has a `/` or ends with `.json`.
    File(PathBuf),
    /// Standard input: `-`.
    Input,
}

impl FromStr for CertificateSource {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        match text {
            "-" => Ok(Self::Input),
            file if file.contains('/') || has_suffix(file) => Ok(Self::File(file.into())),
            session => session.parse().map(Self::Daemon),
        }
    }
}

fn has_suffix(text: &str) -> bool {
    Path::new(text)
        .extension()
        .is_some_and(|extension| extension == "json")
}

impl fmt::Display for CertificateSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Daemon(session) => session.fmt(f),
            Self::File(path) => path.display().fmt(f),
            Self::Input => f.write_str("standard input"),
        }
    }
}

impl CertificateSource {
    /// Reads the document.
    pub(crate) async fn read(&self, client: &Client) -> Result<Value, Failure> {
        let bytes = match self {
            Self::Daemon(session) => {
                let answer = client.call::<ShowCertificate>(session, &()).await;
                return Ok(answer?.value);
            }
            Self::File(path) => std::fs::read(path),
            Self::Input => {
                let mut bytes = Vec::new();
                let read = std::io::stdin().read_to_end(&mut bytes);
                read.map(|_| bytes)
            }
        };
        let bytes =
            bytes.map_err(|error| Failure::Input(format!("cannot read {self}: {error}")))?;
        serde_json::from_slice(&bytes)
            .map_err(|error| Failure::Input(format!("{self} is not a JSON document: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_forms_then_told_apart_by_the_text_alone() {
        for (text, file) in [
            ("cam1", false),
            ("cam1.old", false),
            ("6920a1c300000001", false),
            ("proof.json", true),
            ("./cam1", true),
            ("/tmp/x", true),
        ] {
            let source: CertificateSource = text.parse().unwrap();
            assert_eq!(matches!(source, CertificateSource::File(_)), file, "{text}");
            assert_eq!(source.to_string(), text);
        }
        assert_eq!("-".parse(), Ok(CertificateSource::Input));
        assert!("UPPER".parse::<CertificateSource>().is_err());
    }
}
