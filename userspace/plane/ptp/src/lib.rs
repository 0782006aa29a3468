//! Management messages of PTP (IEEE 1588-2008, clause 15), as a client exchanges them with ptp4l.
//!
//! Requests for data sets are written, answers are parsed. Answers come from another process: no
//! byte of them is believed before its message is complete and of the asked kind. Sockets and
//! deadlines do not belong here.

mod data_set;
mod identity;
mod reply;
mod request;

pub use data_set::{
    CurrentData, DefaultData, HardwareClock, InterfaceName, ParentData, PortProperties,
    TimeProperties,
};
pub use identity::{ClockIdentity, PortIdentity};
pub use reply::{Content, Reject, Reply};
pub use request::{DataSet, Request};

/// Version of the protocol, in the low half of its byte.
const VERSION: u8 = 2;
/// Message type, in the low half of its byte.
const MANAGEMENT: u8 = 0x0d;
/// Length of the header and of the fields before the TLV, in bytes.
const TLV_AT: usize = 48;
/// Length of a TLV's type, length and management id.
const TLV_HEAD: usize = 6;
