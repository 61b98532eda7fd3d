//! What is selected of a row becomes columns: a field one, a struct one for each of its members.
//!
//! Invariants: (1) a column of a member has a dotted name, and the presence flags of the optional structs around it
//! stand before it, so that results nest again; (2) no two members of one object of a result have one name.

use ormdb_proto::error::Span;
use ormdb_proto::ir::{DeletedRows, Expr, Include, SelectItem, Selection};
use ormdb_proto::schema::{Embedded, Field, PRESENCE_SIGN};
use ormdb_proto::{Error, ErrorCode, Result};

use crate::catalog::{EntityInfo, Member};
use crate::expr::member;

/// The columns of one node of a result, and the names that it has given away.
pub(super) struct Columns<'c> {
    entity: &'c EntityInfo,
    taken: Vec<String>,
    /// Name and value of each column, in the order asked for.
    pub(super) exprs: Vec<(String, Expr)>,
}

impl<'c> Columns<'c> {
    pub(super) const fn new(entity: &'c EntityInfo) -> Columns<'c> {
        Columns { entity, taken: Vec::new(), exprs: Vec::new() }
    }

    /// Gives a name away.
    pub(super) fn take(&mut self, name: &str, span: Option<Span>) -> Result<()> {
        let within = |inner: &str, outer: &str| inner.strip_prefix(outer).is_some_and(|r| r.starts_with('.'));
        let conflicts = |taken: &String| taken == name || within(taken, name) || within(name, taken);
        if self.taken.iter().any(conflicts) {
            let error = Error::new(
                ErrorCode::DuplicateName,
                format!("`{name}` is selected twice of {}", self.entity.name),
            )
            .hint("give one of them another name: `other: …`");
            return Err(placed(error.entity(&self.entity.name).field(name), span));
        }
        self.taken.push(name.to_owned());
        Ok(())
    }

    /// All stored fields but those left out.
    pub(super) fn all(&mut self, except: &[String]) -> Result<()> {
        let mut structs = Vec::new();
        for name in except {
            match self.entity.member(name) {
                Ok(Member::Struct(of)) => structs.push(of),
                _ => {
                    self.entity.field_named(name)?;
                }
            }
        }
        let kept =
            |f: &&'c Field| !except.contains(&f.name) && !structs.iter().any(|of| of.rest(&f.name).is_some());
        let entity: &'c EntityInfo = self.entity;
        for field in entity.fields.iter().filter(|f| f.is_stored() && !f.hidden).filter(kept) {
            self.field(field, None)?;
        }
        Ok(())
    }

    /// A field under its own name.
    pub(super) fn field(&mut self, field: &Field, span: Option<Span>) -> Result<()> {
        self.surroundings(&field.name);
        self.column(&field.name, &field.name, span)
    }

    /// A value under a name; a struct, where the expression is the path of one.
    pub(super) fn computed(&mut self, alias: &str, expr: &Expr) -> Result<()> {
        self.check_alias(alias)?;
        let of = match expr {
            Expr::Path { path, .. } => self.entity.embedded_at(&path.join(".")),
            _ => None,
        };
        match of {
            Some(of) => self.whole(of, alias, None),
            None => {
                self.take(alias, None)?;
                self.exprs.push((alias.to_owned(), expr.clone()));
                Ok(())
            }
        }
    }

    /// A struct under its own name.
    pub(super) fn structure(&mut self, of: &Embedded, span: Option<Span>) -> Result<()> {
        self.surroundings(&of.path);
        self.whole(of, &of.path, span)
    }

    /// Some members of a struct, in braces behind it.
    pub(super) fn members(&mut self, of: &Embedded, include: &Include) -> Result<()> {
        let name = match &include.alias {
            Some(alias) => {
                self.check_alias(alias)?;
                alias
            }
            None => {
                self.surroundings(&of.path);
                &of.path
            }
        };
        self.flag(of, name);
        self.items(of, name, &include.selection, include.span)
    }

    fn items(&mut self, of: &Embedded, name: &str, selection: &Selection, span: Option<Span>) -> Result<()> {
        let Selection { filter, order, distinct, cursor, limit, end: _, offset, items, deleted } = selection;
        let clauses = *deleted != DeletedRows::Hidden || !distinct.is_empty() || cursor.is_some();
        if clauses || filter.is_some() || !order.is_empty() || limit.is_some() || offset.is_some() {
            let message = format!("`{}` is a struct of the row: it is neither filtered nor ordered", of.path);
            let error =
                Error::new(ErrorCode::InvalidQuery, message).entity(&self.entity.name).field(&of.path);
            return Err(placed(error.hint(format!("name its members alone: `{} {{ … }}`", of.path)), span));
        }
        for item in items {
            match item {
                SelectItem::All { except } => {
                    for left in except {
                        self.member(of, left, span)?;
                    }
                    let names: Vec<&str> = self.entity.struct_members(of).collect();
                    for member in names.into_iter().filter(|m| !except.iter().any(|left| left == m)) {
                        self.member_as(of, member, &format!("{name}.{member}"), span)?;
                    }
                }
                SelectItem::Field { name: member, span } => {
                    self.member_as(of, member, &format!("{name}.{member}"), *span)?;
                }
                SelectItem::Computed { alias, expr: Expr::Path { path, span } } => {
                    self.check_alias(alias)?;
                    self.member_as(of, &path.join("."), &format!("{name}.{alias}"), *span)?;
                }
                SelectItem::Computed { alias, .. } => {
                    let message = format!("only members of `{}` can be selected in it", of.path);
                    let error = Error::new(ErrorCode::InvalidQuery, message).field(alias);
                    return Err(placed(error.hint(format!("compute `{alias}` beside it")), span));
                }
                SelectItem::Include(inner) => {
                    let Member::Struct(deeper) = self.member(of, &inner.relation, inner.span)? else {
                        let message =
                            format!("`{}.{}` is no struct and has no members", of.path, inner.relation);
                        return Err(placed(Error::new(ErrorCode::InvalidQuery, message), inner.span));
                    };
                    let alias = inner.alias.as_ref().unwrap_or(&inner.relation);
                    self.check_alias(alias)?;
                    let name = format!("{name}.{alias}");
                    self.flag(deeper, &name);
                    self.items(deeper, &name, &inner.selection, inner.span)?;
                }
            }
        }
        Ok(())
    }

    /// What a name means behind a struct.
    fn member(&self, of: &Embedded, name: &str, span: Option<Span>) -> Result<Member<'c>> {
        let entity: &'c EntityInfo = self.entity;
        match entity.member(&format!("{}.{name}", of.path)) {
            Ok(member) => Ok(member),
            Err(_) => Err(placed(member::unknown_member(entity, of, name), span)),
        }
    }

    fn member_as(&mut self, of: &Embedded, member: &str, name: &str, span: Option<Span>) -> Result<()> {
        match self.member(of, member, span)? {
            Member::Struct(inner) => self.whole(inner, name, span),
            Member::Field(field) => self.column(name, &field.name, span),
            Member::Relation(_) => Err(Error::new(ErrorCode::Internal, "a struct has a relation")),
        }
    }

    /// All members of a struct, under a name.
    fn whole(&mut self, of: &Embedded, name: &str, span: Option<Span>) -> Result<()> {
        self.flag(of, name);
        let entity: &'c EntityInfo = self.entity;
        for field in &entity.fields {
            match of.rest(&field.name) {
                Some(rest) if rest.starts_with(PRESENCE_SIGN) => {}
                Some(rest) if field.is_presence() => {
                    self.exprs.push((format!("{name}.{rest}"), Expr::path([field.name.as_str()])));
                }
                Some(rest) => self.column(&format!("{name}.{rest}"), &field.name, span)?,
                None => {}
            }
        }
        Ok(())
    }

    fn column(&mut self, name: &str, field: &str, span: Option<Span>) -> Result<()> {
        self.take(name, span)?;
        self.exprs.push((name.to_owned(), Expr::path([field])));
        Ok(())
    }

    /// The column that says whether a struct is there, where it may not be.
    fn flag(&mut self, of: &Embedded, name: &str) {
        let flag = of.presence.or(of.inside).and_then(|id| self.entity.field_by_id(id));
        let column = format!("{name}{PRESENCE_SIGN}");
        if let Some(flag) = flag
            && !self.exprs.iter().any(|(taken, _)| *taken == column)
        {
            self.exprs.push((column, Expr::path([flag.name.as_str()])));
        }
    }

    /// The columns that say whether the structs around a field or struct are there.
    fn surroundings(&mut self, name: &str) {
        let entity: &'c EntityInfo = self.entity;
        for of in entity.embedded.iter().filter(|of| of.optional() && of.rest(name).is_some()) {
            self.flag(of, &of.path);
        }
    }

    /// A point in the name of a column is that of a struct.
    fn check_alias(&self, alias: &str) -> Result<()> {
        if alias.contains(['.', PRESENCE_SIGN]) {
            let message = format!("`{alias}` cannot name a value: `.` and `?` are signs of the language");
            return Err(Error::new(ErrorCode::InvalidQuery, message).entity(&self.entity.name));
        }
        Ok(())
    }
}

fn placed(mut error: Error, span: Option<Span>) -> Error {
    error.detail.span = error.detail.span.or(span);
    error
}
