//! A buffer part by part, while it is received: a copy or a conversion of it costs no time behind the last packet.

use super::open::bytes_in;
use super::{BufferOf, LenderOf};
use crate::carries::Described as _;
use crate::{Error, Timeout};

/// Parts of a buffer. Each costs a wake.
const PARTS: usize = 16;

/// Where the part ends that begins at `done`, of rows of `row` bytes.
fn end_of_part(done: usize, row: usize, all: usize) -> usize {
    let rows = (all / row).div_ceil(PARTS).max(1);
    (done + rows * row).min(all)
}

impl<S: LenderOf> BufferOf<S> {
    /// Calls `take` with each part of the buffer as soon as it has come: where it begins, and its bytes, which are whole
    /// rows. Returns when the buffer has ended, and waits at most `timeout` for each part. What did not come is in the
    /// last part as it is in the buffer.
    ///
    /// # Errors
    /// As [`BufferOf::wait_for`]; the first one of `take`.
    pub fn each_part<E: From<Error>>(
        &self,
        timeout: Timeout,
        mut take: impl FnMut(usize, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let (row, _) = self.layout().row();
        let row = (row as usize).max(1);
        let all = bytes_in(&self.session, &self.held.meta());
        let mut done = 0;
        loop {
            // Its end is known after its last byte.
            let wanted = match end_of_part(done, row, all) {
                end if end > done => end,
                _ => usize::MAX,
            };
            let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
            let open = self.held.wait_bytes(wanted, timeout.deadline(), None);
            let open = open.map_err(Error::from)?;
            let end = open.map_or(all, |stand| (stand as usize / row * row).min(all));
            if end > done {
                take(done, &self[done..end])?;
                done = end;
            }
            if open.is_none() {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_any_buffer_then_whole_rows_to_its_end() {
        for (row, all) in [(4800, 4800 * 1080), (10, 30), (7, 7 * 17), (1, 100)] {
            let mut ends = vec![0];
            while ends[ends.len() - 1] < all {
                ends.push(end_of_part(ends[ends.len() - 1], row, all));
            }
            assert!(ends.len() <= PARTS + 1, "{ends:?}");
            assert!(ends.iter().all(|it| it % row == 0), "{ends:?}");
            assert_eq!(ends.last(), Some(&all));
        }
        assert_eq!(end_of_part(30, 10, 30), 30);
    }
}
