//! The whole-system tests.
#![forbid(unsafe_code)]

mod all_along;
mod ancillary;
mod audio;
mod capi;
mod conversion;
mod deaths;
mod demo;
mod ending;
mod groups;
mod hostile;
mod ipv6;
mod jpeg_xs;
mod legs;
mod lives;
mod local;
mod media;
mod mxl;
mod network;
mod operators;
mod pages;
mod plant;
mod pollers;
mod python;
mod recording;
mod time;
mod tools;
mod wall;
