//! Client library: attach to a session, get and put frames, stop
