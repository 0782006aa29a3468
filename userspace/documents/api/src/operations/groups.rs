//! Operations on groups.

use super::entry::{any, delete, get, patch, post, this};
use super::{Right, operations};
use crate::problem::ProblemCode::{
    Busy, DataplaneBusy, DeadlinePassed, DiskFailed, Draining, InvalidSpec, LimitReached,
    NameTaken, NoPackets, NoSuchPort, PollerFull, ProbeBlind, Running,
};
use crate::{DestroyWait, GroupEnded, GroupList, GroupName, GroupPatch, GroupView, NewGroup};

operations! { GROUPS "groups":
    /// Lists groups that have members.
    ListGroups((), ()) -> GroupList:
        get("/v1/groups", any(Right::Read)).answers("Groups, by name.");

    /// Creates the sessions of a programme, all or none.
    ///
    /// If one cannot be created or started, the others are aborted, and the problem names it. They start together:
    /// senders begin at the same time of TAI.
    CreateGroup((), NewGroup) -> GroupView:
        post("/v1/groups", any(Right::Create)).creates().answers("The new group.")
            .fails(&[InvalidSpec, NoSuchPort, NameTaken, LimitReached, PollerFull, DiskFailed, DataplaneBusy]);

    /// Shows one group, with the skew between its members.
    ShowGroup(GroupName, ()) -> GroupView:
        get("/v1/groups/{group}", this(Right::Read)).answers("The group.");

    /// Stops all members of a group at once.
    StopGroup(GroupName, ()) -> GroupView:
        post("/v1/groups/{group}/stop", this(Right::Stop)).answers("The group, stopped.")
            .fails(&[DiskFailed]);

    /// Starts all members of a group together, or none.
    StartGroup(GroupName, ()) -> GroupView:
        post("/v1/groups/{group}/start", this(Right::Start)).refused_in_shutdown()
            .answers("The group, running.").fails(&[Draining, DiskFailed, DataplaneBusy]);

    /// Gives members of a group other addresses.
    ///
    /// All changes are checked before the first is made. Each member then changes between two of its units.
    RetargetGroup(GroupName, GroupPatch) -> GroupView:
        patch("/v1/groups/{group}", this(Right::Retarget)).refused_in_shutdown()
            .answers("The group, with the changes.")
            .fails(&[InvalidSpec, NoPackets, Draining, DiskFailed, DataplaneBusy]);

    /// Destroys all members of a group now, or none.
    ///
    /// It succeeds only if every member's witnesses see no user; else 409 with the blockers of all members.
    DestroyGroup(GroupName, ()) -> GroupEnded:
        delete("/v1/groups/{group}", this(Right::Destroy))
            .answers("Destroyed; the certificates.")
            .fails(&[Running, Busy, Draining, ProbeBlind, DataplaneBusy]);

    /// Destroys all members of a group together as soon as the last user of the last one has left.
    ///
    /// If the deadline passes first: 409 with the blockers, and all members stay stopped. The wait ends early if
    /// the requester closes the connection.
    DestroyGroupWait(GroupName, DestroyWait) -> GroupEnded:
        post("/v1/groups/{group}/destroy_wait", this(Right::Destroy))
            .answers("Destroyed; the certificates.")
            .fails(&[Running, DeadlinePassed, Draining, ProbeBlind, DataplaneBusy]);
}
