//! Clients that take too much, do it wrong, or mean harm.

mod attach_socket;
mod containers;
mod control_held;
mod descriptors;
mod leaks;
mod punching;
mod shares;
mod trace;
