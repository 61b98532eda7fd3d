//! The attribute `#[row(…)]`.

use syn::{Attribute, LitStr, Result};

/// What `#[row(…)]` says of a field or variant.
#[derive(Default)]
pub(crate) struct Attributes {
    pub(crate) name: Option<String>,
    pub(crate) default: bool,
}

/// Reads it; what is not known is an error.
pub(crate) fn read(attributes: &[Attribute]) -> Result<Attributes> {
    let mut read = Attributes::default();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("row")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("name") {
                read.name = Some(meta.value()?.parse::<LitStr>()?.value());
                Ok(())
            } else if meta.path.is_ident("default") {
                read.default = true;
                Ok(())
            } else {
                Err(meta.error("`row` knows `name = \"…\"` and `default`"))
            }
        })?;
    }
    Ok(read)
}
