//! Metrics of recordings.

use onair_api::RecordingState;
use onair_settings::diagnostics::exposition::{Exposition, metrics};

use super::Report;

impl Report<'_> {
    pub(super) fn measure_recordings(&self, metrics: &mut Exposition) {
        let running = self.recorder.list.values();
        let ended = self.recorder.ended.values();
        for state in RecordingState::ALL {
            let running = running.clone().filter(|it| it.state() == state);
            let ended = ended.clone().filter(|it| it.view.state == state);
            let count = running.count() + ended.count();
            metrics! { metrics, &[("state", state.as_str())] =>
                count "onair_recordings" = count as u64,
                    "Recordings by state; ended ones as long as the daemon remembers them.";
            }
        }
        for (id, entry) in &self.recorder.list {
            let (Some(active), Some(view)) = (entry.active(), self.recorder.view(*id)) else {
                continue;
            };
            let id = view.id.to_string();
            let labels = [
                ("recording", view.name.as_str()),
                ("id", id.as_str()),
                ("session", view.session_name.as_str()),
            ];
            let counts = &view.counts;
            let missed = view.restarts.iter().filter_map(|it| it.missed).sum();
            metrics! { metrics, &labels =>
                counter "onair_recording_packets_arrived_total" = counts.arrived,
                    "Packets that were offered to the recording.";
                counter "onair_recording_packets_written_total" = counts.written,
                    "Packets in the recording's files.";
                counter "onair_recording_bytes_total" = active.status().bytes,
                    "Bytes of the recording's files.";
                counter "onair_recording_packets_missed_total" = missed,
                    "Packets between the recording's files that came while no daemon recorded, as far as known.";
                count "onair_recording_packets_pending" = counts.pending,
                    "Packets that the recording accepted and has not written yet.";
            }
            let [recording, id, session] = labels;
            for (reason, &value) in &counts.dropped {
                metrics! { metrics, &[recording, id, session, ("reason", reason.as_str())] =>
                    counter "onair_recording_packets_dropped_total" = value,
                        "Packets that the recording did not accept, by reason.";
                }
            }
            for (reason, &value) in &counts.lost {
                metrics! { metrics, &[recording, id, session, ("reason", reason.as_str())] =>
                    counter "onair_recording_packets_lost_total" = value,
                        "Packets that the recording accepted and did not write, by reason.";
                }
            }
        }
    }
}
