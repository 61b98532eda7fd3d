//! Writes a schema in its canonical form: names, types and attributes in columns, two spaces of indent, at most one
//! empty line between lines, every comment kept.

use ormdb_proto::Error;
use ormdb_proto::schema::{Deferrable, Generator, NullsDistinct, ReferentialAction};

use super::ast::{
    CheckDecl, Comment, DefaultDecl, EntityAttribute, EntityAttributeKind, EntityDecl, EnumDecl,
    FieldAttributeKind, FieldDecl, ForeignKeyDecl, IndexDecl, Item, Member, Name, NamespaceDecl, Notes,
    RelationDecl, SchemaAst, ThroughDecl, TypeName, TypeRef,
};
use super::parser::parse_schema;
use crate::text::print::{print_declared, print_expr, print_order, print_string};

/// The widest enum that stands on one line.
const ENUM_LINE_MAX: usize = 100;

/// The schema text in its canonical form.
///
/// # Errors
/// Those of [`parse_schema`]: a text with errors is not formatted.
pub fn format_schema(text: &str) -> Result<String, Vec<Error>> {
    parse_schema(text).map(|ast| ast.to_string())
}

/// One struct in its canonical form.
pub fn print_struct(decl: &EntityDecl) -> String {
    let mut out = Output::default();
    out.entity_decl(decl, "struct", true);
    out.text.truncate(out.text.trim_end().len());
    out.text
}

/// One entity in its canonical form.
pub fn print_entity(entity: &EntityDecl) -> String {
    let mut out = Output::default();
    out.entity_decl(entity, "entity", true);
    out.text.truncate(out.text.trim_end().len());
    out.text
}

impl std::fmt::Display for SchemaAst {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = Output::default();
        out.items(&self.items);
        for (i, comment) in self.tail.iter().enumerate() {
            let first = i == 0;
            let blank = !out.text.is_empty() && (first || comment.blank_before);
            out.comment(comment, "", blank);
        }
        f.write_str(&out.text)
    }
}

#[derive(Default)]
struct Output {
    text: String,
    /// What stands before every line: two spaces in a namespace.
    margin: &'static str,
}

impl Output {
    fn items(&mut self, items: &[Item]) {
        for (i, item) in items.iter().enumerate() {
            let first = i == 0;
            match item {
                Item::Enum(decl) => self.enum_decl(decl, first),
                Item::Struct(decl) => self.entity_decl(decl, "struct", first),
                Item::Entity(decl) => self.entity_decl(decl, "entity", first),
                Item::Namespace(decl) => self.namespace_decl(decl, first),
            }
        }
    }

    fn namespace_decl(&mut self, decl: &NamespaceDecl, first: bool) {
        self.above(&decl.notes, "", first, true);
        let beside = beside(&decl.notes);
        if decl.items.is_empty() && decl.tail.is_empty() {
            self.line("", &format!("namespace {} {{}}{beside}", name(&decl.name)));
            return;
        }
        self.line("", &format!("namespace {} {{", name(&decl.name)));
        self.margin = "  ";
        self.items(&decl.items);
        for (i, comment) in decl.tail.iter().enumerate() {
            let blank = if i == 0 { !decl.items.is_empty() } else { comment.blank_before };
            self.comment(comment, "", blank);
        }
        self.margin = "";
        self.line("", &format!("}}{beside}"));
    }

    fn line(&mut self, indent: &str, line: &str) {
        self.text.push_str(self.margin);
        self.text.push_str(indent);
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn comment(&mut self, comment: &Comment, indent: &str, blank_before: bool) {
        if blank_before {
            self.text.push('\n');
        }
        self.line(indent, &comment.text);
    }

    /// The comments above a thing, and the empty lines among them; `apart` asks for an empty line at the top,
    /// `first` forbids one.
    fn above(&mut self, notes: &Notes, indent: &str, first: bool, apart: bool) {
        for (i, comment) in notes.above.iter().enumerate() {
            let top = i == 0;
            let blank = if top { !first && (apart || comment.blank_before) } else { comment.blank_before };
            self.comment(comment, indent, blank);
        }
        let top = notes.above.is_empty();
        if if top { !first && (apart || notes.blank_before) } else { notes.blank_before } {
            self.text.push('\n');
        }
    }

    fn tail(&mut self, comments: &[Comment], first: bool) {
        for (i, comment) in comments.iter().enumerate() {
            self.comment(comment, "  ", comment.blank_before && !(first && i == 0));
        }
    }

    fn enum_decl(&mut self, decl: &EnumDecl, first: bool) {
        self.above(&decl.notes, "", first, true);
        let labels: Vec<String> = decl
            .labels
            .iter()
            .map(|label| {
                let was = label.was.as_ref().map(|was| format!(" @was({})", print_string(&was.text)));
                format!("{}{}", name(&label.name), was.unwrap_or_default())
            })
            .collect();
        let line = format!("enum {} {{ {} }}", name(&decl.name), labels.join(", "));
        let plain = decl
            .labels
            .iter()
            .all(|label| label.was.is_none() && label.notes.above.is_empty() && label.notes.beside.is_none());
        let beside = beside(&decl.notes);
        if plain && decl.was.is_none() && decl.tail.is_empty() && line.chars().count() <= ENUM_LINE_MAX {
            self.line("", &format!("{line}{beside}"));
            return;
        }
        self.line("", &format!("enum {} {{", name(&decl.name)));
        for (i, (label, text)) in decl.labels.iter().zip(&labels).enumerate() {
            self.above(&label.notes, "  ", i == 0, false);
            self.line("  ", &format!("{text}{}", self::beside(&label.notes)));
        }
        if let Some(was) = &decl.was {
            self.text.push('\n');
            self.line("  ", &format!("@@was({})", print_string(&was.text)));
        }
        self.tail(&decl.tail, false);
        self.line("", &format!("}}{beside}"));
    }

    fn entity_decl(&mut self, decl: &EntityDecl, word: &str, first: bool) {
        self.above(&decl.notes, "", first, true);
        let beside = beside(&decl.notes);
        if decl.members.is_empty() && decl.tail.is_empty() {
            self.line("", &format!("{word} {} {{}}{beside}", name(&decl.name)));
            return;
        }
        self.line("", &format!("{word} {} {{", name(&decl.name)));
        let width = |text: &str| text.chars().count();
        let names = decl.fields().map(|field| width(&name(&field.name))).max().unwrap_or(0);
        let types = decl.fields().map(|field| width(&type_ref(&field.ty))).max().unwrap_or(0);
        let mut last_was_field = false;
        for (i, member) in decl.members.iter().enumerate() {
            match member {
                Member::Field(field) => {
                    self.above(&field.notes, "  ", i == 0, false);
                    let (name, ty) = (name(&field.name), type_ref(&field.ty));
                    let rest = field_rest(field);
                    self.line(
                        "  ",
                        &format!("{name:names$}  {ty:types$}  {rest}").trim_end_beside(&field.notes),
                    );
                    last_was_field = true;
                }
                Member::Attribute(attribute) => {
                    self.above(&attribute.notes, "  ", i == 0, last_was_field);
                    self.line("  ", &entity_attribute(attribute).trim_end_beside(&attribute.notes));
                    last_was_field = false;
                }
            }
        }
        self.tail(&decl.tail, decl.members.is_empty());
        self.line("", &format!("}}{beside}"));
    }
}

/// A line with the comment beside it.
trait WithBeside {
    fn trim_end_beside(&self, notes: &Notes) -> String;
}

impl WithBeside for String {
    fn trim_end_beside(&self, notes: &Notes) -> String {
        format!("{}{}", self.trim_end(), beside(notes))
    }
}

fn beside(notes: &Notes) -> String {
    notes.beside.as_ref().map(|comment| format!("  {comment}")).unwrap_or_default()
}

/// The name of a declaration: keywords need no backticks there.
fn name(name: &Name) -> String {
    print_declared(&name.text)
}

fn names(fields: &[Name]) -> String {
    fields.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn type_ref(ty: &TypeRef) -> String {
    let base = match &ty.name {
        TypeName::Named(named) => name(named),
        TypeName::Scalar(scalar) => scalar.to_string(),
    };
    format!("{base}{}{}", if ty.array { "[]" } else { "" }, if ty.optional { "?" } else { "" })
}

fn field_rest(field: &FieldDecl) -> String {
    let computed = field.computed.iter().map(|computed| format!("= {}", print_expr(&computed.expr)));
    let attributes = field.attributes.iter().map(|attribute| field_attribute(&attribute.kind));
    computed.chain(attributes).collect::<Vec<_>>().join(" ")
}

fn field_attribute(kind: &FieldAttributeKind) -> String {
    match kind {
        FieldAttributeKind::Id => "@id".to_owned(),
        FieldAttributeKind::UpdatedAt => "@updatedAt".to_owned(),
        FieldAttributeKind::Stored => "@stored".to_owned(),
        FieldAttributeKind::Default(DefaultDecl::Generated(generator)) => {
            format!("@default({}())", generator_name(*generator))
        }
        FieldAttributeKind::Default(DefaultDecl::Expr(expr)) => {
            format!("@default({})", print_expr(&expr.expr))
        }
        FieldAttributeKind::Unique { nulls, name } => {
            let options = index_options(*nulls, name.as_ref());
            if options.is_empty() { "@unique".to_owned() } else { format!("@unique({})", options.join(", ")) }
        }
        FieldAttributeKind::Check(decl) => format!("@check({})", check(decl)),
        FieldAttributeKind::Was(was) => format!("@was({})", print_string(&was.text)),
        FieldAttributeKind::Map(map) => format!("@map({})", print_string(&map.text)),
        FieldAttributeKind::Relation(decl) => format!("@relation({})", relation(decl)),
        FieldAttributeKind::Through(decl) => format!("@through({})", through(decl)),
    }
}

const fn generator_name(generator: Generator) -> &'static str {
    match generator {
        Generator::Autoincrement => "autoincrement",
        Generator::UuidV4 => "uuidv4",
        Generator::UuidV7 => "uuidv7",
        Generator::Cuid => "cuid",
        Generator::Ulid => "ulid",
        Generator::Nanoid => "nanoid",
        Generator::Now => "now",
    }
}

fn index_options(nulls: NullsDistinct, name: Option<&Name>) -> Vec<String> {
    let nulls = match nulls {
        NullsDistinct::Distinct => None,
        NullsDistinct::NotDistinct => Some("nulls not distinct".to_owned()),
    };
    nulls.into_iter().chain(name.map(named)).collect()
}

fn named(name: &Name) -> String {
    format!("name: {}", print_string(&name.text))
}

fn check(decl: &CheckDecl) -> String {
    let name = decl.name.as_ref().map(|name| format!(", {}", named(name)));
    format!("{}{}", print_expr(&decl.expr.expr), name.unwrap_or_default())
}

fn relation(decl: &RelationDecl) -> String {
    let mut parts = Vec::new();
    parts.extend(decl.name.as_ref().map(|name| print_string(&name.text)));
    parts.extend(decl.inverse.as_ref().map(|inverse| format!("inverse: {}", name(inverse))));
    parts.extend(decl.key.as_ref().map(foreign_key));
    parts.extend(decl.on_delete.map(|action| format!("onDelete: {}", action_name(action))));
    parts.extend(decl.on_update.map(|action| format!("onUpdate: {}", action_name(action))));
    parts.extend(decl.deferrable.and_then(|deferrable| match deferrable {
        Deferrable::No => None,
        Deferrable::InitiallyImmediate => Some("deferrable: initiallyImmediate".to_owned()),
        Deferrable::InitiallyDeferred => Some("deferrable: initiallyDeferred".to_owned()),
    }));
    parts.join(", ")
}

fn foreign_key(key: &ForeignKeyDecl) -> String {
    let (fields, references) = (names(&key.fields), names(&key.references));
    if key.fields.len() == 1 {
        format!("{fields} -> {}.{references}", name(&key.target))
    } else {
        format!("({fields}) -> {}.({references})", name(&key.target))
    }
}

const fn action_name(action: ReferentialAction) -> &'static str {
    match action {
        ReferentialAction::Restrict => "restrict",
        ReferentialAction::NoAction => "noAction",
        ReferentialAction::Cascade => "cascade",
        ReferentialAction::SetNull => "setNull",
        ReferentialAction::SetDefault => "setDefault",
    }
}

fn through(decl: &ThroughDecl) -> String {
    match (&decl.near, &decl.far) {
        (Some(near), Some(far)) => format!("{}, {} -> {}", name(&decl.edge), name(near), name(far)),
        _ => name(&decl.edge),
    }
}

fn entity_attribute(attribute: &EntityAttribute) -> String {
    match &attribute.kind {
        EntityAttributeKind::Id(fields) => format!("@@id({})", names(fields)),
        EntityAttributeKind::Unique { index, nulls } => format!("@@unique{}", self::index(index, *nulls)),
        EntityAttributeKind::Index(index) => {
            format!("@@index{}", self::index(index, NullsDistinct::Distinct))
        }
        EntityAttributeKind::Check(decl) => format!("@@check({})", check(decl)),
        EntityAttributeKind::Map(map) => format!("@@map({})", print_string(&map.text)),
        EntityAttributeKind::Was(was) => format!("@@was({})", print_string(&was.text)),
        EntityAttributeKind::SoftDelete(decl) => {
            let retention =
                decl.retention.as_ref().map(|text| format!(", retention: {}", print_string(&text.text)));
            format!("@@softDelete({}{})", name(&decl.field), retention.unwrap_or_default())
        }
        EntityAttributeKind::Order(keys) => {
            format!("@@order({})", keys.iter().map(print_order).collect::<Vec<_>>().join(", "))
        }
    }
}

fn index(decl: &IndexDecl, nulls: NullsDistinct) -> String {
    let mut parts: Vec<String> = decl
        .columns
        .iter()
        .map(|column| format!("{}{}", name(&column.field), if column.descending { " desc" } else { "" }))
        .collect();
    parts.extend(index_options(nulls, decl.name.as_ref()));
    let mut out = format!("({})", parts.join(", "));
    if !decl.covering.is_empty() {
        out.push_str(&format!(" covering ({})", names(&decl.covering)));
    }
    if let Some(filter) = &decl.filter {
        out.push_str(&format!(" where {}", print_expr(&filter.expr)));
    }
    out
}
