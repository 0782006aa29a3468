//! ThreadSanitizer in the caller's program does not see the locks of this library, only its copies and frees: it would
//! report them as races. Its runtime is told to look away while a call is inside.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::LazyLock;

/// `AnnotateIgnore…(file, line)` of the runtime.
type Annotate = unsafe extern "C" fn(*const c_char, c_int);

struct Runtime {
    begin: [Annotate; 2],
    end: [Annotate; 2],
}

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
