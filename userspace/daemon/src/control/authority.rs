//! Who may do what: one table for both sockets.
//!
//! Evict, abort and quarantine are rights of whoever may destroy.
//!
//! |                     | read | create | attach | stop, start, destroy | shutdown, reload |
//! |---------------------|------|--------|--------|----------------------|------------------|
//! | root                | any  | yes    | any    | any                  | yes              |
//! | the daemon's user   | any  | yes    | any    | any                  | yes              |
//! | the socket's group  | any  | yes    | any    | any                  | no               |
//! | anybody else        | own  | no     | own    | own                  | no               |

use onair_api::{Problem, ProblemCode};

use super::action::Caller;
use super::peer::Peer;

/// Something that a peer may or may not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Right {
    /// See a session, its blockers, its verdict, its certificate.
    Read,
    /// Set up a session.
    Create,
    /// Use a session's frames.
    Attach,
    /// Stop a session.
    Stop,
    /// Start a session.
    Start,
    /// Destroy a session, with all ways to get there: evict, abort, quarantine.
    Destroy,
    /// Shut the daemon down.
    Shutdown,
    /// Have it read its configuration anew.
    Reload,
}

impl std::fmt::Display for Right {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Create => "create sessions",
            Self::Attach => "attach",
            Self::Stop => "stop",
            Self::Start => "start",
            Self::Destroy => "destroy",
            Self::Shutdown => "shut the daemon down",
            Self::Reload => "reload the configuration",
        })
    }
}

/// On which sessions a peer may do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Grant {
    /// On any, and on what is no session.
    Any,
    /// On those that belong to this uid.
    OwnedBy(u32),
}

impl Grant {
    /// Whether a session that belongs to `owner` (a uid; `None`: to nobody) is among them.
    #[must_use]
    pub fn covers(self, owner: Option<u32>) -> bool {
        match self {
            Self::Any => true,
            Self::OwnedBy(uid) => owner == Some(uid),
        }
    }
}

/// The row of the table that a peer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Master,
    Member,
    Stranger,
}

/// The table with this daemon's uid and group filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authority {
    /// Effective uid of the daemon.
    pub daemon_uid: u32,
    /// The sockets' group from the configuration; `None`: nobody is a member.
    pub group: Option<u32>,
}

impl Authority {
    /// On which sessions `peer` may do `right`; `None`: on none.
    #[must_use]
    pub fn grant(&self, peer: &Peer, right: Right) -> Option<Grant> {
        use Right::{Attach, Create, Destroy, Read, Reload, Shutdown, Start, Stop};
        match (self.role(peer), right) {
            (Role::Master, _) => Some(Grant::Any),
            (Role::Member, Read | Create | Attach | Stop | Start | Destroy) => Some(Grant::Any),
            (Role::Stranger, Read | Attach | Stop | Start | Destroy) => {
                Some(Grant::OwnedBy(peer.who.uid))
            }
            (Role::Member, Shutdown | Reload) | (Role::Stranger, Create | Shutdown | Reload) => {
                None
            }
        }
    }

    /// The caller of a request that needs `right`; the actor then asks its grant whether it covers
    /// the session.
    ///
    /// # Errors
    /// A `forbidden` problem that names the peer and the right.
    pub fn admit(&self, peer: &Peer, right: Right) -> Result<Caller, Problem> {
        match self.grant(peer, right) {
            Some(grant) => Ok(Caller {
                who: peer.who.clone(),
                grant,
            }),
            None => Err(denied(peer, right)),
        }
    }

    /// The same for what concerns all sessions at once: nothing less than a grant on any will do.
    ///
    /// # Errors
    /// A `forbidden` problem that names the peer and the right.
    pub fn admit_all(&self, peer: &Peer, right: Right) -> Result<Caller, Problem> {
        self.admit(peer, right)
            .and_then(|caller| match caller.grant {
                Grant::Any => Ok(caller),
                Grant::OwnedBy(_) => Err(denied(peer, right)),
            })
    }

    fn role(&self, peer: &Peer) -> Role {
        let in_group = |group| peer.who.gid == group || peer.groups.contains(&group);
        if peer.who.uid == 0 || peer.who.uid == self.daemon_uid {
            Role::Master
        } else if self.group.is_some_and(in_group) {
            Role::Member
        } else {
            Role::Stranger
        }
    }
}

fn denied(peer: &Peer, right: Right) -> Problem {
    Problem::new(
        ProblemCode::Forbidden,
        format!("{} may not {right}", peer.who),
    )
}

#[cfg(test)]
#[expect(non_snake_case, reason = "subject__action__then_result")]
mod tests {
    use super::*;
    use onair_api::{Via, Who};

    const RIGHTS: [Right; 8] = [
        Right::Read,
        Right::Create,
        Right::Attach,
        Right::Stop,
        Right::Start,
        Right::Destroy,
        Right::Shutdown,
        Right::Reload,
    ];

    fn peer(uid: u32, gid: u32, groups: &[u32]) -> Peer {
        Peer {
            who: Who {
                uid,
                gid,
                pid: 1,
                command: "t".into(),
                via: Via::Control,
            },
            groups: groups.into(),
        }
    }

    #[test]
    fn authority__every_role_and_right__then_as_the_table() {
        let authority = Authority {
            daemon_uid: 500,
            group: Some(77),
        };
        let any = Some(Grant::Any);
        let own = Some(Grant::OwnedBy(1000));
        let table = [
            (peer(0, 0, &[]), [any; 8]),
            (peer(500, 500, &[]), [any; 8]),
            (
                peer(1000, 77, &[]),
                [any, any, any, any, any, any, None, None],
            ),
            (
                peer(1000, 1000, &[4, 77]),
                [any, any, any, any, any, any, None, None],
            ),
            (
                peer(1000, 1000, &[4]),
                [own, None, own, own, own, own, None, None],
            ),
        ];
        for (peer, row) in table {
            let got = RIGHTS.map(|right| authority.grant(&peer, right));
            assert_eq!(got, row, "{peer:?}");
        }
    }

    #[test]
    fn authority__no_group_configured__then_nobody_is_a_member() {
        let authority = Authority {
            daemon_uid: 0,
            group: None,
        };
        assert_eq!(authority.grant(&peer(1000, 0, &[0]), Right::Create), None);
    }

    #[test]
    fn grant__own__then_covers_only_own() {
        let caller = Caller {
            who: peer(1000, 1000, &[]).who,
            grant: Grant::OwnedBy(1000),
        };
        assert!(caller.require(Some(1000)).is_ok());
        assert_eq!(
            caller.require(Some(0)).unwrap_err().code,
            ProblemCode::Forbidden
        );
        assert!(caller.require(None).is_err());
        assert!(Grant::Any.covers(None));
    }

    #[test]
    fn authority__all_sessions_at_once__then_own_is_not_enough() {
        let authority = Authority {
            daemon_uid: 0,
            group: Some(77),
        };
        let stranger = authority
            .admit_all(&peer(1000, 1000, &[]), Right::Read)
            .unwrap_err();
        assert_eq!(stranger.code, ProblemCode::Forbidden);
        assert!(stranger.detail.contains("uid 1000"), "{}", stranger.detail);
        assert!(
            authority
                .admit_all(&peer(1000, 77, &[]), Right::Read)
                .is_ok()
        );
    }
}
