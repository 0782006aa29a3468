//! Structs with a field for each essence.

/// Declares a struct of a document with a field for each essence, named as that is in documents: between two
/// blocks of other fields, with a doc comment of one line and a serde attribute, `each document` (may be absent)
/// or `each patch` (changes nothing by default).
#[macro_export]
macro_rules! with_essences {
    ($($of_struct:tt)+) => { $crate::for_essences! { {$crate::essence_fields} $($of_struct)+ } };
}

#[doc(hidden)]
#[macro_export]
macro_rules! essence_fields {
    ([$($(#[$doc:meta])+ $name:ident $field:ident [$format:ty, $document:ty, $($more:ty),+];)+]
     $(#[$meta:meta])* pub struct $struct:ident {
        { $($before:tt)* } #[$about:meta] #[$shape:meta] each document { $($after:tt)* }
    }) => {
        $(#[$meta])*
        pub struct $struct {
            $($before)*
            $(#[$about] #[$shape] pub $field: Option<$document>,)+
            $($after)*
        }

        impl $struct {
            /// Takes the formats that are given.
            fn take_formats(&mut self) -> Vec<$crate::FormatDocument> {
                let all = [$(self.$field.take().map($crate::FormatDocument::$name),)+];
                all.into_iter().flatten().collect()
            }

            /// Sets the format.
            fn set_format(&mut self, format: $crate::FormatDocument) {
                match format { $($crate::FormatDocument::$name(it) => self.$field = Some(it),)+ }
            }

            /// Fields of formats, each with whether it is given.
            fn formats_given(&self) -> impl Iterator<Item = (&'static str, bool)> + use<> {
                [$((stringify!($field), self.$field.is_some()),)+].into_iter()
            }
        }
    };
    ([$($(#[$doc:meta])+ $name:ident $field:ident [$format:ty, $document:ty, $patch:ty, $($more:ty),+];)+]
     $(#[$meta:meta])* pub struct $struct:ident {
        { $($before:tt)* } #[$about:meta] #[$shape:meta] each patch { $($after:tt)* }
    }) => {
        $(#[$meta])*
        pub struct $struct {
            $($before)*
            $(#[$about] #[$shape] pub $field: $patch,)+
            $($after)*
        }

        impl $struct {
            /// Changes all that may change to what `format` has.
            pub fn change_to(&mut self, format: &$crate::FormatDocument) {
                match format { $($crate::FormatDocument::$name(it) => self.$field = $crate::Patch::of(it),)+ }
            }

            /// Changes the format.
            ///
            /// # Errors
            /// The field of another essence than the format's.
            fn apply_to(&self, format: &mut $crate::FormatDocument) -> Result<(), &'static str> {
                $(match &mut *format {
                    $crate::FormatDocument::$name(it) => $crate::Patch::apply(&self.$field, it),
                    #[allow(unreachable_patterns, reason = "with one essence there is no other")]
                    _ if self.$field != Default::default() => return Err(stringify!($field)),
                    #[allow(unreachable_patterns, reason = "with one essence there is no other")]
                    _ => {}
                })+
                Ok(())
            }
        }
    };
}
