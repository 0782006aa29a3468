//! Safe DPDK: EAL, mempool, mbuf, port, queue, burst, statistics.
//!
//! This crate contains DPDK's calling rules: threads, order, and differences of drivers. Not in
//! this crate: packet formats, sessions, policy. The path of a burst does not allocate, lock, log,
//! read a clock or enter the kernel beyond what the driver does.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use onair_dpdk::{Burst, Eal, EalConfig, Port, PortConfig, RegisteredThread};
//!
//! let eal = Eal::init(&EalConfig::default())?;
//! let port = Port::open(&eal, &PortConfig::new("a", "net_af_xdp0,iface=va"))?;
//! let mut rx = port.rx_queue(0).ok_or("taken")?;
//! let _registered = RegisteredThread::new(&eal)?;
//! let mut burst = Burst::new();
//! rx.burst(&mut burst);
//! for mbuf in &*burst {
//!     println!("{} bytes", mbuf.data().len());
//! }
//! drop((burst, rx));
//! port.close()?;
//! # Ok(()) }
//! ```

mod burst;
mod channels;
mod claim;
mod descriptor;
mod device;
mod eal;
mod environment;
mod error;
mod ethdev;
mod hardware;
mod interface;
mod interrupt;
mod link;
mod log;
mod mbuf;
mod membership;
mod memory;
mod mempool;
mod namespace;
mod netlink;
mod opening;
mod packet_socket;
mod pci;
mod port;
mod prefetch;
mod queue;
mod removal;
mod ring;
mod room;
mod rx_ring;
mod stats;
mod steering;
mod thread;
mod xsk;

pub use burst::Burst;
pub use device::DeviceClaim;
pub use eal::{Eal, EalConfig};
pub use error::{CloseError, Error};
pub use hardware::{Hardware, LinkStatus, MulticastFilter, Wake, XdpChoice, XdpMode};
pub use link::{Link, LinkState, NotRestored, Restored};
pub use log::LogTail;
pub use mbuf::Mbuf;
pub use membership::{GroupJoiner, GroupSocket};
pub use memory::{Hugepages, Memory};
pub use mempool::Pool;
pub use pci::{PciDevice, PciError};
pub use port::{Port, PortConfig};
pub use prefetch::prefetch;
pub use queue::{RxQueue, TxQueue};
pub use room::{ETHERNET_MTU, LEAST_MTU, MOST_MTU};
pub use rx_ring::{KEPT_MS, LEAST_RX_RING, MOST_RX_RING, RxRing};
pub use stats::{PortStats, XdpStats};
pub use steering::FlowRule;
pub use thread::RegisteredThread;
