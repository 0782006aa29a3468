//! The border of each call: catches panics, turns errors into negative errnos, keeps the last one.

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;

use onair::{ConvertError, Error, PixelFormat};

/// `None`: the program was built without it.
static RUNTIME: LazyLock<Option<Runtime>> = LazyLock::new(|| {
    Some(Runtime {
        begin: [
            annotation(c"AnnotateIgnoreReadsBegin")?,
            annotation(c"AnnotateIgnoreWritesBegin")?,
        ],
        end: [
            annotation(c"AnnotateIgnoreWritesEnd")?,
            annotation(c"AnnotateIgnoreReadsEnd")?,
        ],
    })
});

/// Why a call failed.
#[derive(Debug)]
pub(crate) enum Fault {
    /// An error of the library.
    Library(Error),
    /// Pixels that cannot be converted: `EINVAL`.
    Convert(ConvertError),
    /// A session's specification with an invalid field, or that is no JSON: `EINVAL`.
    Specification(serde_json::Error),
    /// A wrong use that only C permits: the errno, and what is wrong.
    Use(c_int, &'static str),
}

thread_local! {
    static LAST: RefCell<Option<Fault>> = const { RefCell::new(None) };
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Library(error)
    }
}

impl Fault {
    /// Positive.
    fn errno(&self) -> c_int {
        match self {
            Self::Library(error) => error.errno(),
            Self::Convert(_) | Self::Specification(_) => libc::EINVAL,
            Self::Use(errno, _) => *errno,
        }
    }
}

/// `EINVAL`, with what is wrong.
pub(crate) const fn invalid(what: &'static str) -> Fault {
    Fault::Use(libc::EINVAL, what)
}

/// Runs a call. Not for those that a signal handler may make: it may allocate.
pub(crate) fn call(body: impl FnOnce() -> Result<c_int, Fault>) -> c_int {
    let _unwatched = Unwatched::enter();
    let result = catch_unwind(AssertUnwindSafe(body)).unwrap_or(Err(Fault::Use(
        libc::EIO,
        "a fault in the library; report it",
    )));
    result.unwrap_or_else(|fault| {
        let errno = -fault.errno();
        // A thread that ends keeps none.
        let _ = LAST.try_with(|last| last.replace(Some(fault)));
        errno
    })
}

/// A text that the caller passed, which must be there.
///
/// # Safety
/// `text` is null or ends with a zero byte.
pub(crate) unsafe fn text<'a>(text: *const c_char) -> Result<&'a str, Fault> {
    if text.is_null() {
        return Err(invalid("a text is NULL"));
    }
    // SAFETY: the caller's promise.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map_err(|_| invalid("a text is not UTF-8"))
}

/// A pixel format by FFmpeg's name.
///
/// # Safety
/// As [`text`].
pub(crate) unsafe fn pixel_format(layout: *const c_char) -> Result<PixelFormat, Fault> {
    // SAFETY: the caller's promise.
    let name = unsafe { text(layout)? };
    let format = name.parse();
    format.map_err(|_| invalid("this library does not know the layout"))
}

/// Copies as much of `text` as fits, and a zero byte.
pub(crate) fn copy(text: &str, target: &mut [c_char]) {
    let Some(room) = target.len().checked_sub(1) else {
        return;
    };
    let end = text.floor_char_boundary(room);
    for (to, from) in target.iter_mut().zip(text[..end].bytes().chain([0])) {
        *to = from.cast_signed();
    }
}

/// # Safety
/// See `onair.h`.
#[unsafe(no_mangle)]
unsafe extern "C" fn onair_last_error(text: *mut c_char, bytes: usize) -> c_int {
    if text.is_null() || bytes == 0 || isize::try_from(bytes).is_err() {
        return -libc::EINVAL;
    }
    let message = catch_unwind(|| {
        let last = LAST.try_with(|last| match &*last.borrow() {
            None => String::new(),
            Some(Fault::Library(error)) => error.to_string(),
            Some(Fault::Convert(error)) => error.to_string(),
            Some(Fault::Specification(error)) => {
                format!("invalid session specification: {error}")
            }
            Some(Fault::Use(_, what)) => (*what).to_owned(),
        });
        last.unwrap_or_default()
    });
    // SAFETY: the caller's promise: `bytes` bytes may be written.
    let target = unsafe {
        text.write_bytes(0, bytes);
        std::slice::from_raw_parts_mut(text, bytes)
    };
    copy(&message.unwrap_or_default(), target);
    0
}

#[unsafe(no_mangle)]
extern "C" fn onair_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}

#[unsafe(no_mangle)]
extern "C" fn onair_strerror(error: c_int) -> *const c_char {
    let text = match error.checked_abs().unwrap_or_default() {
        0 => c"success",
        libc::EAGAIN => c"the session is stopped",
        libc::ETIMEDOUT => c"nothing arrived in time, or the daemon did not answer",
        libc::ESTALE => c"the session, the attachment or the daemon is gone",
        libc::EALREADY => c"the buffer was already put",
        libc::EINVAL => c"wrong use, or an invalid specification",
        libc::EBUSY => c"the session has users",
        libc::EACCES => c"not allowed",
        libc::EPERM => c"not permitted by the kernel",
        libc::ENOENT => c"no such session, or no daemon at the socket",
        libc::ECONNREFUSED => c"no daemon answers at the socket",
        libc::EEXIST => c"the name is taken",
        libc::EDQUOT => c"a limit is reached",
        libc::EMFILE => c"too many sessions or descriptors in this process",
        libc::ENODEV => c"no such port",
        libc::ECANCELED => c"frames were dropped",
        libc::ESHUTDOWN => c"the daemon is shutting down",
        libc::EPROTO => c"library and daemon do not match",
        libc::EIO => c"a fault in the daemon or the library",
        _ => c"an error of the kernel; see errno(3)",
    };
    text.as_ptr()
}

/// `AnnotateIgnore…(file, line)` of the runtime.
type Annotate = unsafe extern "C" fn(*const c_char, c_int);

struct Runtime {
    begin: [Annotate; 2],
    end: [Annotate; 2],
}

fn annotation(name: &CStr) -> Option<Annotate> {
    // SAFETY: the name ends with a zero byte.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    // SAFETY: a function of this name is the runtime's, and has this type.
    (!found.is_null()).then(|| unsafe { std::mem::transmute::<*mut c_void, Annotate>(found) })
}

/// While it lives, the runtime ignores what this thread reads and writes.
pub(crate) struct Unwatched(&'static Option<Runtime>);

impl Unwatched {
    pub(crate) fn enter() -> Self {
        let this = Self(&RUNTIME);
        this.tell(|it| &it.begin);
        this
    }

    fn tell(&self, which: impl FnOnce(&Runtime) -> &[Annotate; 2]) {
        for annotate in self.0.as_ref().map(which).into_iter().flatten() {
            // SAFETY: the runtime takes any place in a source.
            unsafe { annotate(c"onair".as_ptr(), 0) };
        }
    }
}

impl Drop for Unwatched {
    fn drop(&mut self) {
        self.tell(|it| &it.end);
    }
}
