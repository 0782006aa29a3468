//! Command line of the control socket
fn main() {}
