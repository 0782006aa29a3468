//! The probe thread: loads the BPF program with aya, arms clients' files, proves that it can see
