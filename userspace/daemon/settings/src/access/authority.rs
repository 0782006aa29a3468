//! The rights of each peer: one table for both sockets.
//!
//! |                              | read | create | attach | end others' use, start, record | the daemon |
//! |------------------------------|------|--------|--------|--------------------------------|------------|
//! | root, the daemon's user      | any  | yes    | any    | any                            | yes        |
//! | role `operate`               | any  | yes    | any    | any; trace                     | no         |
//! | role `attach`                | any  | no     | any    | own                            | no         |
//! | role `own`                   | own  | yes    | own    | own                            | no         |
//! | every other peer             | own  | no     | own    | own                            | no         |
//!
//! The fourth column: stop, start, flush, record, destroy, evict, abort, quarantine. The last one:
//! shut down, reload. Roles come from `control.group_role` and `[[control.role]]`. A peer with
//! several roles may do what any of them allows.

use std::sync::Arc;

use onair_api::operations::{Access, Right};
use onair_api::{Problem, ProblemCode, Who};
use onair_mutant::mutant;
use onair_shares::{Owner, Rank};

use crate::access::peer::Peer;
use crate::config::Role;

/// The requester, and the sessions that its right covers. Only the actor knows the owner of a
/// session, so the actor calls [`Caller::require`], before anything else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The requester's identity.
    pub who: Who,
    /// The sessions on which it may do this.
    pub grant: Grant,
    /// The sessions whose frames it may have.
    pub attach: Grant,
    /// Its rank in shared tables of places.
    pub rank: Rank,
    /// Entity tags of which the session must have one; empty: any.
    pub if_match: Vec<String>,
}

impl Caller {
    /// Checks that the grant covers a session of `owner` (a uid; `None`: without an owner).
    ///
    /// # Errors
    /// A `forbidden` problem that names the caller.
    pub fn require(&self, owner: Option<u32>) -> Result<(), Problem> {
        if self.grant.covers(owner) {
            return Ok(());
        }
        Err(Problem::new(
            ProblemCode::Forbidden,
            format!(
                "{} is not the session's owner, and its role does not let it do this with the sessions \
                 of others",
                self.who
            ),
        ))
    }

    /// Checks the condition of the request.
    ///
    /// # Errors
    /// `precondition_failed`: the session has another tag.
    pub fn require_tag(&self, tag: impl FnOnce() -> String) -> Result<(), Problem> {
        if self.if_match.is_empty() || mutant!("If-Match: not checked") {
            return Ok(());
        }
        let tag = tag();
        if self.if_match.contains(&tag) {
            return Ok(());
        }
        let detail = format!("the session has the ETag {tag} now, which If-Match does not name");
        Err(Problem::new(ProblemCode::PreconditionFailed, detail))
    }

    /// The owner of the places that it takes.
    #[must_use]
    pub fn owner(&self) -> Owner {
        let (uid, pid, rank) = (self.who.uid, self.who.pid, self.rank);
        Owner { uid, pid, rank }
    }
}

/// The sessions on which a peer may use a right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Grant {
    /// Any session, and requests about no session.
    Any,
    /// Sessions that this uid owns.
    OwnedBy(u32),
}

impl Grant {
    /// Whether the grant covers a session of `owner` (a uid; `None`: without an owner).
    #[must_use]
    pub fn covers(self, owner: Option<u32>) -> bool {
        match self {
            Self::Any => true,
            Self::OwnedBy(uid) => owner == Some(uid),
        }
    }
}

/// The holder of a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RoleHolder {
    /// A uid.
    User(u32),
    /// A gid, also as a supplementary group.
    Group(u32),
}

impl RoleHolder {
    fn is(self, peer: &Peer) -> bool {
        match self {
            Self::User(uid) => peer.who.uid == uid,
            Self::Group(gid) => peer.who.gid == gid || peer.groups.contains(&gid),
        }
    }
}

/// The table, with this daemon's uid and roles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    daemon_uid: u32,
    roles: Arc<[(RoleHolder, Role)]>,
}

impl Authority {
    /// The table of a daemon with this effective uid and these roles.
    #[must_use]
    pub fn new(daemon_uid: u32, roles: impl IntoIterator<Item = (RoleHolder, Role)>) -> Self {
        let roles = roles.into_iter().collect();
        Self { daemon_uid, roles }
    }

    /// The sessions on which `peer` may use `right`; `None`: on none.
    #[must_use]
    pub fn grant(&self, peer: &Peer, right: Right) -> Option<Grant> {
        if self.is_master(peer) {
            return Some(Grant::Any);
        }
        let own = Some(Grant::OwnedBy(peer.who.uid));
        let of_everyone = cell(None, right, own);
        let grants = self.roles_of(peer).map(|role| cell(Some(role), right, own));
        // "Any" is more than "own", and "own" is more than none.
        grants.fold(of_everyone, |best, next| match (best, next) {
            (Some(Grant::Any), _) | (_, None) => best,
            (_, next) => next,
        })
    }

    /// The rank of `peer` in shared tables of places.
    #[must_use]
    pub fn rank(&self, peer: &Peer) -> Rank {
        if self.is_master(peer) {
            Rank::Root
        } else if self.roles_of(peer).any(|role| role == Role::Operate) {
            Rank::Operator
        } else if self.roles_of(peer).next().is_some() {
            Rank::Other
        } else {
            Rank::WithoutRole
        }
    }

    /// The owner of the places that `peer` takes.
    #[must_use]
    pub fn owner(&self, peer: &Peer) -> Owner {
        let (uid, pid, rank) = (peer.who.uid, peer.who.pid, self.rank(peer));
        Owner { uid, pid, rank }
    }

    /// The caller of a request that needs `access`. If that depends on the session, the actor then
    /// checks whether the caller's grant covers it.
    ///
    /// # Errors
    /// A `forbidden` problem that names the peer and the right.
    pub fn admit(&self, peer: &Peer, access: Access) -> Result<Caller, Problem> {
        let own = Grant::OwnedBy(peer.who.uid);
        let granted = match access {
            Access::Everyone => Ok(self.grant(peer, Right::Read).unwrap_or(own)),
            Access::ThisSession(right) => self.grant(peer, right).ok_or(right),
            Access::AnySession(right) => self
                .grant(peer, right)
                .filter(|grant| *grant == Grant::Any)
                .ok_or(right),
        };
        Ok(Caller {
            grant: granted.map_err(|right| self.denied(peer, right))?,
            attach: self.grant(peer, Right::Attach).unwrap_or(own),
            who: peer.who.clone(),
            rank: self.rank(peer),
            if_match: Vec::new(),
        })
    }

    fn is_master(&self, peer: &Peer) -> bool {
        peer.who.uid == 0 || peer.who.uid == self.daemon_uid
    }

    fn roles_of<'a>(&'a self, peer: &'a Peer) -> impl Iterator<Item = Role> + 'a {
        let own = self.roles.iter().filter(|(whom, _)| whom.is(peer));
        own.map(|(_, role)| *role)
    }

    fn denied(&self, peer: &Peer, right: Right) -> Problem {
        let roles: Vec<&str> = self.roles_of(peer).map(Role::name).collect();
        let roles = match roles[..] {
            [] => "it has no role".to_owned(),
            _ => format!("its role is {}", roles.join(", ")),
        };
        Problem::new(
            ProblemCode::Forbidden,
            format!("{} may not {right}: {roles} (control.role)", peer.who),
        )
    }
}

/// One cell of a row; without a role, the cell of every peer.
fn cell(role: Option<Role>, right: Right, own: Option<Grant>) -> Option<Grant> {
    use Right::{
        Abort, Attach, Create, Destroy, Evict, Flush, Quarantine, Read, Record, Reload, Retarget,
        Shutdown, Start, Stop, Trace,
    };
    let any = Some(Grant::Any);
    match (role, right) {
        (_, Shutdown | Reload) => None,
        (Some(Role::Operate), _) => any,
        (Some(Role::Attach), Read | Attach) => any,
        (Some(Role::Own), Create) => any,
        (_, Create | Trace) => None,
        (
            Some(Role::Attach | Role::Own) | None,
            Read | Attach | Stop | Start | Retarget | Flush | Record | Destroy | Evict | Abort
            | Quarantine,
        ) => own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use onair_api::{Via, Who};

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

    const GROUP: u32 = 77;

    fn table() -> Authority {
        Authority::new(
            500,
            [
                (RoleHolder::Group(GROUP), Role::Operate),
                (RoleHolder::Group(78), Role::Attach),
                (RoleHolder::User(1001), Role::Own),
                (RoleHolder::User(1002), Role::Attach),
                (RoleHolder::User(1002), Role::Own),
            ],
        )
    }

    /// Every right in the order of [`Right::ALL`]: a(ny), o(wn), or -.
    fn row(authority: &Authority, peer: &Peer) -> String {
        let grants = Right::ALL.iter().map(|right| authority.grant(peer, *right));
        let own = peer.who.uid;
        grants
            .map(|grant| match grant {
                Some(Grant::Any) => 'a',
                Some(Grant::OwnedBy(uid)) => {
                    assert_eq!(uid, own);
                    'o'
                }
                None => '-',
            })
            .collect()
    }

    #[test]
    fn authority_every_role_and_right_then_as_the_table() {
        // Read, create, attach; stop, start, retarget, flush, record, destroy, evict, abort, quarantine; trace;
        // shut down, reload.
        for (peer, expected, rank) in [
            (peer(0, 0, &[]), "aaa aaaaaaaaa a aa", Rank::Root),
            (peer(500, 500, &[]), "aaa aaaaaaaaa a aa", Rank::Root),
            (peer(1000, GROUP, &[]), "aaa aaaaaaaaa a --", Rank::Operator),
            (
                peer(1000, 9, &[4, GROUP]),
                "aaa aaaaaaaaa a --",
                Rank::Operator,
            ),
            (peer(1000, 78, &[]), "a-a ooooooooo - --", Rank::Other),
            (peer(1000, 9, &[78]), "a-a ooooooooo - --", Rank::Other),
            (peer(1001, 9, &[]), "oao ooooooooo - --", Rank::Other),
            (peer(1002, 9, &[]), "aaa ooooooooo - --", Rank::Other),
            (
                peer(1001, 78, &[GROUP]),
                "aaa aaaaaaaaa a --",
                Rank::Operator,
            ),
            (peer(1000, 9, &[4]), "o-o ooooooooo - --", Rank::WithoutRole),
        ] {
            let expected = expected.replace(' ', "");
            assert_eq!(expected.len(), Right::ALL.len());
            assert_eq!(row(&table(), &peer), expected, "{peer:?}");
            assert_eq!(table().rank(&peer), rank, "{peer:?}");
        }
    }

    #[test]
    fn authority_may_not_then_told_with_its_role() {
        let stop = table().admit(&peer(1000, 78, &[]), Access::AnySession(Right::Stop));
        let text = stop.unwrap_err().detail;
        assert!(
            text.contains("uid 1000") && text.contains("role is attach"),
            "{text}"
        );
        let create = table().admit(&peer(1000, 9, &[]), Access::ThisSession(Right::Create));
        assert!(create.unwrap_err().detail.contains("no role"));
    }

    #[test]
    fn authority_request_open_to_everyone_then_granted_reads_only() {
        for (peer, grant) in [
            (peer(0, 0, &[]), Grant::Any),
            (peer(1000, 78, &[]), Grant::Any),
            (peer(1001, 9, &[]), Grant::OwnedBy(1001)),
            (peer(1003, 9, &[]), Grant::OwnedBy(1003)),
        ] {
            let caller = table().admit(&peer, Access::Everyone).unwrap();
            assert_eq!(caller.grant, grant, "{peer:?}");
        }
    }

    #[test]
    fn authority_no_group_configured_then_no_peer_is_a_member() {
        let authority = Authority::new(0, []);
        assert_eq!(authority.grant(&peer(1000, 0, &[0]), Right::Create), None);
    }

    #[test]
    fn grant_own_then_covers_only_own() {
        let caller = Caller {
            who: peer(1000, 1000, &[]).who,
            grant: Grant::OwnedBy(1000),
            attach: Grant::OwnedBy(1000),
            rank: Rank::Other,
            if_match: Vec::new(),
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
    fn authority_all_sessions_at_once_then_own_is_not_enough() {
        let authority = table();
        let other = authority
            .admit(&peer(1000, 1000, &[]), Access::AnySession(Right::Read))
            .unwrap_err();
        assert_eq!(other.code, ProblemCode::Forbidden);
        assert!(other.detail.contains("uid 1000"), "{}", other.detail);
        assert!(
            authority
                .admit(&peer(1000, 77, &[]), Access::AnySession(Right::Read))
                .is_ok()
        );
    }
}
