//! Documents about a group: sessions of one programme, such as picture, sound and captions, that are created,
//! started, stopped, retargeted and destroyed together. What a member is as a session is in [`crate::session`].

mod ended;
mod new_group;
mod patch;
mod view;

pub use ended::GroupEnded;
pub use new_group::{MAX_MEMBERS, NewGroup, NewGroupDocument};
pub use patch::{GroupPatch, MemberPatch};
pub use view::{GroupList, GroupMember, GroupView};
