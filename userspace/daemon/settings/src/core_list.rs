//! Lists of processor cores, as the kernel writes them (Documentation/admin-guide/cputopology.rst).

use std::collections::BTreeSet;

/// The numbers of a list such as `0-2,5`.
pub fn numbers(list: &str) -> BTreeSet<usize> {
    let ranges = list.split(',').filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.trim().parse().ok()?..=last.trim().parse().ok()?)
    });
    ranges.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_numbers_are_read_and_garbage_is_none() {
        assert_eq!(numbers("0-2,5"), [0, 1, 2, 5].into());
        assert_eq!(numbers("7\n"), [7].into());
        assert_eq!(numbers(""), BTreeSet::new());
        assert_eq!(numbers("x-1,3"), [3].into());
    }
}
