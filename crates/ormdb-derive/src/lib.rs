//! Derives `FromRow` for structs that rows of a result become, and `FromLabel` for enums that labels become.
//!
//! Knows neither blocks nor shapes: what is derived names the crate that it is used through, and calls what stands there
//! in `typed`. So each crate that hands the macros on has its own: the same, with another path.

mod attributes;
mod labels;
mod rows;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// The two macros for a crate that hands them on.
macro_rules! for_crate {
    ($krate:literal, $row:ident $derive_row:ident, $label:ident $derive_label:ident) => {
        /// Makes a struct one that rows become, field by field by name.
        ///
        /// - `#[row(name = "title")]` on a field: what it is called in the result.
        /// - `#[row(default)]` on a field: where the result has nothing of the name, the field has its default.
        #[proc_macro_derive($row, attributes(row))]
        pub fn $derive_row(input: TokenStream) -> TokenStream {
            let input = parse_macro_input!(input as DeriveInput);
            rows::derive(&input, $krate).unwrap_or_else(syn::Error::into_compile_error).into()
        }

        /// Makes an enum one that labels become: the variant `InStock` is the label `in_stock`.
        ///
        /// - `#[row(name = "sold-out")]` on a variant: what the label is.
        #[proc_macro_derive($label, attributes(row))]
        pub fn $derive_label(input: TokenStream) -> TokenStream {
            let input = parse_macro_input!(input as DeriveInput);
            labels::derive(&input, $krate).unwrap_or_else(syn::Error::into_compile_error).into()
        }
    };
}

for_crate!("ormdb_proto", ProtoRow proto_row, ProtoLabel proto_label);
for_crate!("ormdb_client", ClientRow client_row, ClientLabel client_label);
for_crate!("ormdb", EmbeddedRow embedded_row, EmbeddedLabel embedded_label);
