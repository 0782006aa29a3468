//! Who may do what.
//!
//! A user logs in with a token of the users' file, and gets a cookie. The file is read at each login and each action: a
//! line that is gone, or has another role, counts at once. Cookies live in memory: after a restart users log in again.

use std::collections::HashMap;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{fs, io};

use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// Shortest token, in bytes.
const SHORTEST: usize = 20;
/// How long a login lasts.
const LASTS: Duration = Duration::from_secs(12 * 3600);
/// Logins at a time; of more the oldest end.
const LOGINS: usize = 256;
/// Wrong tokens of an address within [`WITHIN`]; then it waits.
const ATTEMPTS: usize = 5;
/// See [`ATTEMPTS`].
const WITHIN: Duration = Duration::from_secs(60);
/// Addresses that are remembered.
const ADDRESSES: usize = 4096;

/// Rights of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Look.
    Watch,
    /// Stop, start, retarget, record.
    Operate,
    /// Also evict and destroy.
    Admin,
}

/// Why the users' file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    /// It cannot be read.
    #[error("cannot read {0}: {1}")]
    Read(PathBuf, io::Error),
    /// Others can read the tokens.
    #[error("{0} has mode {1:04o}: other users can read its tokens; run `chmod 600 {0}`")]
    Open(PathBuf, u32),
    /// A line is none of a user.
    #[error(
        "{0}, line {1}: write NAME ROLE TOKEN, with the role operate or admin, and a token of at least {SHORTEST} characters"
    )]
    Line(PathBuf, usize),
}

/// A user of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct User {
    name: String,
    role: Role,
    token: [u8; 32],
}

/// A cookie's user.
#[derive(Clone, Debug)]
struct Login {
    name: String,
    token: [u8; 32],
    csrf: String,
    until: Instant,
}

/// Result of a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedIn {
    /// Name of the user.
    pub name: String,
    /// Its rights.
    pub role: Role,
    /// Each action has it in a header, which no other origin can send.
    pub csrf: String,
}

/// Why there is no login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotLoggedIn {
    /// The token is none.
    #[error("no user has this token")]
    Token,
    /// Too many wrong ones.
    #[error("too many wrong tokens came from this address: wait a minute")]
    Wait,
    /// The file is not usable now; the log says why.
    #[error("the users' file cannot be used: see the log of onair-wall")]
    File,
}

/// The users of a file.
#[derive(Debug)]
pub struct Users {
    path: PathBuf,
    logins: Mutex<HashMap<String, Login>>,
    wrong: Mutex<HashMap<IpAddr, Vec<Instant>>>,
}

impl Users {
    /// The users of the file at `path`.
    ///
    /// # Errors
    /// [`UsersError`].
    pub fn open(path: PathBuf) -> Result<Self, UsersError> {
        let users = Self {
            path,
            logins: Mutex::default(),
            wrong: Mutex::default(),
        };
        users.read()?;
        Ok(users)
    }

    fn read(&self) -> Result<Vec<User>, UsersError> {
        let path = || self.path.clone();
        let failed = |error| UsersError::Read(path(), error);
        let mode = fs::metadata(&self.path).map_err(failed)?.mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(UsersError::Open(path(), mode));
        }
        let text = fs::read_to_string(&self.path).map_err(failed)?;
        let lines = text.lines().enumerate();
        let lines = lines.filter(|(_, it)| !it.trim().is_empty() && !it.starts_with('#'));
        let user =
            |(at, line): (usize, &str)| user(line).ok_or_else(|| UsersError::Line(path(), at + 1));
        lines.map(user).collect()
    }

    /// Logs a user in. Gives the cookie.
    ///
    /// # Errors
    /// [`NotLoggedIn`].
    pub fn login(&self, token: &str, from: IpAddr) -> Result<(String, LoggedIn), NotLoggedIn> {
        let now = Instant::now();
        let mut wrong = lock(&self.wrong);
        let recent = |it: &Instant| now - *it < WITHIN;
        if wrong.len() >= ADDRESSES {
            wrong.retain(|_, it| it.iter().any(recent));
        }
        if wrong.len() >= ADDRESSES {
            return Err(NotLoggedIn::Wait);
        }
        let attempts = wrong.entry(from).or_default();
        attempts.retain(recent);
        if attempts.len() >= ATTEMPTS {
            return Err(NotLoggedIn::Wait);
        }
        attempts.push(now);
        let token = digest(token);
        let user = self.user(token)?.ok_or(NotLoggedIn::Token)?;
        wrong.remove(&from);
        drop(wrong);
        let (cookie, csrf) = (hex(), hex());
        let (cookie, csrf) = cookie.zip(csrf).ok_or(NotLoggedIn::File)?;
        let login = Login {
            name: user.name.clone(),
            token,
            csrf: csrf.clone(),
            until: now + LASTS,
        };
        let mut logins = lock(&self.logins);
        logins.retain(|_, it| it.until > now);
        if logins.len() >= LOGINS {
            let oldest = logins.iter().min_by_key(|(_, it)| it.until);
            let oldest = oldest.map(|(cookie, _)| cookie.clone());
            oldest.and_then(|it| logins.remove(&it));
        }
        logins.insert(cookie.clone(), login);
        let logged_in = LoggedIn {
            name: user.name,
            role: user.role,
            csrf,
        };
        Ok((cookie, logged_in))
    }

    /// The user of a cookie, as the file has it now.
    #[must_use]
    pub fn of_cookie(&self, cookie: &str) -> Option<LoggedIn> {
        let login = lock(&self.logins).get(cookie).cloned()?;
        let user = self.user(login.token).ok()??;
        let is_valid = login.until > Instant::now() && user.name == login.name;
        is_valid.then_some(LoggedIn {
            name: user.name,
            role: user.role,
            csrf: login.csrf,
        })
    }

    /// Ends a login.
    pub fn logout(&self, cookie: &str) {
        lock(&self.logins).remove(cookie);
    }

    /// The user with a token of this digest. Digests are compared: how long that takes says nothing of a token.
    fn user(&self, token: [u8; 32]) -> Result<Option<User>, NotLoggedIn> {
        let users = self.read().map_err(|error| {
            tracing::warn!("{error}");
            NotLoggedIn::File
        })?;
        Ok(users.into_iter().find(|it| it.token == token))
    }
}

fn user(line: &str) -> Option<User> {
    let mut words = line.split_whitespace();
    let (name, role, token) = (words.next()?, words.next()?, words.next()?);
    let role = match role {
        "operate" => Role::Operate,
        "admin" => Role::Admin,
        _ => return None,
    };
    let is_right = words.next().is_none() && token.len() >= SHORTEST;
    is_right.then(|| User {
        name: name.to_owned(),
        role,
        token: digest(token),
    })
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// Random bytes.
///
/// # Errors
/// The kernel has none.
pub(crate) fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    let mut at = 0;
    while at < N {
        let flags = rustix::rand::GetRandomFlags::empty();
        at += rustix::rand::getrandom(&mut bytes[at..], flags)?;
    }
    Ok(bytes)
}

fn hex() -> Option<String> {
    let bytes: [u8; 32] = random().ok()?;
    Some(bytes.iter().map(|it| format!("{it:02x}")).collect())
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const FILE: &str =
        "# users\nann operate 0123456789012345678a\nbob admin 0123456789012345678b\n";
    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn file(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (folder, path)
    }

    #[test]
    fn token_of_a_user_then_its_role_until_the_line_is_gone() {
        let (_folder, path) = file(FILE, 0o600);
        let users = Users::open(path.clone()).unwrap();
        let (cookie, ann) = users.login("0123456789012345678a", HERE).unwrap();
        assert_eq!((&*ann.name, ann.role), ("ann", Role::Operate));
        assert_eq!(users.of_cookie(&cookie), Some(ann));
        fs::write(&path, FILE.replace("ann operate", "ann admin")).unwrap();
        assert_eq!(users.of_cookie(&cookie).unwrap().role, Role::Admin);
        fs::write(&path, FILE.lines().last().unwrap()).unwrap();
        assert_eq!(users.of_cookie(&cookie), None);
        let (cookie, _) = users.login("0123456789012345678b", HERE).unwrap();
        users.logout(&cookie);
        assert_eq!(users.of_cookie(&cookie), None);
    }

    #[test]
    fn wrong_tokens_then_that_address_waits_and_no_other() {
        let (_folder, path) = file(FILE, 0o600);
        let users = Users::open(path).unwrap();
        for _ in 0..ATTEMPTS {
            let wrong = users.login("01234567890123456789", HERE);
            assert_eq!(wrong.unwrap_err(), NotLoggedIn::Token);
        }
        let right = "0123456789012345678a";
        assert_eq!(users.login(right, HERE).unwrap_err(), NotLoggedIn::Wait);
        let other = IpAddr::from([127, 0, 0, 2]);
        assert!(users.login(right, other).is_ok());
    }

    #[test]
    fn file_that_others_read_or_a_wrong_line_then_refused() {
        for (text, mode, part) in [
            (FILE, 0o640, "chmod 600"),
            ("ann operate short\n", 0o600, "line 1"),
            ("\nann root 0123456789012345678a\n", 0o600, "line 2"),
        ] {
            let (_folder, path) = file(text, mode);
            let error = Users::open(path).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
