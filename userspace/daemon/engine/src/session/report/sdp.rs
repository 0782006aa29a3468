//! A session as a session description.

use std::net::IpAddr;

use onair_api::{Direction, Problem, ProblemCode, SecondLeg};
use onair_dataplane::PortInfo;
use onair_sdp::{Essence, Media, MediaClock, Notes, Origin, ReferenceClock, SessionDescription};

use crate::machine::Reference;
use crate::services::Services;
use crate::session::convert::second_leg;
use crate::session::report::Shown;

/// Version of PTP that ST 2059-2 uses.
const PTP: &str = "IEEE1588-2008";

fn reference_clock(port: &PortInfo, ptp: Option<Reference>) -> ReferenceClock {
    match ptp {
        Some(Reference {
            grandmaster,
            domain,
        }) => ReferenceClock::Ptp {
            version: PTP.into(),
            grandmaster,
            domain: Some(domain),
        },
        None => ReferenceClock::LocalMac(port.mac),
    }
}

/// Whether SDP tells the time to live of packets to this address (RFC 8866 §5.7).
fn has_ttl(destination: IpAddr) -> bool {
    destination.is_ipv4() && destination.is_multicast()
}

impl Shown<'_> {
    /// The session in SDP.
    ///
    /// # Errors
    /// `internal`: its port is not here.
    pub fn describe(&self, services: &Services) -> Result<String, Problem> {
        let mut ports = services.machine.dataplane().ports().iter();
        let port = ports.find(|port| port.name == self.0.spec.port);
        let port = port.ok_or_else(|| {
            let detail = format!("port {} is not here any more", self.0.spec.port);
            Problem::new(ProblemCode::Internal, detail)
        })?;
        let second = second_leg(&self.0.spec);
        let second = second.map(|leg| services.port_named(&leg.port).map(|port| (leg, port)));
        Ok(self.sdp(port, second.transpose()?, services.machine.ptp_reference()))
    }

    /// The description of the flows that it sends from `port`, or receives there. Its clock is the PTP grandmaster
    /// while `ptp` is locked (ST 2110-10 §8.2), else the port.
    fn sdp(
        &self,
        port: &PortInfo,
        second: Option<(&SecondLeg, &PortInfo)>,
        (reference, changes): (Option<Reference>, u64),
    ) -> String {
        let flow = &self.0.spec.flow;
        let destination = flow.destination.ip();
        let own = port.addresses.beside(destination).unwrap_or(destination);
        let is_sender = self.0.spec.direction == Direction::Send;
        let mut sources: Vec<_> = flow.accepted().map(|source| source.address).collect();
        if is_sender {
            sources = vec![own];
        }
        let offset = flow.media_clock_offset;
        let clock = match is_sender {
            true => Some(reference_clock(port, reference)),
            false => flow.reference_clock.as_deref().map(ReferenceClock::of),
        };
        let media = Media {
            destination,
            port: flow.destination.port(),
            ttl: has_ttl(destination).then_some(flow.ttl),
            payload_type: flow.payload_type,
            sources,
            bandwidth: match is_sender {
                true => Media::bandwidth_of(&self.0.spec.format),
                false => Media::described_bandwidth_of(&self.0.spec.format),
            },
            // A group of RFC 7104 names its media.
            mid: second.map(|_| "1".to_owned()),
            title: None,
            is_active: true,
            reference_clock: clock,
            // Of what it receives only what its sender says is known.
            media_clock: offset
                .or(is_sender.then_some(0))
                .map(|offset| MediaClock::Direct {
                    offset: offset.into(),
                    rate: None,
                }),
            essence: Essence::of(&self.0.spec.format),
            line: 0,
            notes: Notes::default(),
        };
        let mut media = vec![media];
        media.extend(second.map(|second| self.second_media(&media[0], second)));
        let description = SessionDescription {
            origin: Origin {
                user: None,
                session: self.0.id.0.to_string(),
                // It grows with each change of the clock (RFC 8866 §5.2).
                version: 1 + changes,
                address: own.to_string(),
            },
            name: self.0.spec.name.to_string(),
            info: None,
            duplicates: match &media[..] {
                [_] => Vec::new(),
                legs => vec![legs.iter().filter_map(|it| it.mid.clone()).collect()],
            },
            media,
            unread: Vec::new(),
            notes: Notes::default(),
        };
        description.to_string()
    }

    /// The second leg, of which `first` is the other.
    fn second_media(&self, first: &Media, (leg, port): (&SecondLeg, &PortInfo)) -> Media {
        let destination = leg.destination.ip();
        let mut sources: Vec<_> = leg.accepted().map(|source| source.address).collect();
        if self.0.spec.direction == Direction::Send {
            sources = port.addresses.beside(destination).into_iter().collect();
        }
        // Without PTP each leg names its own interface (ST 2110-10 §8.2), as NMOS shows it.
        let reference_clock = first.reference_clock.as_ref().map(|clock| match clock {
            ReferenceClock::LocalMac(_) => ReferenceClock::LocalMac(port.mac),
            other => other.clone(),
        });
        Media {
            destination,
            port: leg.destination.port(),
            ttl: has_ttl(destination).then_some(self.0.spec.flow.ttl),
            sources,
            mid: Some("2".to_owned()),
            reference_clock,
            payload_type: leg.payload_type.unwrap_or(first.payload_type),
            ..first.clone()
        }
    }
}
