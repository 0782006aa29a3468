//! What a hostile process can do on the attach socket: it is told what is wrong, or dropped, and
//! no other client waits for it, loses a place, or pays.

mod scene;

mod crowds;
mod places;
mod requests;
