//! A schema as it is written: names are not resolved yet, and comments and blank lines are kept.

use ormdb_proto::error::Span;
use ormdb_proto::ir::{Expr, OrderBy};
use ormdb_proto::schema::{Deferrable, Generator, NullsDistinct, ReferentialAction, ScalarType};

/// A name or string, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The name.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// A comment of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// The text with its slashes.
    pub text: String,
    /// Whether an empty line stands above it.
    pub blank_before: bool,
}

/// The comments around a thing, and whether an empty line stands above it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// The comments above.
    pub above: Vec<Comment>,
    /// Whether an empty line stands directly above the thing, below its comments.
    pub blank_before: bool,
    /// The comment beside it, on its last line.
    pub beside: Option<String>,
}

impl Notes {
    /// The comment directly above, or else the one beside, without slashes: what the thing is documented by.
    pub fn doc(&self) -> Option<String> {
        let mut lines: Vec<&str> = Vec::new();
        if !self.blank_before {
            for comment in self.above.iter().rev() {
                lines.push(bare(&comment.text));
                if comment.blank_before {
                    break;
                }
            }
        }
        lines.reverse();
        if lines.is_empty() {
            lines.extend(self.beside.as_deref().map(bare));
        }
        let doc = lines.join("\n").trim().to_owned();
        (!doc.is_empty()).then_some(doc)
    }
}

/// A comment without its slashes.
fn bare(comment: &str) -> &str {
    let text = comment.trim_start_matches('/');
    text.strip_prefix(' ').unwrap_or(text)
}

/// A whole schema text.
#[derive(Clone, Debug, PartialEq)]
pub struct SchemaAst {
    /// Enums, structs, entities and namespaces, in order.
    pub items: Vec<Item>,
    /// The comments below the last item.
    pub tail: Vec<Comment>,
}

impl SchemaAst {
    /// The enums, in order, those of namespaces too.
    pub fn enums(&self) -> impl Iterator<Item = &EnumDecl> {
        self.declarations().filter_map(|(_, item)| match item {
            Item::Enum(decl) => Some(decl),
            Item::Entity(_) | Item::Struct(_) | Item::Namespace(_) => None,
        })
    }

    /// The structs, in order, those of namespaces too.
    pub fn structs(&self) -> impl Iterator<Item = &EntityDecl> {
        self.declarations().filter_map(|(_, item)| match item {
            Item::Struct(decl) => Some(decl),
            Item::Entity(_) | Item::Enum(_) | Item::Namespace(_) => None,
        })
    }

    /// The entities, in order, those of namespaces too.
    pub fn entities(&self) -> impl Iterator<Item = &EntityDecl> {
        self.declarations().filter_map(|(_, item)| match item {
            Item::Entity(decl) => Some(decl),
            Item::Struct(_) | Item::Enum(_) | Item::Namespace(_) => None,
        })
    }

    /// Everything that is declared, in order, each with the namespace that it stands in; namespaces left out.
    pub fn declarations(&self) -> impl Iterator<Item = (Option<&NamespaceDecl>, &Item)> {
        self.items.iter().flat_map(|item| {
            let (space, items) = match item {
                Item::Namespace(space) => (Some(space), space.items.as_slice()),
                Item::Enum(_) | Item::Struct(_) | Item::Entity(_) => (None, std::slice::from_ref(item)),
            };
            items.iter().map(move |item| (space, item))
        })
    }

    /// The declaration of a name, which has its namespace before it: `billing.Invoice`.
    pub fn declaration(&self, name: &str) -> Option<&Item> {
        let (space, bare) = name.rsplit_once('.').map_or((None, name), |(space, bare)| (Some(space), bare));
        let found = self
            .declarations()
            .find(|(of, item)| of.map(|of| of.name.as_str()) == space && item.name().as_str() == bare);
        found.map(|(_, item)| item)
    }
}

/// A declaration of the top level.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// `enum Name { … }`
    Enum(EnumDecl),
    /// `struct Name { … }`: fields, and `@@was` at most.
    Struct(EntityDecl),
    /// `entity Name { … }`
    Entity(EntityDecl),
    /// `namespace name { … }`
    Namespace(NamespaceDecl),
}

impl Item {
    /// The name that it declares.
    pub const fn name(&self) -> &Name {
        match self {
            Item::Enum(decl) => &decl.name,
            Item::Struct(decl) | Item::Entity(decl) => &decl.name,
            Item::Namespace(decl) => &decl.name,
        }
    }
}

/// `namespace billing { … }`
#[derive(Clone, Debug, PartialEq)]
pub struct NamespaceDecl {
    /// Comments.
    pub notes: Notes,
    /// The name.
    pub name: Name,
    /// Enums, structs and entities, in order; no namespace.
    pub items: Vec<Item>,
    /// The comments above the closing brace.
    pub tail: Vec<Comment>,
}

/// `enum Role { reader, author @was("writer"), @@was("Position") }`
#[derive(Clone, Debug, PartialEq)]
pub struct EnumDecl {
    /// Comments.
    pub notes: Notes,
    /// The name.
    pub name: Name,
    /// Its former name (`@@was`).
    pub was: Option<Name>,
    /// The labels, in sort order.
    pub labels: Vec<LabelDecl>,
    /// The comments above the closing brace.
    pub tail: Vec<Comment>,
}

/// A label of an enum.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelDecl {
    /// Comments.
    pub notes: Notes,
    /// The label.
    pub name: Name,
    /// Its former name (`@was`).
    pub was: Option<Name>,
}

/// `entity User { … }`
#[derive(Clone, Debug, PartialEq)]
pub struct EntityDecl {
    /// Comments.
    pub notes: Notes,
    /// The name.
    pub name: Name,
    /// Fields and attributes, in order.
    pub members: Vec<Member>,
    /// The comments above the closing brace.
    pub tail: Vec<Comment>,
}

impl EntityDecl {
    /// The fields, relation fields included, in order.
    pub fn fields(&self) -> impl Iterator<Item = &FieldDecl> {
        self.members.iter().filter_map(|member| match member {
            Member::Field(field) => Some(field),
            Member::Attribute(_) => None,
        })
    }

    /// The attributes of the entity, in order.
    pub fn attributes(&self) -> impl Iterator<Item = &EntityAttribute> {
        self.members.iter().filter_map(|member| match member {
            Member::Attribute(attribute) => Some(attribute),
            Member::Field(_) => None,
        })
    }
}

/// A line of an entity.
#[derive(Clone, Debug, PartialEq)]
pub enum Member {
    /// A field, or a relation field.
    Field(FieldDecl),
    /// `@@…`
    Attribute(EntityAttribute),
}

/// `email string(320)? @unique`
#[derive(Clone, Debug, PartialEq)]
pub struct FieldDecl {
    /// Comments.
    pub notes: Notes,
    /// The name.
    pub name: Name,
    /// The type.
    pub ty: TypeRef,
    /// The expression of a computed field.
    pub computed: Option<ExprText>,
    /// `@…`, in order; each kind at most once, but `@check`.
    pub attributes: Vec<FieldAttribute>,
}

/// A type, as written.
#[derive(Clone, Debug, PartialEq)]
pub struct TypeRef {
    /// Which type.
    pub name: TypeName,
    /// `[]`
    pub array: bool,
    /// `?`
    pub optional: bool,
    /// Where it stands.
    pub span: Span,
}

/// Which type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TypeName {
    /// A scalar type of the language.
    Scalar(ScalarType),
    /// An enum, a struct or an entity.
    Named(Name),
}

/// An expression and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct ExprText {
    /// The expression.
    pub expr: Expr,
    /// Where it stands.
    pub span: Span,
}

/// An attribute of a field, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldAttribute {
    /// What it says.
    pub kind: FieldAttributeKind,
    /// Where it stands.
    pub span: Span,
}

/// What an attribute of a field says.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldAttributeKind {
    /// `@id`
    Id,
    /// `@default(…)`
    Default(DefaultDecl),
    /// `@unique`, `@unique(nulls not distinct, name: "…")`
    Unique {
        /// Whether nulls differ.
        nulls: NullsDistinct,
        /// The name of the index.
        name: Option<Name>,
    },
    /// `@check(expr, name: "…")`
    Check(CheckDecl),
    /// `@updatedAt`
    UpdatedAt,
    /// `@stored`
    Stored,
    /// `@was("old")`
    Was(Name),
    /// `@map("outside")`
    Map(Name),
    /// `@relation(…)`
    Relation(RelationDecl),
    /// `@through(Edge)`, `@through(Edge, near -> far)`
    Through(ThroughDecl),
}

impl FieldAttributeKind {
    /// The word behind the `@`.
    pub const fn word(&self) -> &'static str {
        match self {
            FieldAttributeKind::Id => "id",
            FieldAttributeKind::Default(_) => "default",
            FieldAttributeKind::Unique { .. } => "unique",
            FieldAttributeKind::Check(_) => "check",
            FieldAttributeKind::UpdatedAt => "updatedAt",
            FieldAttributeKind::Stored => "stored",
            FieldAttributeKind::Was(_) => "was",
            FieldAttributeKind::Map(_) => "map",
            FieldAttributeKind::Relation(_) => "relation",
            FieldAttributeKind::Through(_) => "through",
        }
    }
}

/// What a field has when a create gives no value.
#[derive(Clone, Debug, PartialEq)]
pub enum DefaultDecl {
    /// `autoincrement()`, `uuid()`, `now()` …
    Generated(Generator),
    /// A constant or an expression; a bare word is a label of the field's enum.
    Expr(ExprText),
}

/// A condition that rows must not fail.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckDecl {
    /// The condition.
    pub expr: ExprText,
    /// The name of the constraint.
    pub name: Option<Name>,
}

/// `@relation("name", authorId -> User.id, onDelete: cascade)`, `@relation(inverse: author)`
#[derive(Clone, Debug, PartialEq)]
pub struct RelationDecl {
    /// The name that both sides give.
    pub name: Option<Name>,
    /// The foreign key that this side holds.
    pub key: Option<ForeignKeyDecl>,
    /// The relation of the target that this one is the other side of.
    pub inverse: Option<Name>,
    /// `onDelete:`
    pub on_delete: Option<ReferentialAction>,
    /// `onUpdate:`
    pub on_update: Option<ReferentialAction>,
    /// `deferrable:`
    pub deferrable: Option<Deferrable>,
}

/// `authorId -> User.id`, `(a, b) -> T.(a, b)`
#[derive(Clone, Debug, PartialEq)]
pub struct ForeignKeyDecl {
    /// The fields of this entity.
    pub fields: Vec<Name>,
    /// The entity that they refer to.
    pub target: Name,
    /// The fields of the target, one for each of `fields`.
    pub references: Vec<Name>,
    /// Where it stands.
    pub span: Span,
}

/// `@through(Follow, follower -> followee)`
#[derive(Clone, Debug, PartialEq)]
pub struct ThroughDecl {
    /// The edge entity.
    pub edge: Name,
    /// The relation of the edge entity that leads back to this entity.
    pub near: Option<Name>,
    /// The relation of the edge entity that leads to the target; given if and only if `near` is.
    pub far: Option<Name>,
}

/// An attribute of an entity.
#[derive(Clone, Debug, PartialEq)]
pub struct EntityAttribute {
    /// Comments.
    pub notes: Notes,
    /// What it says.
    pub kind: EntityAttributeKind,
    /// Where it stands.
    pub span: Span,
}

/// What an attribute of an entity says.
#[derive(Clone, Debug, PartialEq)]
pub enum EntityAttributeKind {
    /// `@@id(a, b)`
    Id(Vec<Name>),
    /// `@@unique(a, b, nulls not distinct, name: "…") where …`
    Unique {
        /// Columns, name and condition.
        index: IndexDecl,
        /// Whether nulls differ.
        nulls: NullsDistinct,
    },
    /// `@@index(a, b desc, name: "…") covering (c) where …`
    Index(IndexDecl),
    /// `@@check(expr, name: "…")`
    Check(CheckDecl),
    /// `@@map("outside")`
    Map(Name),
    /// `@@was("Old")`
    Was(Name),
    /// `@@order(name, createdAt desc)`
    Order(Vec<OrderBy>),
    /// `@@softDelete(deletedAt, retention: "30 days")`
    SoftDelete(SoftDeleteDecl),
}

impl EntityAttributeKind {
    /// The word behind the `@@`.
    pub const fn word(&self) -> &'static str {
        match self {
            EntityAttributeKind::Id(_) => "id",
            EntityAttributeKind::Unique { .. } => "unique",
            EntityAttributeKind::Index(_) => "index",
            EntityAttributeKind::Check(_) => "check",
            EntityAttributeKind::Map(_) => "map",
            EntityAttributeKind::Was(_) => "was",
            EntityAttributeKind::Order(_) => "order",
            EntityAttributeKind::SoftDelete(_) => "softDelete",
        }
    }
}

/// How deleted rows are kept, as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SoftDeleteDecl {
    /// The field that has the time of the delete.
    pub field: Name,
    /// For how long, as an interval.
    pub retention: Option<Name>,
}

/// An index, as written.
#[derive(Clone, Debug, PartialEq)]
pub struct IndexDecl {
    /// The columns, in key order.
    pub columns: Vec<IndexColumnDecl>,
    /// The fields that entries carry beside the key.
    pub covering: Vec<Name>,
    /// The condition of a partial index.
    pub filter: Option<ExprText>,
    /// The name.
    pub name: Option<Name>,
}

/// A column of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexColumnDecl {
    /// The field.
    pub field: Name,
    /// `desc`
    pub descending: bool,
}
