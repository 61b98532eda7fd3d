//! Takes the structs of one entity apart: a member of theirs becomes a field under a dotted name.

use std::collections::{HashMap, HashSet};

use ormdb_proto::schema::{Entity, ScalarType};
use ormdb_proto::{Error, ErrorCode};

use super::{EmbeddedDraft, Flat, MemberDraft, presence_name, struct_of};
use crate::catalog::resolve::rewrite;
use crate::text::ast::{
    DefaultDecl, EntityDecl, FieldAttribute, FieldAttributeKind, FieldDecl, Member, Name, TypeName,
};

/// Makes the members of structs fields of one entity.
pub(super) struct Flattener<'a> {
    pub(super) structs: &'a HashMap<String, EntityDecl>,
    pub(super) usable: &'a HashSet<String>,
    pub(super) entity: String,
    /// The names of the fields and relations of the entity.
    pub(super) names: HashSet<String>,
    pub(super) was: Option<&'a Entity>,
    pub(super) fields: Vec<Member>,
    pub(super) flat: &'a mut Flat,
    pub(super) errors: &'a mut Vec<Error>,
}

/// A struct that is being taken apart.
struct Opened<'a> {
    decl: &'a EntityDecl,
    path: String,
    /// What it may have been called before.
    former: Vec<String>,
    inside: Option<String>,
}

impl<'a> Flattener<'a> {
    pub(super) fn members(&mut self, members: Vec<Member>) -> Vec<Member> {
        let mut seen: HashMap<String, u32> = HashMap::new();
        for member in members {
            let Member::Field(field) = &member else {
                self.fields.push(member);
                continue;
            };
            let Some(decl) = struct_of(field, self.structs) else {
                // A name that a struct has already.
                if let Some(line) = seen.get(&field.name.text) {
                    self.duplicate(&field.name, *line);
                    continue;
                }
                self.fields.push(member);
                continue;
            };
            let field = field.clone();
            self.flat.names.push(field.name.clone());
            let twin = self.fields.iter().find_map(|m| match m {
                Member::Field(other) if other.name.text == field.name.text => Some(other.name.span.line),
                _ => None,
            });
            if let Some(line) = seen.insert(field.name.text.clone(), field.name.span.line).or(twin) {
                self.duplicate(&field.name, line);
                continue;
            }
            if self.fits(&field, decl) {
                self.open(&field, decl, None);
            } else {
                let broken = self.flat.broken.entry(self.entity.clone()).or_default();
                broken.insert(field.name.text.clone());
            }
        }
        std::mem::take(&mut self.fields)
    }

    fn duplicate(&mut self, name: &Name, line: u32) {
        let error = Error::new(ErrorCode::DuplicateName, format!("field `{name}` is declared twice"));
        self.errors.push(error.span(name.span).hint(format!("the first is in line {line}")));
    }

    /// Whether a field can be this struct; reports it if not.
    fn fits(&mut self, field: &FieldDecl, decl: &EntityDecl) -> bool {
        let mut fits = self.usable.contains(&decl.name.text);
        let mut wrong = |code, span, message: String, hint: &str| {
            self.errors.push(Error::new(code, message).span(span).hint(hint));
            fits = false;
        };
        let name = &field.name;
        if field.ty.array {
            let message = format!("`{name}` is an array of structs, which is not in this version");
            let hint = format!(
                "make `{}` an entity with a relation to `{}`, or make `{name}` a `json` field",
                decl.name, self.entity
            );
            wrong(ErrorCode::UnsupportedFeature, field.ty.span, message, &hint);
        }
        if let Some(computed) = &field.computed {
            let message = format!("`{name}` is a struct and cannot be computed");
            wrong(ErrorCode::InvalidSchema, computed.span, message, "compute a field from its members");
        }
        for attribute in field.attributes.iter().filter(|a| !matches!(a.kind, FieldAttributeKind::Was(_))) {
            let word = attribute.kind.word();
            let message = format!("`{name}` is a struct, and `@{word}` is for fields of one value");
            let hint =
                format!("write it in struct `{}`, or in the entity over a member: `{name}.…`", decl.name);
            wrong(ErrorCode::InvalidSchema, attribute.span, message, &hint);
        }
        fits
    }

    fn open(&mut self, field: &FieldDecl, decl: &'a EntityDecl, around: Option<&Opened<'_>>) {
        let path = within(around.map(|a| a.path.as_str()), &field.name.text);
        let former = former_names(field, around);
        let inside = around.and_then(|a| a.inside.clone());
        let optional = field.ty.optional;
        self.flat.embedded.entry(self.entity.clone()).or_default().push(EmbeddedDraft {
            path: path.clone(),
            struct_name: decl.name.text.clone(),
            doc: field.notes.doc(),
            optional,
            inside: inside.clone(),
        });
        if optional {
            let was_required = self.was.is_some_and(|was| {
                std::iter::once(&path)
                    .chain(&former)
                    .find_map(|name| was.embedded_at(name))
                    .is_some_and(|e| !e.optional())
            });
            let mut flag = field.clone();
            flag.ty.name = TypeName::Scalar(ScalarType::Bool);
            let former: Vec<String> = former.iter().map(|name| presence_name(name)).collect();
            let draft = MemberDraft { presence: true, inside: inside.clone(), required: false, was_required };
            self.push(flag, presence_name(&path), &former, draft);
        }
        let inside = if optional { Some(path.clone()) } else { inside };
        let opened = Opened { decl, path, former, inside };
        let names: HashSet<&str> = decl.fields().map(|f| f.name.as_str()).collect();
        for member in decl.fields() {
            if let Some(inner) = struct_of(member, self.structs) {
                if self.fits(member, inner) {
                    self.open(member, inner, Some(&opened));
                }
                continue;
            }
            self.member(member, &names, &opened);
        }
    }

    fn member(&mut self, member: &FieldDecl, names: &HashSet<&str>, of: &Opened<'_>) {
        let mut field = member.clone();
        // Reported where the struct is declared.
        field.computed = None;
        field.attributes.retain(|a| !matches!(a.kind, FieldAttributeKind::Stored));
        for attribute in &mut field.attributes {
            let expr = match &mut attribute.kind {
                FieldAttributeKind::Default(DefaultDecl::Expr(text)) => text,
                FieldAttributeKind::Check(check) => &mut check.expr,
                _ => continue,
            };
            for name in rewrite::placed(&mut expr.expr, &of.path, |name| names.contains(name)) {
                // A word that is no member may be a label; one that is a field of the entity is not meant here.
                if self.names.contains(&name) {
                    let message = format!("struct `{}` has no member `{name}`", of.decl.name);
                    let hint = "a struct names its own members only; write the check in the entity";
                    self.errors.push(Error::new(ErrorCode::UnknownField, message).span(expr.span).hint(hint));
                }
            }
        }
        let former: Vec<String> = former_names(member, Some(of));
        let draft = MemberDraft {
            presence: false,
            inside: of.inside.clone(),
            required: !member.ty.optional,
            was_required: false,
        };
        self.push(field, within(Some(&of.path), &member.name.text), &former, draft);
    }

    fn push(&mut self, mut field: FieldDecl, name: String, former: &[String], draft: MemberDraft) {
        let span = field.attributes.iter().find_map(|a| match &a.kind {
            FieldAttributeKind::Was(was) => Some((a.span, was.span)),
            _ => None,
        });
        field.attributes.retain(|a| {
            !matches!(a.kind, FieldAttributeKind::Was(_)) && (!draft.presence || a.kind.word() == "map")
        });
        let existed = |former: &&String| self.was.is_some_and(|was| was.field(former).is_some());
        if let Some(was) = former.iter().filter(|former| **former != name).find(existed) {
            let (at, text) = span.unwrap_or((field.name.span, field.name.span));
            let was = Name { text: was.clone(), span: text };
            field.attributes.push(FieldAttribute { kind: FieldAttributeKind::Was(was), span: at });
        }
        self.flat.members.insert((self.entity.clone(), name.clone()), draft);
        field.name.text = name;
        self.fields.push(Member::Field(field));
    }
}

fn within(path: Option<&str>, name: &str) -> String {
    path.map_or_else(|| name.to_owned(), |path| format!("{path}.{name}"))
}

/// The names that a field may have had: each of the struct around it, with each of its own behind it.
fn former_names(field: &FieldDecl, around: Option<&Opened<'_>>) -> Vec<String> {
    let was = field.attributes.iter().find_map(|a| match &a.kind {
        FieldAttributeKind::Was(was) => Some(was.text.as_str()),
        _ => None,
    });
    let own: Vec<&str> = was.into_iter().chain([field.name.as_str()]).collect();
    match around {
        None => own.into_iter().map(str::to_owned).collect(),
        Some(around) => std::iter::once(&around.path)
            .chain(&around.former)
            .flat_map(|path| own.iter().map(move |name| within(Some(path), name)))
            .collect(),
    }
}
