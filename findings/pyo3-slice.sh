#!/usr/bin/env bash
# PyO3 0.30.1: each `PySlice::new` keeps its three integers for ever.
#
# A good guess: a safe constructor of a safe binding leaks nothing. But the function makes new references of the three
# integers, hands them to `PySlice_New`, which takes its own, and drops none. Small integers are shared, so a slice such as 0:8:1
# shows nothing; offsets above 256 leak 32 bytes each. A program that slices two planes of each frame at 60 Hz loses
# hundreds of megabytes a day. `py.get_type::<PySlice>().call1((from, to))` does not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2024"

[lib]
crate-type = ["cdylib"]

[dependencies]
pyo3 = { version = "=0.30.1", features = ["abi3-py311"] }

[workspace]
TOML
cat >src/lib.rs <<'RUST'
use pyo3::prelude::*;
use pyo3::types::PySlice;

#[pymodule]
mod finding {
    use super::*;

    /// By PyO3's constructor.
    #[pyfunction]
    fn constructed(py: Python<'_>) {
        drop(PySlice::new(py, 1000, 2000, 1));
    }

    /// By calling Python's type.
    #[pyfunction]
    fn called(py: Python<'_>) -> PyResult<()> {
        py.get_type::<PySlice>().call1((1000, 2000)).map(drop)
    }
}
RUST
PYO3_BUILD_EXTENSION_MODULE=1 cargo build --quiet --release
cp target/release/libfinding.so finding.so
python3 - <<'PYTHON'
import sys

import finding

CALLS = 10_000


def growth(call) -> float:
    """Blocks of memory that stay, a call."""
    call()
    before = sys.getallocatedblocks()
    for _ in range(CALLS):
        call()
    return round((sys.getallocatedblocks() - before) / CALLS, 2)


print(f"PyO3 0.30.1, Python {sys.version.split()[0]}")
constructed, called = growth(finding.constructed), growth(finding.called)
print(f"PySlice::new(1000, 2000, 1): {constructed} blocks a call stay; slice(1000, 2000): {called}")
assert (constructed, called) == (2.0, 0.0), "the behaviour has changed"
PYTHON
