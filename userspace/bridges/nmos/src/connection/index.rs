//! Index of resources by identity.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A map by identity, with the version of what it is made of.
type Known<V, T> = (V, Arc<HashMap<String, T>>);

/// A map by identity: made once for each version of what it is made of, however many ask.
#[derive(Debug)]
pub(super) struct Index<V, T>(Mutex<Option<Known<V, T>>>);

impl<V, T> Default for Index<V, T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<V: PartialEq, T> Index<V, T> {
    /// That of this version.
    pub(super) fn of<I>(&self, version: V, make: impl FnOnce() -> I) -> Arc<HashMap<String, T>>
    where
        I: IntoIterator<Item = (String, T)>,
    {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, map)) = last.as_ref().filter(|(of, _)| *of == version) {
            return Arc::clone(map);
        }
        let map = Arc::new(make().into_iter().collect());
        *last = Some((version, Arc::clone(&map)));
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_one_version_asked_for_often_then_made_once() {
        let (index, mut made) = (Index::default(), 0);
        for (version, id, found) in [
            (1, "a", true),
            (1, "b", false),
            (1, "a", true),
            (2, "a", true),
        ] {
            let map = index.of(version, || {
                made += 1;
                [("a".to_owned(), ())]
            });
            assert_eq!(map.contains_key(id), found);
        }
        assert_eq!(made, 2);
    }
}
