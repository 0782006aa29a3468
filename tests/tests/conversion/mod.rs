//! Sessions whose frames are those of another session, in another layout.

mod converted;
mod converters;
mod converting_pollers;
