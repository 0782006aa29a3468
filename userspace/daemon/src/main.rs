//! `onaird`
fn main() {}
