//! The machine: namespaces, file systems, hugepages, cgroups, BPF objects, and what `/proc` shows.

pub(crate) mod bpf;
pub(crate) mod cgroup;
pub(crate) mod command;
pub(crate) mod disk;
pub(crate) mod folder;
pub(crate) mod hugepages;
pub(crate) mod namespace;
pub(crate) mod oracle;
pub(crate) mod runtime_folders;
pub(crate) mod sysctl;
