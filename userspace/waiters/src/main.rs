//! Lists callers blocked in buffer_get, even when the daemon is wedged
fn main() {}
