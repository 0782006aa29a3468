//! The contract between daemon and clients: words in shared memory, the gate, messages
