//! Documents about a group: sessions of one programme, such as picture, sound and captions, that are created,
//! started, stopped, retargeted and destroyed together. What a member is as a session is in [`crate::session`].

mod new_group;
mod view;

pub use new_group::{MAX_MEMBERS, NewGroup, NewGroupDocument};
pub use view::{GroupEnded, GroupList, GroupMember, GroupPatch, GroupView, MemberPatch};
