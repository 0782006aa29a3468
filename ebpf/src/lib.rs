//! The BPF program that observes blocked callers, its structs and its probe sites
