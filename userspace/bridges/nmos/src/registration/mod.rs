//! Registered mode (IS-04 v1.3, Behaviour: Registration): the model as a registry has it.
//!
//! [`Machine`] decides: from the model, the registries that there are and what they answered, which request is next. It
//! does no I/O and reads no clock. [`run`] carries its requests out, one at a time, so a registry gets each resource
//! after those that it refers to. A heartbeat that is due goes before all else: some hundred resources delay it by one
//! request at most.

mod known;
mod machine;
mod request;
mod run;

pub use known::Known;
pub use machine::{Machine, Note, Step};
pub use request::{BASE, Call, Outcome, Request};
pub use run::{Registering, apart, run};
