//! Raw bindings to the parts of DPDK that OnAir uses
