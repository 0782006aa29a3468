//! A plant in a box: what an engineer finds on the first day, and what the engineer does in the first hour.
//!
//! Three namespaces, as three machines: the *host*, whose interfaces `vb` (10.77.0.2) and `vd` (10.78.0.2) have the addresses
//! of the daemon's ports; the *switch*, a bridge of the kernel that snoops and queries; the *studio*, with the cameras, the
//! grandmaster and the engineer's own machine. The host runs what hosts run: ptp4l, sshd, a web server.
//!
//! A [`Row`] is one thing that the engineer does. It makes a plant of its own, and says what was seen.

mod node;
mod peers;
mod registry;
mod rows;
mod services;
mod site;

pub use node::{Node, tai_in, tai_second_in};
pub use peers::{Camera, Stranger};
pub use registry::Registry;
pub use rows::{Kind, ROWS, Row};
pub use site::Plant;
