//! `onairctl certificate …`.

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::SystemTime;

use clap::Subcommand;
use onair_api::id::IdError;
use onair_api::operations::{ListCertificates, ShowCertificate};
use onair_api::{Certificate, CertificateQuery, Operation, SessionRef, Timestamp};
use onair_certificate::{Unverifiable, Verification, verify};
use onair_control::{Answer, Client};
use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::args::Options;
use crate::args::parse::{InvalidArgument, duration};
use crate::failure::{DONE, FORGED, Failure};
use crate::{output, render};

/// Verbs of `certificate`.
#[derive(Debug, Subcommand)]
pub(crate) enum CertificateVerb {
    /// List the stored certificates, newest first
    #[command(
        visible_alias = "ls",
        after_help = "\
Examples:
  onairctl certificate list
  onairctl certificate list --session cam1 --since 24h
  onairctl certificate list --operation abort --limit 5
  onairctl --json certificate list | jq '.certificates[] | select(.disagreements > 0)'"
    )]
    List {
        /// Only certificates of this session: id or name
        #[arg(long, value_name = "NAME")]
        session: Option<SessionRef>,
        /// Only certificates of this operation: destroy, destroy_wait, shutdown, abort, quarantine
        #[arg(long, value_name = "OPERATION", value_parser = operation)]
        operation: Option<Operation>,
        /// Only certificates issued since: 90s, 1h, 7days (ago), or 2026-01-31T12:00:00Z
        #[arg(long, value_name = "AGO|TIME", value_parser = since, allow_hyphen_values = true)]
        since: Option<Timestamp>,
        /// At most this many, newest first
        #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
        limit: Option<usize>,
    },
    /// Show one certificate, from the daemon or from a file
    #[command(after_help = "\
Examples:
  onairctl certificate show cam1
  onairctl --json certificate show 6920a1c300000001 > proof.json
  onairctl certificate show proof.json")]
    Show {
        /// Session id or name (the last session of that name), a file (with / or .json), or -
        certificate: CertificateSource,
    },
    /// Verify certificates: the digest, and the claims against each other
    #[command(after_help = "\
This command does not trust the daemon's conclusion: the steps, the readings of the witnesses and
the totals must support it. The digest detects accidents and careless edits. It is not a signature:
a process that can write the file can also write a matching digest.

Exit code 0: all are valid; 6: one is invalid; 2: a file is not a certificate, or has a later format.

Examples:
  onairctl certificate verify cam1
  onairctl certificate verify /var/lib/onair/certificates/*.json
  onairctl --json certificate show cam1 | onairctl certificate verify -")]
    Verify {
        /// Session id or name (the last session of that name), a file (with / or .json), or -
        #[arg(required = true)]
        certificates: Vec<CertificateSource>,
    },
}

pub(crate) async fn run(
    options: &Options,
    client: &Client,
    verb: &CertificateVerb,
) -> Result<u8, Failure> {
    match verb {
        CertificateVerb::List {
            session,
            operation,
            since,
            limit,
        } => {
            let query = CertificateQuery {
                session: session.clone(),
                operation: *operation,
                since: *since,
                limit: *limit,
            };
            let answer = client.call::<ListCertificates>(&(), &query).await?;
            let is_search = query != CertificateQuery::default();
            super::show(options, &answer, |list| {
                render::certificate::list(list, is_search)
            })?;
            Ok(DONE)
        }
        CertificateVerb::Show { certificate } => {
            let answer = Answer::new(certificate.read(client).await?);
            match certificate {
                CertificateSource::Daemon(_) => {}
                _ => drop(of_file(certificate, &answer.value)?),
            }
            present(options, &answer)?;
            Ok(DONE)
        }
        CertificateVerb::Verify { certificates } => verify_all(options, client, certificates).await,
    }
}

/// Prints the certificate of `session`.
pub(crate) async fn show(
    options: &Options,
    client: &Client,
    session: &SessionRef,
) -> Result<u8, Failure> {
    let answer = client.call::<ShowCertificate>(session, &()).await?;
    present(options, &answer)?;
    Ok(DONE)
}

/// Prints a certificate, and a warning if it is not on disk.
pub(crate) fn present(options: &Options, answer: &Answer<Certificate>) -> Result<(), Failure> {
    let proof = super::show(options, answer, render::certificate::render)?;
    if let Some(warning) = render::certificate::warning(&proof) {
        eprintln!("{warning}");
    }
    Ok(())
}

/// Reads the certificate in a file.
fn of_file(source: &CertificateSource, document: &Value) -> Result<Certificate, Failure> {
    let wrong = |error: &dyn fmt::Display| Failure::Input(format!("{source}: {error}"));
    verify(document).map_err(|error| wrong(&error))?;
    Certificate::deserialize(document).map_err(|error| wrong(&error))
}

/// Checks each certificate. An unreadable one does not stop the others.
async fn verify_all(
    options: &Options,
    client: &Client,
    sources: &[CertificateSource],
) -> Result<u8, Failure> {
    let mut results = Vec::new();
    for source in sources {
        let found = source.read(client).await.and_then(|document| {
            verify(&document)
                .map_err(|error: Unverifiable| Failure::Input(format!("{source}: {error}")))
        });
        results.push((source, found));
    }
    let all_hold = |(_, found): &(_, Result<Verification, Failure>)| {
        found.as_ref().is_ok_and(|found| found.holds)
    };
    if options.json {
        let entries = results.iter().map(|(source, found)| match found {
            Ok(found) => {
                let mut entry = json!({"source": source.to_string()});
                if let (Value::Object(entry), Ok(Value::Object(found))) =
                    (&mut entry, serde_json::to_value(found))
                {
                    entry.extend(found);
                }
                entry
            }
            Err(error) => json!({"source": source.to_string(), "holds": false,
                "error": error.to_string()}),
        });
        let entries: Vec<_> = entries.collect();
        let holds = results.iter().all(all_hold);
        output::json(&json!({"holds": holds, "certificates": entries}))?;
    } else {
        let mut texts = Vec::new();
        for (source, found) in &results {
            if let Ok(found) = found {
                texts.push(render::certificate::verification::render(
                    &source.to_string(),
                    found,
                ));
            }
        }
        output::text(&texts.join("\n"))?;
    }
    let forged = results
        .iter()
        .any(|(_, found)| found.as_ref().is_ok_and(|found| !found.holds));
    let failures = results.into_iter().filter_map(|(_, found)| found.err());
    let failures: Vec<_> = failures.collect();
    match failures[..] {
        [] if forged => Ok(FORGED),
        [] => Ok(DONE),
        _ => {
            let code = forged.then_some(FORGED);
            Err(Failure::Several { failures, code })
        }
    }
}

fn operation(text: &str) -> Result<Operation, InvalidArgument> {
    serde_json::from_value(text.into()).map_err(|_| InvalidArgument::Operation)
}

fn since(text: &str) -> Result<Timestamp, InvalidArgument> {
    if let Ok(time) = serde_json::from_value(text.into()) {
        return Ok(time);
    }
    let ago = duration(text).map_err(|error| InvalidArgument::Moment(Box::new(error)))?;
    let time = SystemTime::now().checked_sub(ago);
    time.map(Timestamp).ok_or(InvalidArgument::BeforeTime)
}

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
