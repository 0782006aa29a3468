//! What cargo xtask bench runs
fn main() {}
