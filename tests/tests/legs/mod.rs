//! Sessions with two legs (ST 2022-7), over two networks.

mod cut;
mod fault;
mod shared;
