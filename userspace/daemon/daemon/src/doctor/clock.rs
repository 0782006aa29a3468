//! The clock: the answers of ptp4l, and whether the kernel's clock follows it.

use std::path::Path;

use onair_api::PtpPortState;
use onair_dataplane::tai_minus_utc;
use onair_settings::config::{Config, PtpQuestion};

use super::finding::Finding;
use crate::ptp::{Fault, PtpClient, Reading, Silence, SteeredClock, judge};
use crate::sockets::socket_file::{SocketError, bind_datagram};

/// Why the state of PTP matters.
const WHY: &str = "RTP timestamps are CLOCK_TAI's: only if it follows the grandmaster do they fit those of other senders";

pub(super) fn check(config: &Config) -> Vec<Finding> {
    let Some(question) = config.clock.question() else {
        return vec![Finding::ok(
            "ptp4l",
            "not asked: clock.ptp_socket is \"off\"",
        )];
    };
    match ask(config, &question) {
        Ok((reading, socket)) => {
            let clock = SteeredClock::of(&reading, &question.phc);
            found(&reading, &socket, &clock, question.max_offset_us)
        }
        Err(reason) => vec![not_reached(
            reason.to_string(),
            config.clock.names_a_ptp4l(),
        )],
    }
}

/// Why there is no answer of ptp4l.
#[derive(Debug, thiserror::Error)]
enum NotAsked {
    #[error(transparent)]
    Socket(#[from] SocketError),
    #[error(transparent)]
    Silent(#[from] Silence),
}

/// One inquiry, on a socket that is removed at its end.
fn ask(config: &Config, question: &PtpQuestion) -> Result<(Reading, String), NotAsked> {
    // ptp4l answers to a path, which must be one that it sees: /tmp may be private to it.
    let folders = [
        config.control.socket.parent(),
        question.peers.first().and_then(|it| it.parent()),
    ];
    let folders = folders.into_iter().flatten();
    let folder = folders.into_iter().find(|it| it.is_dir());
    let folder = folder.unwrap_or(Path::new("/run"));
    let own = folder.join(format!("onair-doctor.{}.ptp", std::process::id()));
    let (socket, _file) = bind_datagram(&own)?;
    let mut client = PtpClient::new(socket, own, question.peers.clone(), question.domain);
    let reading = client.ask()?;
    let peer = client.peer().unwrap_or(Path::new(""));
    Ok((reading, peer.display().to_string()))
}

fn not_reached(reason: String, is_expected: bool) -> Finding {
    let mend = "start ptp4l on the media network's interface (and phc2sys -a -r, which steers the system's \
                clock by the interface's), or set clock.ptp_socket = \"off\"";
    if is_expected {
        return Finding::warning("ptp4l", reason).because(WHY, mend);
    }
    Finding::ok(
        "ptp4l",
        format!("none: descriptions say ts-refclk:localmac ({reason})"),
    )
}

fn found(reading: &Reading, socket: &str, clock: &SteeredClock, max_us: u64) -> Vec<Finding> {
    let (port, grandmaster) = (&reading.port, reading.parent.grandmaster);
    let domain = reading.clock.domain;
    let judged = judge(reading, tai_minus_utc(), clock, max_us);
    let mut findings = vec![Finding::ok(
        "ptp4l",
        format!("{socket}, domain {domain}, grandmaster {grandmaster}"),
    )];
    let state = format!("{} on port {}", port.state, port.port.number);
    let is_synchronised = [PtpPortState::Slave, PtpPortState::Master].contains(&port.state);
    findings.push(match &judged {
        Err(fault @ Fault::Port(..)) => Finding::warning("ptp state", state).because(
            WHY,
            format!("{fault} (pmc -u -b 0 -d {domain} 'GET PORT_DATA_SET')"),
        ),
        _ => Finding::ok("ptp state", state),
    });
    if is_synchronised && !reading.is_grandmaster() {
        let offset = format!("{} ns", reading.current.offset_ns);
        findings.push(match &judged {
            Err(fault @ Fault::Offset { .. }) => {
                Finding::warning("ptp offset", offset).because(WHY, fault.to_string())
            }
            _ => Finding::ok("ptp offset", offset),
        });
    }
    findings.push(match judged {
        Ok(()) => Finding::ok("ptp clock", follows(clock)),
        Err(Fault::Port(..) | Fault::Offset { .. }) => {
            Finding::warning("ptp clock", "not judged: ptp4l is not synchronised")
                .because(WHY, "mend the line above first")
        }
        Err(fault) => {
            let mend = match &fault {
                Fault::UtcOffset { .. } | Fault::System { .. } => {
                    "systemctl enable --now phc2sys@INTERFACE, or by hand: phc2sys -a -r"
                }
                Fault::Arbitrary => {
                    "set the grandmaster to the PTP time scale; with linuxptp: pmc -u -b 0 'SET GRANDMASTER_SETTINGS_NP …'"
                }
                _ => "set clock.phc to the hardware clock that ptp4l steers (ethtool -T INTERFACE), or to \"none\"",
            };
            Finding::warning("ptp clock", fault.to_string()).because(WHY, mend)
        }
    });
    findings
}

fn follows(clock: &SteeredClock) -> String {
    match clock {
        SteeredClock::Hardware {
            device,
            tai_ahead_ns: Ok(ns),
        } => format!("CLOCK_TAI is {ns} ns ahead of {device}"),
        _ => "CLOCK_TAI follows the grandmaster".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;
    use crate::ptp::slave;

    fn levels(change: impl FnOnce(&mut Reading), clock: &SteeredClock) -> Vec<(String, Level)> {
        let mut reading = slave();
        reading.time.utc_offset_s = i16::try_from(tai_minus_utc()).unwrap();
        change(&mut reading);
        let found = found(&reading, "/run/ptp4l", clock, 100);
        for finding in &found {
            assert_eq!(finding.level == Level::Ok, finding.mend.is_empty());
        }
        found.into_iter().map(|it| (it.check, it.level)).collect()
    }

    #[test]
    fn each_link_of_the_clock_has_a_line_and_a_broken_one_a_warning() {
        use Level::{Ok, Warning};
        let system = SteeredClock::System;
        let lines = |state, offset, clock| {
            vec![
                ("ptp4l".to_owned(), Ok),
                ("ptp state".to_owned(), state),
                ("ptp offset".to_owned(), offset),
                ("ptp clock".to_owned(), clock),
            ]
        };
        assert_eq!(levels(|_| {}, &system), lines(Ok, Ok, Ok));
        let far = levels(|it| it.current.offset_ns = 1_000_000, &system);
        assert_eq!(far, lines(Ok, Warning, Warning));
        let utc = levels(|it| it.time.utc_offset_s += 1, &system);
        assert_eq!(utc, lines(Ok, Ok, Warning));
        let away = SteeredClock::Hardware {
            device: "/dev/ptp0".into(),
            tai_ahead_ns: Result::Ok(-37_000_000_000),
        };
        assert_eq!(levels(|_| {}, &away), lines(Ok, Ok, Warning));
        let waiting = levels(|it| it.port.state = PtpPortState::Uncalibrated, &system);
        assert_eq!(waiting[1].1, Warning);
    }

    #[test]
    fn ptp4l_that_nothing_names_may_be_absent() {
        assert_eq!(not_reached("none".into(), false).level, Level::Ok);
        assert_eq!(not_reached("none".into(), true).level, Level::Warning);
    }
}
