//! The kernel's types, which each program is fitted to.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use aya_obj::btf::{Btf, BtfError};

/// What was read, while anything has it: a process has one kernel.
static READ: Mutex<Weak<Btf>> = Mutex::new(Weak::new());

/// The kernel's types. To read them takes some 25 ms and 10 MiB: while one exists, the others are the same.
#[derive(Clone, Debug)]
pub struct KernelTypes(Arc<Btf>);

impl KernelTypes {
    /// Reads `/sys/kernel/btf/vmlinux`, unless another one exists.
    ///
    /// # Errors
    /// The kernel does not describe its types.
    pub fn read() -> Result<Self, BtfError> {
        // Another thread that needs them waits, instead of reading them, too.
        let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(types) = read.upgrade() {
            return Ok(Self(types));
        }
        let types = Arc::new(Btf::from_sys_fs()?);
        *read = Arc::downgrade(&types);
        Ok(Self(types))
    }

    pub(crate) fn btf(&self) -> &Btf {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_while_another_has_them_then_read_once() {
        let first = KernelTypes::read().expect("these tests need a kernel with BTF");
        let threads = [(); 2].map(|()| std::thread::spawn(|| KernelTypes::read().unwrap()));
        for thread in threads {
            assert!(Arc::ptr_eq(&first.0, &thread.join().unwrap().0));
        }
    }
}
