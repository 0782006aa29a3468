//! The name of a recording whose requester gives none.

use std::time::SystemTime;

use onair_api::RecordingName;

/// Session name and time, so that the files of one session sort in order, and a number if others have that name.
pub(super) fn default_name(
    session: &str,
    at: SystemTime,
    is_taken: impl Fn(&RecordingName) -> bool,
) -> RecordingName {
    let at = humantime::format_rfc3339_seconds(at).to_string();
    let digits: String = at.chars().filter(char::is_ascii_digit).collect();
    let (date, time) = digits.split_at(digits.len().min(8));
    // With the longest number of a second recording in the same second it has 63 characters.
    let session = &session[..session.len().min(40)];
    let plain = format!("{session}-{date}t{time}z");
    let numbered = (2..).map(|number| format!("{plain}-{number}"));
    let mut names = std::iter::once(plain.clone()).chain(numbered);
    names
        .find_map(|name| {
            let name: RecordingName = name.parse().ok()?;
            (!is_taken(&name)).then_some(name)
        })
        .expect("there are fewer recordings than numbers")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn name_has_session_and_second_and_a_number_if_taken() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let first = default_name("cam", at, |_| false);
        assert_eq!(first.as_str(), "cam-20010909t014640z");
        let second = default_name("cam", at, |it| *it == first);
        assert_eq!(second.as_str(), "cam-20010909t014640z-2");
        let long = default_name(&"c".repeat(63), at, |_| false);
        assert_eq!(long.as_str().len(), 40 + "-20010909t014640z".len());
    }
}
