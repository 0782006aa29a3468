//! The daemon's metrics, for Prometheus.

use std::collections::BTreeMap;

use onair_api::{EventName, GroupMember, SessionName, SessionState, ShareUse};
use onair_settings::access::authority::Grant;
use onair_settings::diagnostics::exposition::{Exposition, metrics};
use onair_shares::Usage;

use super::Report;
use super::problems::Problems;
use super::service_metrics::{measure_pollers, measure_ports, measure_probe, unix};

impl Report<'_> {
    /// All metrics with their current values.
    #[must_use]
    pub fn metrics(&self) -> Exposition {
        let mut metrics = Exposition::default();
        self.measure_sessions(&mut metrics);
        self.measure_groups(&mut metrics);
        self.measure_control(&mut metrics);
        self.measure_recordings(&mut metrics);
        measure_ports(self.services, &mut metrics);
        measure_pollers(self.services, &mut metrics);
        measure_probe(self.services, &mut metrics);
        super::clock_metrics::measure(self.services, &mut metrics);
        metrics
    }

    fn measure_sessions(&self, metrics: &mut Exposition) {
        for session in self.sessions.all() {
            session.shown().measure(self.services, metrics);
        }
        let tally = self.tally();
        for (state, count) in [
            (SessionState::Created, tally.created),
            (SessionState::Running, tally.running),
            (SessionState::Stopped, tally.stopped),
            (SessionState::Draining, tally.draining),
            (SessionState::Quarantined, tally.quarantined),
        ] {
            metrics! { metrics, &[("state", &state.to_string())] =>
                count "onair_sessions" = count,
                    "Sessions by state.";
            }
        }
        let quarantined = self.sessions.in_quarantine().map(|it| {
            // Evicted senders, and clients that left a stopped session, still have these.
            let left = it.core.left_frame_bytes();
            it.memory_bytes + left.map(|(_, bytes)| bytes).sum::<u64>()
        });
        let frames = self.sessions.living().filter_map(|it| it.core.frames());
        let resident = frames.filter_map(|it| it.resident().ok());
        metrics! { metrics, &[] =>
            count "onair_pending_reclaim_bytes" = self.services.pending_bytes(),
                "Memory of destroyed sessions and of clients that left, still mapped or pinned.";
            count "onair_quarantined_bytes" = quarantined.sum(),
                "Memory of quarantined sessions.";
            count "onair_frame_memory_bytes" = self.sessions.index.bytes + self.services.pending_bytes(),
                "Frame memory of all sessions, and memory pending reclaim.";
            count "onair_frame_memory_resident_bytes" = resident.sum::<u64>(),
                "Frames of receive sessions that were filled once: the others take no memory.";
            count "onair_frame_memory_limit_bytes" = self.services.config.limits.frame_memory_mb << 20,
                "limits.frame_memory_mb.";
        }
        for (operation, count) in self.services.archive.issued() {
            metrics! { metrics, &[("operation", &operation.to_string())] =>
                counter "onair_certificates_issued_total" = count,
                    "Certificates issued, by operation.";
            }
        }
    }

    /// Group metrics: are the members in step? The label of their sessions tells the rest.
    fn measure_groups(&self, metrics: &mut Exposition) {
        let clock = self.services.machine.dataplane().clock();
        let mut firsts = BTreeMap::new();
        for session in self.sessions.living() {
            let Some((group, delay_ns)) = session
                .member_of
                .as_ref()
                .zip(session.shown().delay_ns(clock))
            else {
                continue;
            };
            let first_ns = *firsts.entry(group).or_insert(delay_ns);
            let id = session.id.to_string();
            let labels = [
                ("group", group.as_str()),
                ("session", session.spec.name.as_str()),
                ("id", id.as_str()),
            ];
            metrics! { metrics, &labels =>
                gauge "onair_group_skew_seconds" = seconds(GroupMember::skew_of(first_ns, delay_ns)),
                    "By how much a member is ahead of the first one.";
            }
        }
    }

    fn measure_control(&self, metrics: &mut Exposition) {
        let services = self.services;
        let (hub, versions) = (&services.hub, &services.identity.versions);
        let labels = [
            ("version", versions.onaird.as_str()),
            ("dpdk", versions.dpdk.as_str()),
            ("kernel", versions.kernel.as_str()),
        ];
        metrics! { metrics, &labels =>
            count "onair_build_info" = 1,
                "1, with the running versions.";
        }
        metrics! { metrics, &[] =>
            gauge "onair_start_time_seconds" = unix(services.identity.started_at),
                "When the daemon started, Unix time.";
            count "onair_heap_bytes" = services.machine.heap_bytes(),
                "Bytes of the daemon's heap that are in use.";
            counter "onair_sessions_created_total" = hub.count(EventName::SessionCreated),
                "Sessions created.";
            counter "onair_sessions_destroyed_total" = hub.count(EventName::Destroyed),
                "Sessions destroyed.";
            counter "onair_sessions_quarantined_total" = hub.count(EventName::Quarantined),
                "Sessions quarantined.";
            counter "onair_clients_attached_total" = hub.count(EventName::ClientAttached),
                "Processes that attached.";
            counter "onair_clients_left_total" = hub.count(EventName::ClientLeft),
                "Attachments that ended.";
            counter "onair_evictions_total" = hub.count(EventName::Evicted),
                "Attachments that were evicted.";
            counter "onair_reconciled_total" = hub.count(EventName::Reconciled),
                "Users that the daemon settled because they could not settle themselves.";
            counter "onair_drain_warnings_total" = hub.count(EventName::DrainBlocked),
                "Warnings that a stopped session still has users.";
            counter "onair_certificates_completed_total" = hub.count(EventName::CertificateCompleted),
                "Certificates completed because the session's memory was freed.";
            counter "onair_recordings_started_total" = hub.count(EventName::RecordingStarted),
                "Recordings that took packets.";
            counter "onair_recordings_degraded_total" = hub.count(EventName::RecordingDegraded),
                "Times that a recording could not write arriving packets, for a new reason.";
            counter "onair_recordings_continued_total" = hub.count(EventName::RecordingContinued),
                "Recordings of an earlier daemon that went on.";
            counter "onair_recordings_ended_total" = hub.count(EventName::RecordingEnded),
                "Recordings that ended.";
            counter "onair_ptp_grandmaster_changes_total" = hub.count(EventName::PtpGrandmaster),
                "New grandmasters of ptp4l, the first one included.";
            counter "onair_poller_stalls_total" = hub.count(EventName::PollerStalled),
                "Times that a polling thread stopped making turns.";
            counter "onair_poller_deaths_total" = hub.count(EventName::PollerDied),
                "Polling threads that died.";
            count "onair_event_readers" = hub.readers() as u64,
                "Readers of the event stream.";
        }
        for (socket, waiting) in ["control", "attach"].into_iter().zip(self.waiting) {
            metrics! { metrics, &[("socket", socket)] =>
                count "onair_control_queue_depth" = waiting as u64,
                    "Requests that wait for the control thread, by socket.";
            }
        }
        self.measure_shutdown(metrics);
    }

    /// The use of each limit; adds what is wrong. Names only sessions that `grant` covers.
    pub(super) fn share_uses(&self, grant: Grant, problems: &mut Problems) -> Vec<ShareUse> {
        let services = self.services;
        let connections = services.machine.connections().into_iter();
        let probe = services.machine.probe_usage();
        let mut shares = Vec::new();
        for usage in connections.chain(probe) {
            problems.of_daemon.extend(usage.problem());
            shares.push(document(None, &usage));
        }
        // A refused requester is told: no problem.
        shares.push(document(None, &services.hub.usage()));
        // Full for seconds at most.
        shares.push(document(None, &self.snapshots));
        // An installation may fill these permanently, and a refused requester is told: no problem.
        shares.extend(self.shares.iter().map(|usage| document(None, usage)));
        for poller in 0..services.config.poller.len() {
            let capacity = services.capacity(poller);
            let room = services.rooms.usage(capacity);
            shares.extend(room.map(|usage| {
                let name = capacity.name;
                ShareUse {
                    what: format!(
                        "percent of the core of poller {name}, by what its sessions need"
                    ),
                    key: format!("poller.{name}.capacity_percent"),
                    ..document(None, &usage)
                }
            }));
        }
        shares.extend(services.archive.uses().map(|it| {
            let limit = it.limit as u64;
            let (greatest_uid, greatest) = it.greatest.unzip();
            ShareUse {
                what: it.kind.what().to_owned(),
                key: "state.certificates".to_owned(),
                session: None,
                limit,
                used: it.used as u64,
                reserved: 0,
                per_uid: limit,
                per_process: limit,
                greatest_uid,
                greatest: greatest.unwrap_or_default() as u64,
                refused: 0,
            }
        }));
        for (charge, bytes) in services.machine.pinned() {
            let text = format!(
                "session {}, which ended: a process has pages of its frames in a pipe or registered with io_uring; \
                 limits.frame_memory_mb counts {bytes} bytes until it lets go",
                charge.session
            );
            problems.of_sessions.push((charge.uid, text));
        }
        let former_clients = self.sessions.living();
        let former_clients = former_clients.map(|session| {
            let name = session.spec.name.clone();
            let usage = session.former_clients.usage(&session.core, services);
            (session.owner.uid, name, usage)
        });
        let former_clients: Vec<_> = former_clients.collect();
        for (owner, name, usage) in &former_clients {
            let problem = usage.problem();
            let problem = problem.map(|problem| (*owner, format!("session {name}: {problem}")));
            problems.of_sessions.extend(problem);
        }
        let fullest = former_clients
            .into_iter()
            .filter(|(owner, ..)| grant.covers(Some(*owner)))
            .max_by_key(|(_, _, usage)| usage.used);
        shares.extend(fullest.map(|(_, name, usage)| document(Some(name), &usage)));
        shares
    }
}

#[expect(clippy::cast_precision_loss, reason = "a nanosecond in 104 days")]
fn seconds(ns: i64) -> f64 {
    ns as f64 / 1e9
}

fn document(session: Option<SessionName>, usage: &Usage) -> ShareUse {
    let share = &usage.share;
    let shown = |places| share.shown(places) as u64;
    let (greatest_uid, greatest) = usage.greatest.unzip();
    ShareUse {
        what: share.what.to_owned(),
        key: share.key.to_owned(),
        session,
        limit: shown(share.limit),
        used: shown(usage.used),
        reserved: shown(share.reserve),
        per_uid: shown(share.per_uid),
        per_process: shown(share.per_process),
        greatest_uid,
        greatest: shown(greatest.unwrap_or_default()),
        refused: usage.refused,
    }
}
