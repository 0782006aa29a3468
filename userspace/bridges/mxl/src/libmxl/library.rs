//! The loaded library.

use std::ffi::{CStr, OsStr, c_char, c_int, c_void};

use super::Status;
use super::layout::{FlowConfigInfo, FlowInfo, GrainInfo, MultiSlice, VersionType, empty};

/// Why libmxl cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It is not there, or it is no library.
    #[error(
        "cannot load libmxl: {0}: install the MXL library, or give its path (--library, ONAIR_LIBMXL)"
    )]
    Load(libloading::Error),
    /// A library without the functions of version 1.
    #[error("{library} is no libmxl of version 1: {error}")]
    Symbol {
        /// The library.
        library: String,
        /// The loader's error.
        error: libloading::Error,
    },
    /// Structures of another version are laid out otherwise.
    #[error("{library} is version {major}.x: onair-mxl knows 1.x")]
    Version {
        /// The library.
        library: String,
        /// Its version, as it says; 0: it says none.
        major: u16,
    },
}

/// The functions of libmxl that are used, each with its name there.
macro_rules! functions {
    ($($field:ident $symbol:literal ($($argument:ty),*) -> $answer:ty;)*) => {
        #[derive(Debug)]
        pub(super) struct Functions {
            $(pub(super) $field: unsafe extern "C" fn($($argument),*) -> $answer,)*
        }

        impl Functions {
            /// # Safety
            /// The library is a libmxl: its functions have these types. They are called while it is loaded.
            unsafe fn of(library: &libloading::Library) -> Result<Self, libloading::Error> {
                Ok(Self {
                    // SAFETY: the caller's.
                    $($field: *unsafe { library.get($symbol) }?,)*
                })
            }
        }
    };
}

/// A handle of the library.
pub(super) type Handle = *mut c_void;

functions! {
    version b"mxlGetVersion\0" (*mut VersionType) -> c_int;
    create_instance b"mxlCreateInstance\0" (*const c_char, *const c_char) -> Handle;
    destroy_instance b"mxlDestroyInstance\0" (Handle) -> c_int;
    create_writer b"mxlCreateFlowWriter\0"
        (Handle, *const c_char, *const c_char, *mut Handle, *mut FlowConfigInfo, *mut bool) -> c_int;
    release_writer b"mxlReleaseFlowWriter\0" (Handle, Handle) -> c_int;
    create_reader b"mxlCreateFlowReader\0" (Handle, *const c_char, *const c_char, *mut Handle) -> c_int;
    release_reader b"mxlReleaseFlowReader\0" (Handle, Handle) -> c_int;
    reader_info b"mxlFlowReaderGetInfo\0" (Handle, *mut FlowInfo) -> c_int;
    read_grain b"mxlFlowReaderGetGrainSlice\0"
        (Handle, u64, u16, u64, *mut GrainInfo, *mut *mut u8) -> c_int;
    open_grain b"mxlFlowWriterOpenGrain\0" (Handle, u64, *mut GrainInfo, *mut *mut u8) -> c_int;
    commit_grain b"mxlFlowWriterCommitGrain\0" (Handle, *const GrainInfo) -> c_int;
    read_samples b"mxlFlowReaderGetSamples\0" (Handle, u64, usize, u64, *mut MultiSlice) -> c_int;
    open_samples b"mxlFlowWriterOpenSamples\0" (Handle, u64, usize, *mut MultiSlice) -> c_int;
    commit_samples b"mxlFlowWriterCommitSamples\0" (Handle) -> c_int;
}

/// libmxl.
#[derive(Debug)]
pub struct Library {
    pub(super) functions: Functions,
    version: String,
    /// The functions are its.
    _loaded: libloading::Library,
}

impl Library {
    /// The name by which the dynamic linker finds it.
    pub const NAME: &str = "libmxl.so.1";

    /// Loads it: by a name that the dynamic linker looks for, or by a path.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn load(name: &OsStr) -> Result<Self, LoadError> {
        // SAFETY: the operator names a libmxl, whose start and end do nothing that this process forbids.
        let loaded = unsafe { libloading::Library::new(name) }.map_err(LoadError::Load)?;
        let library = name.to_string_lossy().into_owned();
        // SAFETY: as above; `_loaded` outlives the functions, which are private to this module's handles.
        let functions = match unsafe { Functions::of(&loaded) } {
            Ok(functions) => functions,
            Err(error) => return Err(LoadError::Symbol { library, error }),
        };
        let (major, version) = version(&functions);
        if major != 1 {
            return Err(LoadError::Version { library, major });
        }
        Ok(Self {
            functions,
            version,
            _loaded: loaded,
        })
    }

    /// Its version, as it says.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }
}

fn version(functions: &Functions) -> (u16, String) {
    let mut told = empty!(VersionType);
    // SAFETY: the function fills the structure.
    let status = Status::check(unsafe { (functions.version)(&raw mut told) });
    let numbers = format!("{}.{}.{}", told.major, told.minor, told.bugfix);
    match status {
        Ok(()) if !told.full.is_null() => {
            // SAFETY: the text is the library's and stays: `mxl/mxl.h`.
            let full = unsafe { CStr::from_ptr(told.full) };
            (told.major, full.to_string_lossy().into_owned())
        }
        Ok(()) => (told.major, numbers),
        Err(_) => (0, "unknown".to_owned()),
    }
}
