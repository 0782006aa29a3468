//! The map of a daemon's own probe. The programs that fill it run in the callers, so it stays right
//! while the daemon hangs, and it includes waits from before this tool started.

use anyhow::{Context, Result};
use libbpf_rs::query::MapInfoIter;
use libbpf_rs::{MapHandle, MapType};
use onair_ebpf::layout::{WAITER_SIZE, Waiter, waiter_key};
use onair_ebpf::names;

use crate::kernel::entries;

/// Entries of every map of waiters in the kernel but `own`.
pub(crate) fn waiters(own: Option<u32>) -> Result<Vec<Waiter>> {
    let mut found = Vec::new();
    for info in MapInfoIter::default() {
        let is_one = info.name == names::WAITERS
            && info.ty == MapType::Hash
            && info.key_size as usize == size_of::<u64>()
            && info.value_size as usize == WAITER_SIZE
            && Some(info.id) != own;
        if !is_one {
            continue;
        }
        let map = MapHandle::from_map_id(info.id).context("map of a daemon")?;
        found.extend(entries(&map)?.into_iter().filter(is_plausible));
    }
    Ok(found)
}

/// The name and the sizes could match another program's by chance; its numbers would not.
fn is_plausible(waiter: &Waiter) -> bool {
    waiter.since != 0 && waiter.ns_tgid != 0 && waiter_key(waiter.tgid, waiter.tid) != 0
}
