//! Which converted session a client gets that names a layout when it attaches.

use std::time::Duration;

use onair_api::SessionName;
use onair_api::id::NAME_MAX;

use super::follower::UNUSED;

/// A session that has the frames of the wanted source in the wanted layout, at a look.
#[derive(Clone, Copy, Debug)]
pub struct SessionInLayout {
    /// Its id.
    pub id: u64,
    /// It waits to be destroyed.
    pub is_draining: bool,
    /// It has as many clients as it allows.
    pub is_full: bool,
    /// A client is attached, or about to be.
    pub has_clients: bool,
}

/// The session for a client that wants a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayoutChoice {
    /// A place in this session, which exists.
    Share(u64),
    /// A session that is made when this one, which has no client, has ended.
    After(u64),
    /// A session that is made now, if the source allows one more.
    Make,
}

impl LayoutChoice {
    /// The choice among the sessions that have the layout, in the order of their ids: one with a free place, or the
    /// first; a session that is being destroyed takes no client.
    pub fn among(all: impl IntoIterator<Item = SessionInLayout>) -> Self {
        let all = all.into_iter();
        let (ending, usable): (Vec<_>, Vec<_>) = all.partition(|it| it.is_draining);
        if let Some(first) = usable.iter().min_by_key(|it| (it.is_full, it.id)) {
            return Self::Share(first.id);
        }
        match ending.iter().find(|it| !it.has_clients) {
            Some(unused) => Self::After(unused.id),
            None => Self::Make,
        }
    }
}

/// The places of a session's clients, at a look.
#[derive(Clone, Copy, Debug)]
pub struct ClientPlaces {
    /// All places are taken.
    pub is_full: bool,
    /// A client that is leaving still takes a place.
    pub is_settling: bool,
    /// A session that was made for clients has one, and has no client itself.
    pub has_unused_follower: bool,
}

impl ClientPlaces {
    /// Refuses a client: whether it waits for a place that comes free soon.
    #[must_use]
    pub fn refuse<P>(self, problem: P) -> NoPlace<P> {
        let wait = match self.is_full {
            true if self.has_unused_follower => Some(UNUSED),
            true if self.is_settling => Some(Duration::ZERO),
            _ => None,
        };
        let problem = Box::new(problem);
        NoPlace { problem, wait }
    }
}

/// No place for a client.
#[derive(Debug, PartialEq, Eq)]
pub struct NoPlace<P> {
    /// The refusal.
    pub problem: Box<P>,
    /// How much longer than usual the client asks again, because a place comes free soon. `None`: it does not.
    pub wait: Option<Duration>,
}

impl<P> From<P> for NoPlace<P> {
    fn from(problem: P) -> Self {
        let problem = Box::new(problem);
        Self {
            problem,
            wait: None,
        }
    }
}

/// A free name for the session that has the frames of `source` in `layout`: both names, and a number if others
/// have that name. A long source's name is cut.
#[must_use]
pub fn follower_name(
    source: &SessionName,
    layout: &str,
    is_taken: impl Fn(&SessionName) -> bool,
) -> SessionName {
    let name = |number: u32| {
        let number = match number {
            1 => String::new(),
            more => format!("-{more}"),
        };
        let end = format!("-{layout}{number}");
        let source = source.as_str();
        let room = source.len().min(NAME_MAX - end.len());
        let name = format!("{}{end}", &source[..room]);
        name.parse::<SessionName>()
            .expect("a name begins it, and layouts have letters and digits")
    };
    let mut names = (1..).map(name);
    let free = names.find(|name| !is_taken(name));
    free.expect("there are fewer sessions than numbers")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(id: u64, flags: &str) -> SessionInLayout {
        SessionInLayout {
            id,
            is_draining: flags.contains('d'),
            is_full: flags.contains('f'),
            has_clients: flags.contains('c'),
        }
    }

    #[test]
    fn first_session_with_a_free_place_is_shared() {
        let choose = |all: &[(u64, &str)]| {
            let all = all.iter().map(|(id, flags)| session(*id, flags));
            LayoutChoice::among(all)
        };
        assert_eq!(choose(&[]), LayoutChoice::Make);
        assert_eq!(
            choose(&[(1, "fc"), (2, ""), (3, "")]),
            LayoutChoice::Share(2)
        );
        // A full one refuses with the reason, instead of a second session for the same layout.
        assert_eq!(choose(&[(1, "fc"), (2, "fc")]), LayoutChoice::Share(1));
        assert_eq!(choose(&[(1, "d"), (2, "fc")]), LayoutChoice::Share(2));
    }

    #[test]
    fn session_without_clients_that_ends_is_waited_for() {
        let choose = |all: [&str; 2]| {
            let all = (1..).zip(all).map(|(id, flags)| session(id, flags));
            LayoutChoice::among(all)
        };
        assert_eq!(choose(["dc", "d"]), LayoutChoice::After(2));
        assert_eq!(choose(["d", "d"]), LayoutChoice::After(1));
        assert_eq!(choose(["dc", "dc"]), LayoutChoice::Make);
    }

    #[test]
    fn client_waits_only_for_a_place_that_comes_free() {
        let wait = |is_full, is_settling, has_unused_follower| {
            let places = ClientPlaces {
                is_full,
                is_settling,
                has_unused_follower,
            };
            places.refuse(()).wait
        };
        for [is_settling, unused] in [[false, false], [false, true], [true, false], [true, true]] {
            assert_eq!(wait(false, is_settling, unused), None);
        }
        assert_eq!(wait(true, false, false), None);
        assert_eq!(wait(true, true, false), Some(Duration::ZERO));
        assert_eq!(wait(true, false, true), Some(UNUSED));
        assert_eq!(wait(true, true, true), Some(UNUSED));
    }

    #[test]
    fn name_taken_or_too_long_then_numbered_or_cut() {
        let parse = |text: &str| text.parse::<SessionName>().unwrap();
        let taken = ["cam-v210", "cam-v210-2"].map(parse);
        let free = |_: &SessionName| false;
        let cam = parse("cam");
        assert_eq!(follower_name(&cam, "v210", free), parse("cam-v210"));
        let third = follower_name(&cam, "v210", |it| taken.contains(it));
        assert_eq!(third, parse("cam-v210-3"));
        let long = parse(&"c".repeat(NAME_MAX));
        for format in onair_pixels::PixelFormat::ALL {
            let cut = follower_name(&long, format.ffmpeg(), free);
            assert_eq!(cut.as_str().len(), NAME_MAX);
            let numbered = follower_name(&long, format.ffmpeg(), |it| *it == cut);
            assert!(numbered.as_str().ends_with("-2"), "{numbered}");
        }
    }
}
