//! `FromRow`: a plan and columns with a member for each field.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::ext::IdentExt;
use syn::{Data, DeriveInput, Error, Fields, Ident, Result, Type};

use crate::attributes;

/// A field, and the member that stands for it in the plan and in the columns.
struct Member<'a> {
    field: &'a Ident,
    ty: &'a Type,
    member: Ident,
    name: String,
    default: bool,
}

pub(crate) fn derive(input: &DeriveInput, krate: &str) -> Result<TokenStream> {
    let members = members(input)?;
    let (krate, ident) = (Ident::new(krate, input.ident.span()), &input.ident);
    let typed = quote!(::#krate::typed);
    let plans = members.iter().map(|Member { member, ty, default, .. }| {
        let plan = quote!(<#ty as #typed::FromMember>::Plan);
        if *default { quote!(#member: ::core::option::Option<#plan>) } else { quote!(#member: #plan) }
    });
    let columns = members.iter().map(|Member { member, ty, default, .. }| {
        let reader = quote!(<#ty as #typed::FromMember>::Reader<'r>);
        if *default { quote!(#member: ::core::option::Option<#reader>) } else { quote!(#member: #reader) }
    });
    let planned = members.iter().map(|Member { member, ty, default, name, .. }| {
        let find = if *default { quote!(member_if_there) } else { quote!(member) };
        quote!(#member: node.#find::<#ty>(#name)?)
    });
    let opened = members.iter().map(|Member { member, ty, default, .. }| {
        if *default {
            quote! {
                #member: match &plan.#member {
                    ::core::option::Option::Some(plan) => {
                        ::core::option::Option::Some(<#ty as #typed::FromMember>::open(plan, chunk)?)
                    }
                    ::core::option::Option::None => ::core::option::Option::None,
                }
            }
        } else {
            quote!(#member: <#ty as #typed::FromMember>::open(&plan.#member, chunk)?)
        }
    });
    let read = members.iter().map(|Member { field, member, ty, default, name }| {
        let read = quote! {
            match <#ty as #typed::FromMember>::read(reader, row) {
                ::core::result::Result::Ok(value) => value,
                ::core::result::Result::Err(error) => {
                    return ::core::result::Result::Err(#typed::within(error, columns.entity, #name));
                }
            }
        };
        if *default {
            quote! {
                #field: match &columns.#member {
                    ::core::option::Option::Some(reader) => #read,
                    ::core::option::Option::None => ::core::default::Default::default(),
                }
            }
        } else {
            quote!(#field: { let reader = &columns.#member; #read })
        }
    });
    Ok(quote! {
        const _: () = {
            pub struct Plan { entity: ::std::string::String, #(#plans),* }

            pub struct Columns<'r> { entity: &'r str, #(#columns),* }

            impl #typed::FromRow for #ident {
                type Plan = Plan;
                type Columns<'r> = Columns<'r>;

                fn plan(node: &#typed::Node<'_>) -> #typed::Result<Plan> {
                    let entity = ::std::borrow::ToOwned::to_owned(node.entity());
                    ::core::result::Result::Ok(Plan { entity, #(#planned),* })
                }

                fn open<'r>(plan: &'r Plan, chunk: &#typed::OpenChunk<'r>) -> #typed::Result<Columns<'r>> {
                    ::core::result::Result::Ok(Columns { entity: &plan.entity, #(#opened),* })
                }

                fn read(columns: &Columns<'_>, row: usize) -> #typed::Result<Self> {
                    ::core::result::Result::Ok(#ident { #(#read),* })
                }
            }

            impl #typed::FromMember for #ident {
                type Plan = #typed::seat::SeatPlan<Plan>;
                type Reader<'r> = #typed::seat::SeatReader<'r, Columns<'r>>;

                fn plan(place: &#typed::Place<'_>) -> #typed::Result<Self::Plan> {
                    #typed::seat::plan::<Self>(place)
                }

                fn open<'r>(
                    plan: &'r Self::Plan,
                    chunk: &#typed::OpenChunk<'r>,
                ) -> #typed::Result<Self::Reader<'r>> {
                    #typed::seat::open::<Self>(plan, chunk)
                }

                fn is_absent(reader: &Self::Reader<'_>, row: usize) -> bool {
                    #typed::seat::is_absent(reader, row)
                }

                fn read(reader: &Self::Reader<'_>, row: usize) -> #typed::Result<Self> {
                    #typed::seat::read::<Self>(reader, row)
                }
            }
        };
    })
}

fn members(input: &DeriveInput) -> Result<Vec<Member<'_>>> {
    if !input.generics.params.is_empty() {
        return Err(Error::new_spanned(&input.generics, "a row becomes a struct without parameters"));
    }
    let Data::Struct(data) = &input.data else {
        return Err(Error::new_spanned(
            &input.ident,
            "rows become structs; labels become enums, by `FromLabel`",
        ));
    };
    let Fields::Named(fields) = &data.fields else {
        return Err(Error::new_spanned(&input.ident, "fields are found by their names, and here are none"));
    };
    let mut members = Vec::with_capacity(fields.named.len());
    for (at, field) in fields.named.iter().enumerate() {
        let Some(ident) = &field.ident else { continue };
        let attributes = attributes::read(&field.attrs)?;
        let name = attributes.name.unwrap_or_else(|| ident.unraw().to_string());
        let member = format_ident!("member_{at}");
        members.push(Member { field: ident, ty: &field.ty, member, name, default: attributes.default });
    }
    Ok(members)
}
