//! Structs of the BPF object as Rust structs, without an unsafe cast.

/// A field of a mirrored struct: fixed size, host byte order.
pub(crate) trait Field: Sized {
    fn put(&self, to: &mut [u8]);
    fn take(from: &[u8]) -> Self;
}

macro_rules! integer_field {
    ($($integer:ty),*) => {$(
        impl Field for $integer {
            fn put(&self, to: &mut [u8]) {
                to.copy_from_slice(&self.to_ne_bytes());
            }
            fn take(from: &[u8]) -> Self {
                let mut bytes = [0; size_of::<Self>()];
                bytes.copy_from_slice(from);
                Self::from_ne_bytes(bytes)
            }
        }
    )*};
}
integer_field!(u32, u64);

impl Field for [u8; 16] {
    fn put(&self, to: &mut [u8]) {
        to.copy_from_slice(self);
    }
    fn take(from: &[u8]) -> Self {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(from);
        bytes
    }
}

/// A struct of `waiters.h`. `repr(C)` without implicit padding: the offsets are the sums.
macro_rules! mirror {
    (
        $(#[$doc:meta])*
        $name:ident: $size:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty,)* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[repr(C)]
        pub struct $name { $($(#[$field_doc])* pub $field: $kind,)* }

        const _: () = assert!(size_of::<$name>() == $size);
        const _: () = assert!(0 $(+ size_of::<$kind>())* == $size, "implicit padding");

        impl $name {
            /// Decodes what the kernel stored.
            pub fn from_bytes(bytes: &[u8; $size]) -> Self {
                let mut value = Self::default();
                let mut at = 0;
                $(
                    let end = at + size_of::<$kind>();
                    value.$field = <$kind as $crate::mirror::Field>::take(&bytes[at..end]);
                    at = end;
                )*
                debug_assert_eq!(at, $size);
                value
            }

            /// Encodes for a map update.
            pub fn to_bytes(&self) -> [u8; $size] {
                let mut bytes = [0; $size];
                let mut at = 0;
                $(
                    let end = at + size_of::<$kind>();
                    $crate::mirror::Field::put(&self.$field, &mut bytes[at..end]);
                    at = end;
                )*
                debug_assert_eq!(at, $size);
                bytes
            }

            /// Like [`Self::from_bytes`] for a slice; `None` unless it has exactly the size.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self::from_bytes)
            }
        }
    };
}

pub(crate) use mirror;
