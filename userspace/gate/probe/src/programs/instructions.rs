//! Instructions of a program as the kernel takes them, for the programs that aya 0.14 cannot load.

use std::collections::HashSet;
use std::ffi::CStr;

use aya_obj::Object;
use aya_obj::btf::Btf;
use aya_obj::generated::bpf_insn;

use crate::error::Unlinked;

/// An object without maps, fitted to the kernel's types.
///
/// # Errors
/// [`Unlinked`]: it does not fit.
pub(crate) fn fitted(object: &'static [u8], types: &Btf) -> Result<Object, Unlinked> {
    let mut object = Object::parse(object)?;
    object.relocate_btf(types)?;
    let text = sections(&object);
    object.relocate_calls(&text)?;
    Ok(object)
}

/// The license and the instructions of a program of `object`, whose relocations were applied.
///
/// # Errors
/// [`Unlinked::Program`].
pub(crate) fn program<'object>(
    object: &'object Object,
    name: &'static str,
) -> Result<(&'object CStr, Vec<u64>), Unlinked> {
    let program = object.programs.get(name).ok_or(Unlinked::Program(name))?;
    let function = object.functions.get(&program.function_key());
    let function = function.ok_or(Unlinked::Program(name))?;
    let instructions = function.instructions.iter().map(word).collect();
    Ok((&program.license, instructions))
}

/// Indices of the sections that hold functions.
pub(crate) fn sections(object: &Object) -> HashSet<usize> {
    let keys = object.functions.keys();
    keys.map(|(section, _)| *section).collect()
}

/// An instruction in the kernel's form (`struct bpf_insn`).
fn word(instruction: &bpf_insn) -> u64 {
    let [o0, o1] = instruction.off.to_ne_bytes();
    let [i0, i1, i2, i3] = instruction.imm.to_ne_bytes();
    let registers = instruction.dst_reg() | instruction.src_reg() << 4;
    u64::from_ne_bytes([instruction.code, registers, o0, o1, i0, i1, i2, i3])
}
