//! The OnAir daemon
