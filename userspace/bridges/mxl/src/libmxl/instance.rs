//! A domain that is open.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;

use super::library::{Handle, Library};

/// The library's view of a domain. Each has a thread of its own, and its flows are its own.
#[derive(Debug)]
pub struct Instance {
    pub(super) library: Arc<Library>,
    pub(super) handle: Handle,
}

// SAFETY: the library guards an instance by a mutex of its own.
unsafe impl Send for Instance {}
// SAFETY: as above.
unsafe impl Sync for Instance {}

/// The library opens no such domain.
#[derive(Debug, thiserror::Error)]
#[error("libmxl does not open {0}: is it a folder that this user may use?")]
pub struct NoInstance(std::path::PathBuf);

impl Instance {
    /// Opens the domain in a folder.
    ///
    /// # Errors
    /// [`NoInstance`].
    pub fn open(library: &Arc<Library>, domain: &Path) -> Result<Arc<Self>, NoInstance> {
        let no = || NoInstance(domain.to_owned());
        let path = CString::new(domain.as_os_str().as_bytes()).map_err(|_| no())?;
        // SAFETY: two texts that end with zero.
        let handle = unsafe { (library.functions.create_instance)(path.as_ptr(), c"".as_ptr()) };
        if handle.is_null() {
            return Err(no());
        }
        Ok(Arc::new(Self {
            library: Arc::clone(library),
            handle,
        }))
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // SAFETY: the handle is of this library; writers and readers, which keep the instance, are gone.
        unsafe { (self.library.functions.destroy_instance)(self.handle) };
    }
}
