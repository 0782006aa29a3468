//! Essence formats without I/O: RTP, ST 2110-20, pacing, pattern
