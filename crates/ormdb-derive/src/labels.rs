//! `FromLabel`: a variant for each label.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::{Data, DeriveInput, Error, Fields, Ident, Result};

use crate::attributes;

pub(crate) fn derive(input: &DeriveInput, krate: &str) -> Result<TokenStream> {
    let Data::Enum(data) = &input.data else {
        return Err(Error::new_spanned(&input.ident, "labels become variants of an enum"));
    };
    let (krate, ident) = (Ident::new(krate, input.ident.span()), &input.ident);
    let typed = quote!(::#krate::typed);
    let mut arms = Vec::with_capacity(data.variants.len());
    for variant in &data.variants {
        if !matches!(variant.fields, Fields::Unit) {
            return Err(Error::new_spanned(variant, "a label has nothing to put into a variant"));
        }
        let name = attributes::read(&variant.attrs)?.name;
        let label = name.unwrap_or_else(|| snake_case(&variant.ident.unraw().to_string()));
        let variant = &variant.ident;
        arms.push(quote!(#label => ::core::option::Option::Some(#ident::#variant)));
    }
    Ok(quote! {
        impl #typed::FromLabel for #ident {
            fn from_label(label: &str) -> ::core::option::Option<Self> {
                match label {
                    #(#arms,)*
                    _ => ::core::option::Option::None,
                }
            }
        }

        impl #typed::FromMember for #ident {
            type Plan = #typed::label::Plan;
            type Reader<'r> = #typed::label::Reader<'r, Self>;

            fn plan(place: &#typed::Place<'_>) -> #typed::Result<#typed::label::Plan> {
                #typed::label::plan(place)
            }

            fn open<'r>(plan: &'r #typed::label::Plan, chunk: &#typed::OpenChunk<'r>) -> #typed::Result<#typed::label::Reader<'r, Self>> {
                #typed::label::open(plan, chunk)
            }

            fn is_absent(reader: &#typed::label::Reader<'_, Self>, row: usize) -> bool {
                #typed::label::is_absent(reader, row)
            }

            fn read(reader: &#typed::label::Reader<'_, Self>, row: usize) -> #typed::Result<Self> {
                #typed::label::read(reader, row)
            }
        }
    })
}

/// `InStock` as `in_stock`.
fn snake_case(variant: &str) -> String {
    let mut label = String::with_capacity(variant.len() + 2);
    for (at, letter) in variant.char_indices() {
        if letter.is_uppercase() && at > 0 {
            label.push('_');
        }
        label.extend(letter.to_lowercase());
    }
    label
}
