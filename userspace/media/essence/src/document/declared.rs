//! Structs of documents.

/// Declares a struct of a document. What serde is to do with a field follows of its type: what may be absent stays out,
/// numbers are read as [`whole`](crate::whole) does, and of a change `null` is there.
#[doc(hidden)]
#[macro_export]
macro_rules! document {
    (@ [$($head:tt)+] [$($done:tt)*]) => { $($head)+ { $($done)* } };
    (@ $head:tt $done:tt $(#[$meta:meta])+ pub $field:ident: u32, $($rest:tt)*) => {
        $crate::document! { @ $head $done [$(#[$meta])+ #[serde(deserialize_with = "onair_essence::whole::number")]
            pub $field: u32,] $($rest)* }
    };
    (@ $head:tt $done:tt $(#[$meta:meta])+ pub $field:ident: Option<u32>, $($rest:tt)*) => {
        $crate::document! { @ $head $done [$(#[$meta])+ #[serde(default, skip_serializing_if = "Option::is_none",
            deserialize_with = "onair_essence::whole::optional")] pub $field: Option<u32>,] $($rest)* }
    };
    (@ $head:tt $done:tt $(#[$meta:meta])+ pub $field:ident: Option<Option<u32>>, $($rest:tt)*) => {
        $crate::document! { @ $head $done [$(#[$meta])+ #[serde(default, skip_serializing_if = "Option::is_none",
            deserialize_with = "onair_essence::whole::present_number")] pub $field: Option<Option<u32>>,] $($rest)* }
    };
    // A type of its own: the three brackets are other tokens than two.
    (@ $head:tt $done:tt $(#[$meta:meta])+ pub $field:ident: Option<Option<Vec<$type:ty>>>, $($rest:tt)*) => {
        $crate::document! { @ $head $done [$(#[$meta])+ #[serde(default, skip_serializing_if = "Option::is_none",
            deserialize_with = "onair_essence::whole::present")] pub $field: Option<Option<Vec<$type>>>,] $($rest)* }
    };
    (@ $head:tt $done:tt $(#[$meta:meta])+ pub $field:ident: Option<Option<$type:ty>>, $($rest:tt)*) => {
        $crate::document! { @ $head $done [$(#[$meta])+ #[serde(default, skip_serializing_if = "Option::is_none",
            deserialize_with = "onair_essence::whole::present")] pub $field: Option<Option<$type>>,] $($rest)* }
    };
    (@ $head:tt $done:tt $(#[$meta:meta])+ pub $field:ident: Option<$type:ty>, $($rest:tt)*) => {
        $crate::document! { @ $head $done [$(#[$meta])+ #[serde(default, skip_serializing_if = "Option::is_none")]
            pub $field: Option<$type>,] $($rest)* }
    };
    (@ $head:tt $done:tt $(#[$meta:meta])+ pub $field:ident: Vec<$type:ty>, $($rest:tt)*) => {
        $crate::document! { @ $head $done [$(#[$meta])+ #[serde(default, skip_serializing_if = "Vec::is_empty")]
            pub $field: Vec<$type>,] $($rest)* }
    };
    (@ $head:tt $done:tt $(#[$meta:meta])+ pub $field:ident: $type:ty, $($rest:tt)*) => {
        $crate::document! { @ $head $done [$(#[$meta])+ pub $field: $type,] $($rest)* }
    };
    (@ $head:tt [$($done:tt)*] [$($field:tt)+] $($rest:tt)*) => {
        $crate::document! { @ $head [$($done)* $($field)+] $($rest)* }
    };
    ($(#[$meta:meta])* pub struct $struct:ident { $($fields:tt)* }) => {
        $crate::document! { @ [$(#[$meta])* pub struct $struct] [] $($fields)* }
    };
}
