//! A decreasing number of users.

use std::fmt;

/// Most numbers shown: the first one and the last ones.
const SHOWN: usize = 6;

/// The numbers seen so far, each once: `12 … 3 … 0 users`.
#[derive(Debug, Default)]
pub(crate) struct Falling {
    seen: Vec<u64>,
}

impl Falling {
    /// Records the number of users left. Returns whether it changed.
    pub(crate) fn now(&mut self, users: u64) -> bool {
        if self.seen.last() == Some(&users) {
            return false;
        }
        if self.seen.len() >= SHOWN {
            self.seen.remove(1);
        }
        self.seen.push(users);
        true
    }
}

impl fmt::Display for Falling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seen: Vec<_> = self.seen.iter().map(ToString::to_string).collect();
        let noun = if self.seen == [1] { "user" } else { "users" };
        write!(f, "{} {noun}", seen.join(" … "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn falling_seen_again_then_each_number_once_and_a_short_line() {
        let mut users = Falling::default();
        assert!(users.now(1));
        assert_eq!(users.to_string(), "1 user");
        let mut users = Falling::default();
        for count in [12, 12, 3, 3, 0] {
            users.now(count);
        }
        assert_eq!(users.to_string(), "12 … 3 … 0 users");
        for count in (0..100).rev() {
            users.now(count);
        }
        assert_eq!(users.to_string(), "12 … 4 … 3 … 2 … 1 … 0 users");
    }
}
