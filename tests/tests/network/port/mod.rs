//! What a port says of packets that no session has, of those that it cuts, and of a link that is lost.

mod arriving;
mod cut;
mod link_loss;
