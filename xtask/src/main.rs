//! cargo xtask setup | demo | test | lint | bench
fn main() {}
