//! The kernel's types, to which each program is fitted.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use aya_obj::btf::{Btf, BtfError, BtfKind};
use onair_ebpf::names::{KERNEL_TYPES, SENDMSG};

use crate::programs::reduced::RawTypes;

const KERNEL: &str = "/sys/kernel/btf/vmlinux";

/// The types, while a value of them exists: a process has one kernel.
static READ: Mutex<Weak<Types>> = Mutex::new(Weak::new());

/// The kernel's types, as far as a program needs them. To read them takes some 4 ms: while one exists, the others are the
/// same.
#[derive(Clone, Debug)]
pub struct KernelTypes(Arc<Types>);

#[derive(Debug)]
struct Types {
    btf: Btf,
    sendmsg: Option<u32>,
}

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
        let types = Arc::new(Types::read()?);
        *read = Arc::downgrade(&types);
        Ok(Self(types))
    }

    pub(crate) fn btf(&self) -> &Btf {
        &self.0.btf
    }

    /// The id of the kernel's function [`SENDMSG`].
    pub(crate) fn sendmsg(&self) -> Option<u32> {
        self.0.sendmsg
    }
}

impl Types {
    fn read() -> Result<Self, BtfError> {
        let all = fs::read(KERNEL).map_err(|error| BtfError::FileError {
            path: Path::new(KERNEL).to_owned(),
            error,
        })?;
        let needed = RawTypes::of(&all).and_then(|all| {
            let sendmsg = all.function(SENDMSG);
            Some((all.only(KERNEL_TYPES)?, sendmsg))
        });
        if let Some((needed, sendmsg)) = needed
            && let Ok(btf) = parsed(&needed)
        {
            return Ok(Self { btf, sendmsg });
        }
        tracing::debug!("the kernel's types are of an unknown form: all are read");
        let btf = parsed(&all)?;
        let sendmsg = btf.id_by_type_name_kind(SENDMSG, BtfKind::Func).ok();
        Ok(Self { btf, sendmsg })
    }
}

/// Of this machine's order of bytes.
fn parsed(types: &[u8]) -> Result<Btf, BtfError> {
    Btf::parse(types, Default::default())
}

#[cfg(test)]
mod tests {
    use aya_obj::Object;

    use super::*;

    #[test]
    fn types_while_another_has_them_then_read_once() {
        let first = KernelTypes::read().expect("these tests need a kernel with BTF");
        let threads = [(); 2].map(|()| std::thread::spawn(|| KernelTypes::read().unwrap()));
        for thread in threads {
            assert!(Arc::ptr_eq(&first.0, &thread.join().unwrap().0));
        }
    }

    #[test]
    fn programs_fitted_to_what_is_needed_then_as_to_all_types() {
        let all = Btf::from_sys_fs().unwrap();
        let needed = KernelTypes::read().unwrap();
        let fitted = |object, types: &Btf| {
            let mut object = Object::parse(object).unwrap();
            object.relocate_btf(types).unwrap();
            let functions = object.functions.into_values();
            let codes = functions.map(|it| format!("{:?}", it.instructions));
            codes.collect::<Vec<_>>()
        };
        for object in [
            onair_ebpf::object(),
            onair_ebpf::openings(),
            onair_ebpf::descriptors(),
        ] {
            assert_eq!(fitted(object, needed.btf()), fitted(object, &all));
        }
        let function = all.id_by_type_name_kind(SENDMSG, BtfKind::Func).unwrap();
        assert_eq!(needed.sendmsg(), Some(function));
        let (some, all) = (needed.btf().to_bytes().len(), all.to_bytes().len());
        assert!(some < all / 20, "{some} of {all} bytes");
    }
}
