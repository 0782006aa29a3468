//! What the bench can measure.

use anyhow::Result;

use crate::calls::{p1_stop, p2_idle, p3_get_put, p4_wake, p8_probe};
use crate::control::{p12_create, p20_control, p21_memory, p25_crowd};
use crate::ends::{p7_verdict, p9_killed, p9b_daemon, p10_shutdown, p14_start, p15_handler};
use crate::packets::{
    p5_gstreamer, p5_packets, p6_receive, p17_layouts, p18_latency, p19_glass, p22_isolation,
    p23_wires,
};
use crate::recording::{p11_drain, p16_recording, p24_recorder};
use crate::result::row::Row;
use crate::run::Run;

/// A property; the ids are those of `docs/results/bench.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Property {
    /// Stop → the last of N blocked callers has returned
    #[value(name = "P1")]
    Stop,
    /// CPU of a caller blocked on an idle session
    #[value(name = "P2")]
    Idle,
    /// buffer_get + buffer_put, not blocked
    #[value(name = "P3")]
    GetPut,
    /// Frame ready → consumer runs, across processes
    #[value(name = "P4")]
    Wake,
    /// Packets a second of whole sessions on one polling core
    #[value(name = "P5")]
    Packets,
    /// Receive path, packet → frame
    #[value(name = "P6")]
    Receive,
    /// Last user leaves → verdict → certificate
    #[value(name = "P7")]
    Verdict,
    /// What the probe costs
    #[value(name = "P8")]
    Probe,
    /// Client killed while holding buffers → buffers back in use
    #[value(name = "P9")]
    ClientKilled,
    /// Daemon killed → blocked callers have returned
    #[value(name = "P9b")]
    DaemonKilled,
    /// SIGTERM → all certificates → exit
    #[value(name = "P10")]
    Shutdown,
    /// The recorder's final drain
    #[value(name = "P11")]
    FinalDrain,
    /// Session create and destroy
    #[value(name = "P12")]
    Create,
    /// Cost of a packet with many sessions
    #[value(name = "P13")]
    Sessions,
    /// Daemon start → ready
    #[value(name = "P14")]
    Start,
    /// Signal handler
    #[value(name = "P15")]
    Handler,
    /// Thread stop, flush, fsync of a recording
    #[value(name = "P16")]
    Recording,
    /// Layout conversions
    #[value(name = "P17")]
    Layouts,
    /// Last packet of a frame → its consumer
    #[value(name = "P18")]
    Latency,
    /// Submit → get, across the wire
    #[value(name = "P19")]
    GlassToGlass,
    /// The control thread's processor for an operation
    #[value(name = "P20")]
    Control,
    /// Memory, descriptors and mappings of a session
    #[value(name = "P21")]
    Memory,
    /// 30 sessions while another comes and goes
    #[value(name = "P22")]
    Isolation,
    /// Cost of a packet without any kernel
    #[value(name = "P23")]
    Wires,
    /// A session that is recorded
    #[value(name = "P24")]
    Recorder,
    /// Thousands of callers, and clients that die together
    #[value(name = "P25")]
    Crowd,
}

impl Property {
    pub(crate) const ALL: [Self; 26] = [
        Self::Stop,
        Self::Idle,
        Self::GetPut,
        Self::Wake,
        Self::Packets,
        Self::Receive,
        Self::Verdict,
        Self::Probe,
        Self::ClientKilled,
        Self::DaemonKilled,
        Self::Shutdown,
        Self::FinalDrain,
        Self::Create,
        Self::Sessions,
        Self::Start,
        Self::Handler,
        Self::Recording,
        Self::Layouts,
        Self::Latency,
        Self::GlassToGlass,
        Self::Control,
        Self::Memory,
        Self::Isolation,
        Self::Wires,
        Self::Recorder,
        Self::Crowd,
    ];

    /// Its id.
    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::Stop => "P1",
            Self::Idle => "P2",
            Self::GetPut => "P3",
            Self::Wake => "P4",
            Self::Packets => "P5",
            Self::Receive => "P6",
            Self::Verdict => "P7",
            Self::Probe => "P8",
            Self::ClientKilled => "P9",
            Self::DaemonKilled => "P9b",
            Self::Shutdown => "P10",
            Self::FinalDrain => "P11",
            Self::Create => "P12",
            Self::Sessions => "P13",
            Self::Start => "P14",
            Self::Handler => "P15",
            Self::Recording => "P16",
            Self::Layouts => "P17",
            Self::Latency => "P18",
            Self::GlassToGlass => "P19",
            Self::Control => "P20",
            Self::Memory => "P21",
            Self::Isolation => "P22",
            Self::Wires => "P23",
            Self::Recorder => "P24",
            Self::Crowd => "P25",
        }
    }

    pub(crate) fn measure(self, run: &Run) -> Result<Vec<Row>> {
        match self {
            Self::Stop => p1_stop::measure(run),
            Self::Idle => p2_idle::measure(run),
            Self::GetPut => p3_get_put::measure(run),
            Self::Wake => p4_wake::measure(run),
            Self::Packets => {
                let mut rows = p5_packets::measure(run)?;
                rows.push(p5_gstreamer::measure(run)?);
                Ok(rows)
            }
            Self::Receive => p6_receive::measure(run),
            Self::Verdict => p7_verdict::measure(run),
            Self::Probe => p8_probe::measure(run),
            Self::ClientKilled => p9_killed::measure(run),
            Self::DaemonKilled => p9b_daemon::measure(run),
            Self::Shutdown => p10_shutdown::measure(run),
            Self::Create => p12_create::measure(run),
            Self::Sessions => p6_receive::measure_many(run),
            Self::Start => p14_start::measure(run),
            Self::Handler => p15_handler::measure(run),
            Self::FinalDrain => p11_drain::measure(run),
            Self::Recording => p16_recording::measure(run),
            Self::Layouts => p17_layouts::measure(run),
            Self::Latency => p18_latency::measure(run),
            Self::GlassToGlass => p19_glass::measure(run),
            Self::Control => p20_control::measure(run),
            Self::Memory => p21_memory::measure(run),
            Self::Isolation => p22_isolation::measure(run),
            Self::Wires => p23_wires::measure(run),
            Self::Recorder => p24_recorder::measure(run),
            Self::Crowd => p25_crowd::measure(run),
        }
    }

    /// In a few words.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Stop => "stop → the last of N blocked callers has returned",
            Self::Idle => "CPU of a blocked caller",
            Self::GetPut => "get + put, not blocked",
            Self::Wake => "frame ready → consumer runs, across processes",
            Self::Packets => "packets a second of whole sessions on one core",
            Self::Receive => "receive path, packet → frame",
            Self::Verdict => "last user leaves → verdict → certificate",
            Self::Probe => "what the probe costs",
            Self::ClientKilled => "client killed holding buffers → buffers back in use",
            Self::DaemonKilled => "daemon killed → blocked callers have returned",
            Self::Shutdown => "SIGTERM → all certificates → exit",
            Self::FinalDrain => "the recorder's final drain",
            Self::Create => "session create and destroy",
            Self::Sessions => "cost of a packet with many sessions",
            Self::Start => "daemon start → ready",
            Self::Handler => "signal handler",
            Self::Recording => "thread stop, flush, fsync of a recording",
            Self::Layouts => "layout conversions",
            Self::Latency => "last packet of a frame → its consumer",
            Self::GlassToGlass => "submit → get, across the wire",
            Self::Control => "the control thread's processor for an operation",
            Self::Memory => "memory, descriptors and mappings of a session",
            Self::Isolation => "30 sessions while another comes and goes",
            Self::Wires => "cost of a packet without any kernel",
            Self::Recorder => "a session that is recorded",
            Self::Crowd => "thousands of callers, and clients that die together",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn properties_all_then_each_id_once_and_as_asked_for() {
        let ids: BTreeSet<_> = Property::ALL.iter().map(|it| it.id()).collect();
        assert_eq!(ids.len(), Property::ALL.len());
        assert_eq!(Property::value_variants().len(), Property::ALL.len());
        for property in Property::ALL {
            let asked = Property::from_str(property.id(), true);
            assert_eq!(asked, Ok(property));
        }
    }
}
