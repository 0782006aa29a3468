//! Network namespaces. Only threads made for one task enter them.

use std::{fs::File, io, os::fd::AsFd, path::Path, thread};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::Error;

/// A named network namespace. It stays the same one, even if its name is removed or given to
/// another.
#[derive(Debug)]
pub(crate) struct Namespace {
    name: String,
    file: File,
}

impl Namespace {
    /// Opens `/run/netns/<name>`, as `ip netns add` makes it.
    pub(crate) fn open(name: &str) -> Result<Self, Error> {
        if name.is_empty() || name.contains('/') || name.starts_with('.') {
            return Err(Error::Invalid {
                what: "network namespace",
                value: name.to_owned(),
                expected: "a name under /run/netns",
            });
        }
        match File::open(Path::new("/run/netns").join(name)) {
            Ok(file) => Ok(Self {
                name: name.to_owned(),
                file,
            }),
            Err(source) => Err(Error::Namespace {
                name: name.to_owned(),
                source,
            }),
        }
    }

    /// The same namespace once more.
    pub(crate) fn try_clone(&self) -> Result<Self, Error> {
        let name = self.name.clone();
        match self.file.try_clone() {
            Ok(file) => Ok(Self { name, file }),
            Err(source) => Err(Error::Namespace { name, source }),
        }
    }

    fn enter(&self) -> Result<(), Error> {
        move_into_link_name_space(self.file.as_fd(), Some(LinkNameSpaceType::Network)).map_err(
            |e| Error::Namespace {
                name: self.name.clone(),
                source: io::Error::from(e),
            },
        )
    }
}

/// Runs `work` in its own thread, in `namespace` if there is one, and waits for it. No other thread
/// of the process changes its namespace.
pub(crate) fn run<T: Send>(
    namespace: Option<&Namespace>,
    work: impl FnOnce() -> T + Send,
) -> Result<T, Error> {
    thread::scope(|scope| {
        thread::Builder::new()
            .name("onair-port".into())
            .spawn_scoped(scope, || {
                namespace.map_or(Ok(()), Namespace::enter)?;
                Ok(work())
            })
            .map_err(Error::Thread)?
            .join()
            .expect("what runs here does not panic")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_of_none_names_it() {
        let error = Namespace::open("oad-is-not-there").unwrap_err();
        assert!(error.to_string().contains("oad-is-not-there"));
        for name in ["", "..", "a/b"] {
            assert!(matches!(Namespace::open(name), Err(Error::Invalid { .. })));
        }
    }
}
