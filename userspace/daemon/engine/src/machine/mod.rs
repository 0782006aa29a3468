//! All that the engine touches of the world. The daemon is the real machine; tests may have another.
//!
//! The control thread calls it: nothing here waits for a client, a disk or a poller, but [`Timing::pause`].

mod clients;
mod memory;
mod probe;
mod recordings;
mod shutdown;
mod surroundings;
mod timing;

use std::any::Any;
use std::fmt::Debug;

use onair_dataplane::Dataplane;

pub use self::clients::ClientAccess;
pub use self::memory::{Charge, MemoryReturn};
pub use self::probe::{ProbeAccess, Watching};
pub use self::recordings::{
    About, ActiveRecording, FoundRecording, Launch, Launched, RecorderEvent, RecordingCheck,
    Recordings,
};
pub use self::shutdown::{EndCause, Shutdown, ShuttingDown};
pub use self::surroundings::{FilterError, Reference, Surroundings};
pub use self::timing::{Later, Timing};

/// The world.
pub trait Machine:
    Any + Debug + Send + Timing + ProbeAccess + ClientAccess + MemoryReturn + Surroundings
{
    /// Ports and pollers.
    fn dataplane(&self) -> &Dataplane;
    /// The same, to change them.
    fn dataplane_mut(&mut self) -> &mut Dataplane;
    /// Makes files and pictures of packets.
    fn recordings(&self) -> &dyn Recordings;
    /// The daemon's shutdown.
    fn shutdown(&self) -> &dyn Shutdown;
}
