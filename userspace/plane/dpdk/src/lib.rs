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

mod cleanup;
mod device;
mod eal;
mod error;
mod filter;
mod kernel;
mod log;
mod packets;
mod port;

pub use device::DeviceClaim;
pub use device::pci::PciDevice;
pub use eal::RegisteredThread;
pub use eal::memory::{Hugepages, Memory};
pub use eal::{Eal, EalConfig};
pub use error::{Error, PciError};
pub use filter::{Arriving, OwnPackets, Passed, PortFilter};
pub use kernel::inheritance::inherit_no_files;
pub use kernel::membership::{GroupJoiner, GroupSocket};
pub use kernel::xsk::wait_for_grace_period;
pub use log::LogTail;
pub use packets::burst::Burst;
pub use packets::mbuf::Mbuf;
pub use packets::mempool::Pool;
pub use packets::prefetch;
pub use packets::room::{ETHERNET_MTU, LEAST_MTU, MOST_MTU};
pub use port::close_error::CloseError;
pub use port::hardware::{Hardware, LinkStatus, MulticastFilter, Wake, XdpChoice, XdpMode};
pub use port::link::{Link, LinkState, NotRestored, Restored};
pub use port::queue::{RxQueue, TxQueue};
pub use port::rx_ring::{LEAST_RX_RING, MOST_RX_RING, RING_MS, RxRing};
pub use port::stats::{PortStats, XdpStats};
pub use port::steering::FlowRule;
pub use port::{Port, PortConfig, PreparedPort};
