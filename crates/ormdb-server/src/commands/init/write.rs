//! The schema of inferred tables: keys, and relations by the names of columns.

use std::collections::HashSet;
use std::fmt::Write as _;

use super::infer::{Column, Kind, Table, reference_stem};
use crate::exit::{Failure, Result};

/// A relation that the names of columns tell of.
struct Link<'t> {
    from: &'t Table,
    column: &'t Column,
    to: &'t Table,
    /// The key of `to`.
    key: &'t Column,
    /// The name on this side.
    name: String,
    /// The name on the other side.
    inverse: String,
}

/// The schema of tables.
pub(crate) fn schema(tables: &[Table]) -> Result<String> {
    let mut names = HashSet::new();
    if let Some(twice) = tables.iter().find(|table| !names.insert(table.entity.as_str())) {
        return Err(Failure::Request(format!("two files are called `{}`", twice.entity)));
    }
    let links = links(tables);
    let mut out = String::new();
    for table in tables {
        let key = key(table);
        line(&mut out, format_args!("entity {} {{", table.entity));
        for column in &table.columns {
            let optional = if column.is_optional() { "?" } else { "" };
            let is_key = key.is_some_and(|key| std::ptr::eq(key, column));
            let id = match column.kind {
                _ if !is_key => "",
                Kind::Int => " @id @default(autoincrement())",
                _ => " @id",
            };
            line(&mut out, format_args!("  `{}` {}{optional}{id}", column.name, column.type_name()));
            for link in links.iter().filter(|link| std::ptr::eq(link.column, column)) {
                let several = links
                    .iter()
                    .filter(|other| std::ptr::eq(other.from, link.from) && std::ptr::eq(other.to, link.to))
                    .count();
                let label = if several > 1 { format!("\"{}\", ", link.inverse) } else { String::new() };
                line(
                    &mut out,
                    format_args!(
                        "  `{}` {}{optional} @relation({label}`{}` -> {}.`{}`)",
                        link.name, link.to.entity, column.name, link.to.entity, link.key.name
                    ),
                );
            }
        }
        for link in links.iter().filter(|link| std::ptr::eq(link.to, table)) {
            let several = links
                .iter()
                .filter(|other| std::ptr::eq(other.from, link.from) && std::ptr::eq(other.to, link.to));
            let label =
                if several.count() > 1 { format!(" @relation(\"{}\")", link.inverse) } else { String::new() };
            line(&mut out, format_args!("  `{}` {}[]{label}", link.inverse, link.from.entity));
        }
        if key.is_none() && table.references_are_unique {
            let names = edge_key(table, &links);
            if names.len() > 1 {
                line(&mut out, format_args!("  @@id({})", names.join(", ")));
            }
        }
        line(&mut out, format_args!("}}\n"));
    }
    Ok(out)
}

/// Writing to a string does not fail.
fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(out, "{text}").unwrap_or_default();
}

/// The column that is the key: `id`, or the entity's name with `id` behind it, or a first column that is called
/// alike and refers to nothing; if its values are unique.
fn key(table: &Table) -> Option<&Column> {
    let fits = |column: &&Column| column.identifies() && !matches!(column.kind, Kind::Bool | Kind::Float);
    let entity = squeezed(&table.entity);
    let named = |column: &&Column| {
        let name = squeezed(&column.name);
        name == "id" || name == format!("{entity}id") || name == format!("{}id", singular(&entity))
    };
    let alike = |column: &&Column| {
        let counts = matches!(column.kind, Kind::Int | Kind::Uuid);
        counts && squeezed(&column.name).ends_with("id") && reference_stem(&column.name).is_none()
    };
    let first = table.columns.first().filter(fits).filter(alike);
    table.columns.iter().filter(fits).find(named).or(first)
}

/// The columns that refer to other tables, if no other column is called like a reference, and none has nulls.
fn edge_key(table: &Table, links: &[Link<'_>]) -> Vec<String> {
    let mut names = Vec::new();
    for column in table.columns.iter().filter(|column| reference_stem(&column.name).is_some()) {
        if column.is_optional() || !links.iter().any(|link| std::ptr::eq(link.column, column)) {
            return Vec::new();
        }
        names.push(format!("`{}`", column.name));
    }
    names
}

/// Lower case, without underscores.
fn squeezed(name: &str) -> String {
    name.chars().filter(|c| *c != '_').flat_map(char::to_lowercase).collect()
}

fn links(tables: &[Table]) -> Vec<Link<'_>> {
    let mut links: Vec<Link<'_>> = Vec::new();
    for from in tables {
        let own_key = key(from);
        for column in &from.columns {
            let Some(stem) = reference_stem(&column.name) else { continue };
            if own_key.is_some_and(|key| std::ptr::eq(key, column)) {
                continue;
            }
            let found = tables.iter().find_map(|to| {
                let key = key(to)?;
                let entity = squeezed(&to.entity);
                let means = squeezed(stem) == entity || squeezed(stem) == singular(&entity);
                (means && key.kind == column.kind).then_some((to, key))
            });
            let Some((to, key)) = found else { continue };
            let mut taken: HashSet<String> = from.columns.iter().map(|c| c.name.clone()).collect();
            taken.extend(links.iter().filter(|l| std::ptr::eq(l.from, from)).map(|l| l.name.clone()));
            let name = free(stem, &taken);
            let mut taken: HashSet<String> = to.columns.iter().map(|c| c.name.clone()).collect();
            taken.extend(links.iter().filter(|l| std::ptr::eq(l.to, to)).map(|l| l.inverse.clone()));
            taken.extend(links.iter().filter(|l| std::ptr::eq(l.from, to)).map(|l| l.name.clone()));
            let inverse = free(&plural(&from.entity), &taken);
            links.push(Link { from, column, to, key, name, inverse });
        }
    }
    links
}

fn singular(name: &str) -> &str {
    name.strip_suffix('s').unwrap_or(name)
}

/// The name of many: begins with a small letter.
fn plural(entity: &str) -> String {
    let mut chars = entity.chars();
    let first: String = chars.next().into_iter().flat_map(char::to_lowercase).collect();
    let name = format!("{first}{}", chars.as_str());
    if name.ends_with('s') { name } else { format!("{name}s") }
}

/// The name, with a number behind it where it is taken.
fn free(name: &str, taken: &HashSet<String>) -> String {
    if !taken.contains(name) {
        return name.to_owned();
    }
    (2..u32::MAX).map(|n| format!("{name}{n}")).find(|name| !taken.contains(name)).unwrap_or_default()
}
