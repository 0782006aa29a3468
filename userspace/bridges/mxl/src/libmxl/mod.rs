//! The MXL library (dmf-mxl/mxl), loaded at run time: the only unsafe code of this program.
//!
//! It trusts the library itself, and that the files of a domain do not shrink while they are mapped: the library
//! maps them by their sizes, and a file that its owner cuts off ends each process that has it mapped (SIGBUS). It does
//! not trust the contents of the files: sizes of grains and channels are those of the flow's definition, which
//! [`domain`](crate::domain) compares with the files before a flow is used.

mod instance;
mod layout;
mod library;
mod reader;
mod status;
mod writer;

pub use instance::{Instance, NoInstance};
pub use library::{Library, LoadError};
pub use reader::{FlowReader, GrainHead, Head};
pub use status::Status;
pub use writer::{FlowWriter, OpenGrain};
