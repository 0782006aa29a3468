//! Packing of model states: one description of the fields, used in both directions.
//!
//! Everything is inlined: widths are constants, so that each field becomes a shift and a mask. A
//! search spends most of its time here.

/// Width of a packed state in 64-bit words.
pub(super) const WORDS: usize = 4;

/// A packed state.
pub(super) type Packed = [u64; WORDS];

/// A type whose fields are visited in a fixed order, each with its width.
pub(super) trait Fields: Sized {
    /// Visits every field. A field that is not visited is not stored.
    fn visit(&mut self, bits: &mut impl Bits);

    /// The packed form.
    fn pack(mut self) -> Packed {
        let mut writer = Writer::default();
        self.visit(&mut writer);
        writer.words
    }

    /// Fills `self` from a packed form.
    fn unpack(mut self, packed: &Packed) -> Self {
        self.visit(&mut Reader {
            words: *packed,
            used: 0,
        });
        self
    }
}

/// A direction of packing.
pub(super) trait Bits {
    /// A number below `2^width`, `width ≤ 8`.
    fn number(&mut self, value: &mut u8, width: u32);

    /// A flag.
    #[inline(always)]
    fn flag(&mut self, value: &mut bool) {
        let mut number = u8::from(*value);
        self.number(&mut number, 1);
        *value = number == 1;
    }

    /// One of `all`; `code` is the position of `value`.
    #[inline(always)]
    fn choice<T: Copy>(&mut self, value: &mut T, code: u8, all: &[T], width: u32) {
        let mut number = code;
        self.number(&mut number, width);
        *value = all[usize::from(number)];
    }
}

/// From fields to words.
#[derive(Default)]
struct Writer {
    words: Packed,
    used: u32,
}

impl Bits for Writer {
    #[inline(always)]
    fn number(&mut self, value: &mut u8, width: u32) {
        assert!(
            u32::from(*value) < 1 << width,
            "{value} does not fit in {width} bits: widen the field"
        );
        let at = place(&mut self.used, width);
        self.words[at.0] |= u64::from(*value) << at.1;
    }
}

/// From words to fields.
struct Reader {
    words: Packed,
    used: u32,
}

impl Bits for Reader {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the mask leaves at most eight bits"
    )]
    #[inline(always)]
    fn number(&mut self, value: &mut u8, width: u32) {
        let at = place(&mut self.used, width);
        *value = (self.words[at.0] >> at.1) as u8 & ((1u16 << width) - 1) as u8;
    }
}

/// Word and shift of the next `width` bits. No field straddles two words.
#[inline(always)]
fn place(used: &mut u32, width: u32) -> (usize, u32) {
    if *used % 64 + width > 64 {
        *used = used.next_multiple_of(64);
    }
    let at = ((*used / 64) as usize, *used % 64);
    *used += width;
    at
}

/// Declares a field-less enum together with the list of its values, in order.
macro_rules! choices {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum $name {
            $($(#[$variant_meta])* $variant,)+
        }

        impl $name {
            /// Every value, in order of declaration.
            pub(super) const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Visits a field of this type.
            #[inline(always)]
            pub(super) fn visit(&mut self, bits: &mut impl $crate::model::pack::Bits) {
                let width = Self::ALL.len().next_power_of_two().ilog2();
                bits.choice(self, *self as u8, Self::ALL, width);
            }
        }
    };
}
pub(super) use choices;
