//! The global configuration resource.

use std::time::Duration;

use serde::Deserialize;

use onair_control::Facts;

/// The parameters that this program uses. Of the others (`announce_receipt_timeout`, syslog) neither it nor the
/// daemon knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// Between heartbeats of a registration.
    pub heartbeat: Duration,
    /// PTP domain of the plant.
    pub ptp_domain: u8,
}

/// A document that is none of IS-09.
#[derive(Debug, thiserror::Error)]
pub enum ParametersError {
    /// It is no JSON, or lacks a field.
    #[error("no document of IS-09: {0}")]
    Document(#[from] serde_json::Error),
    /// A number is out of its range.
    #[error("{0} is {1}: IS-09 has {2} to {3}")]
    Range(&'static str, u16, u16, u16),
}

#[derive(Deserialize)]
struct Global {
    is04: Is04,
    ptp: Ptp,
}

#[derive(Deserialize)]
struct Is04 {
    heartbeat_interval: u16,
}

#[derive(Deserialize)]
struct Ptp {
    announce_receipt_timeout: u8,
    domain_number: u8,
}

impl TryFrom<&[u8]> for Parameters {
    type Error = ParametersError;

    fn try_from(body: &[u8]) -> Result<Self, ParametersError> {
        let Global { is04, ptp } = serde_json::from_slice(body)?;
        let interval = is04.heartbeat_interval;
        let timeout = ptp.announce_receipt_timeout.into();
        for (name, value, least, most) in [
            ("is04.heartbeat_interval", interval, 1, 1000),
            ("ptp.announce_receipt_timeout", timeout, 2, 10),
            ("ptp.domain_number", ptp.domain_number.into(), 0, 127),
        ] {
            if !(least..=most).contains(&value) {
                return Err(ParametersError::Range(name, value, least, most));
            }
        }
        Ok(Self {
            heartbeat: Duration::from_secs(interval.into()),
            ptp_domain: ptp.domain_number,
        })
    }
}

impl Parameters {
    /// The PTP domain of the clock, if the daemon knows it and it is another one.
    #[must_use]
    pub fn other_domain(&self, facts: &Facts) -> Option<u8> {
        let domain = facts.health.clock.ptp.grandmaster.as_ref()?.domain;
        (domain != self.ptp_domain).then_some(domain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn document_of_the_plant_then_taken_if_in_its_ranges() {
        let read = |interval: &str, domain: u32| {
            let text = format!(
                r#"{{"id": 1, "is04": {{"heartbeat_interval": {interval}}}, "syslog": null,
                    "ptp": {{"announce_receipt_timeout": 3, "domain_number": {domain}}}}}"#
            );
            Parameters::try_from(text.as_bytes())
        };
        let parameters = read("1000", 127).unwrap();
        assert_eq!(parameters.heartbeat, Duration::from_secs(1000));
        assert_eq!(parameters.ptp_domain, 127);
        for (interval, domain) in [("0", 1), ("1001", 1), ("-1", 1), ("1.5", 1), ("5", 128)] {
            assert!(read(interval, domain).is_err(), "{interval} {domain}");
        }
        for text in ["", "[]", "{}", r#"{"is04": {"heartbeat_interval": 5}}"#] {
            assert!(Parameters::try_from(text.as_bytes()).is_err(), "{text}");
        }
    }
}
