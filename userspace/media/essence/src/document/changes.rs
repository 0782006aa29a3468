//! Changes of documents while their sessions exist.

/// Declares the change of a document: the fields that may change, each with how it is read, and its schema. `null`: the
/// document has none.
macro_rules! changes {
    ($(#[$about:meta])+ $change:ident of $document:ident {
        $($(#[$said:meta])+ $field:ident: $type:ty [$read:tt $($schema:tt)+],)*
    }) => {
        $(#[$about])+
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(deny_unknown_fields)]
        pub struct $change {
            $($(#[$said])+
            #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = $read)]
            #[cfg_attr(feature = "openapi", schema($($schema)+))]
            pub $field: Option<Option<$type>>,)*
        }

        impl $crate::Patch<$document> for $change {
            fn of(document: &$document) -> Self {
                let _ = document;
                Self { $($field: Some(document.$field),)* }
            }

            fn apply(&self, document: &mut $document) {
                if *self != Self::default() {
                    $crate::Document::hold_units(document);
                }
                $(document.$field = self.$field.unwrap_or(document.$field);)*
            }
        }
    };
}
pub(crate) use changes;
