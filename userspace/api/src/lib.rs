//! Types of the control API, shared by daemon and onairctl
