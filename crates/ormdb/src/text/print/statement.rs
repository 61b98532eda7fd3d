//! Writes statements on one line.

use ormdb_proto::Access;
use ormdb_proto::ir::{
    AssignOp, ConstraintTiming, Control, DeletedRows, End, Expr, Fetch, KeyPart, NestedWrite, RecordInput,
    Removal, SelectItem, Selection, Side, Statement, Target,
};

use super::{print_expr, print_name, print_order};

/// The statement as text of the query language, on one line.
pub fn print_statement(statement: &Statement) -> String {
    match statement {
        Statement::Fetch(fetch) => self::fetch(fetch),
        Statement::Create(create) => {
            let skip = skip(create.skip_duplicates);
            let returning = returning(create.returning.as_ref());
            format!("create {} {}{skip}{returning}", entity(&create.entity), records(&create.rows))
        }
        Statement::Update(update) => {
            let (target, set) = (target(&update.target), record(&update.set));
            let returning = returning(update.returning.as_ref());
            let (deleted, expected) = (deleted(update.deleted), expected(update.expected.as_ref()));
            match &update.target {
                Target::Key(_) => {
                    let entity = entity(&update.entity);
                    format!("update {entity}{target}{deleted}{expected} set {set}{returning}")
                }
                Target::Filter { .. } => {
                    let entity = entity(&update.entity);
                    format!("update {entity}{deleted}{target}{expected} set {set}{returning}")
                }
            }
        }
        Statement::Upsert(upsert) => {
            let (key, create, update) = (key(&upsert.key), record(&upsert.create), record(&upsert.update));
            let returning = returning(upsert.returning.as_ref());
            format!("upsert {}{key} create {create} update {update}{returning}", entity(&upsert.entity))
        }
        Statement::Delete(delete) => {
            let returning = returning(delete.returning.as_ref());
            let how = match delete.removal {
                Removal::AsDeclared => "",
                Removal::Permanent => "permanently ",
            };
            let (target, expected) = (target(&delete.target), expected(delete.expected.as_ref()));
            format!("delete {how}{}{target}{expected}{returning}", entity(&delete.entity))
        }
        Statement::Control(control) => self::control(control),
    }
}

/// The name of an entity: in backticks where it would begin another statement.
fn entity(name: &str) -> String {
    match name {
        "create" | "update" | "upsert" | "delete" | "explain" | "group" | "watch" | "permanently"
        | "begin" | "commit" | "rollback" | "savepoint" | "release" | "set" => {
            format!("`{name}`")
        }
        _ => print_name(name),
    }
}

fn control(control: &Control) -> String {
    match control {
        Control::Begin { isolation, access } => {
            let isolation = isolation.map(|level| format!(" isolation {level}")).unwrap_or_default();
            let access = match access {
                Access::ReadWrite => "",
                Access::ReadOnly => " read only",
            };
            format!("begin{isolation}{access}")
        }
        Control::Commit => "commit".to_owned(),
        Control::Rollback => "rollback".to_owned(),
        Control::Savepoint { name } => format!("savepoint {}", print_name(name)),
        Control::RollbackTo { name } => format!("rollback to {}", print_name(name)),
        Control::Release { name } => format!("release {}", print_name(name)),
        Control::SetConstraints { names, timing } => {
            let names: Vec<String> = names.iter().map(|name| constraint(name)).collect();
            let names = if names.is_empty() { "all".to_owned() } else { names.join(", ") };
            let timing = match timing {
                ConstraintTiming::Immediate => "immediate",
                ConstraintTiming::Deferred => "deferred",
            };
            format!("set constraints {names} {timing}")
        }
    }
}

/// The name of a constraint: in backticks where it would mean all.
fn constraint(name: &str) -> String {
    if name == "all" { format!("`{name}`") } else { print_name(name) }
}

fn expected(token: Option<&Expr>) -> String {
    token.map(|token| format!(" expected {}", print_expr(token))).unwrap_or_default()
}

/// The clauses that only a root has.
fn root_clauses(fetch: &Fetch) -> String {
    let as_of = fetch.as_of.as_ref().map(|token| format!(" as of {}", print_expr(token)));
    let lock = fetch.lock.map(|lock| format!(" {lock}"));
    format!("{}{}", as_of.unwrap_or_default(), lock.unwrap_or_default())
}

fn fetch(fetch: &Fetch) -> String {
    let key = fetch.key.as_deref().map(key).unwrap_or_default();
    let root = root_clauses(fetch);
    let Some(group) = &fetch.group else {
        return format!("{}{key}{root}{}", entity(&fetch.entity), selection(&fetch.selection));
    };
    let mut clauses = exprs(" by ", &group.by);
    if let Some(having) = &group.having {
        clauses.push_str(&format!(" having {}", print_expr(having)));
    }
    let Selection { deleted: which, filter: condition, .. } = &fetch.selection;
    let rows = format!("{}{}", deleted(*which), filter(condition.as_ref()));
    let of_groups = Selection { deleted: DeletedRows::Hidden, filter: None, ..fetch.selection.clone() };
    format!("group {}{key}{root}{rows}{clauses}{}", entity(&fetch.entity), selection(&of_groups))
}

fn exprs(word: &str, exprs: &[Expr]) -> String {
    if exprs.is_empty() {
        return String::new();
    }
    format!("{word}{}", exprs.iter().map(print_expr).collect::<Vec<_>>().join(", "))
}

/// The clauses and items, with a space before each.
fn selection(selection: &Selection) -> String {
    let mut out = deleted(selection.deleted).to_owned();
    out.push_str(&filter(selection.filter.as_ref()));
    out.push_str(&exprs(" distinct by ", &selection.distinct));
    if !selection.order.is_empty() {
        let keys: Vec<String> = selection.order.iter().map(print_order).collect();
        out.push_str(&format!(" order by {}", keys.join(", ")));
    }
    if let Some(place) = &selection.cursor {
        let side = match place.side {
            Side::After => "after",
            Side::From => "from",
            Side::Before => "before",
            Side::Until => "until",
        };
        out.push_str(&format!(" {side} {}", key(&place.key)));
    }
    match (&selection.limit, selection.end) {
        (Some(limit), End::Last) => out.push_str(&format!(" last {}", print_expr(limit))),
        (limit, _) => out.push_str(&self::limit(limit.as_ref())),
    }
    if let Some(offset) = &selection.offset {
        out.push_str(&format!(" offset {}", print_expr(offset)));
    }
    if !selection.items.is_empty() {
        out.push(' ');
        out.push_str(&items(&selection.items));
    }
    out
}

const fn deleted(rows: DeletedRows) -> &'static str {
    match rows {
        DeletedRows::Hidden => "",
        DeletedRows::Shown => " with deleted",
    }
}

fn filter(filter: Option<&Expr>) -> String {
    filter.map(|filter| format!(" where {}", print_expr(filter))).unwrap_or_default()
}

fn limit(limit: Option<&Expr>) -> String {
    limit.map(|limit| format!(" limit {}", print_expr(limit))).unwrap_or_default()
}

fn items(items: &[SelectItem]) -> String {
    let items: Vec<String> = items.iter().map(item).collect();
    format!("{{ {} }}", items.join(", "))
}

fn item(item: &SelectItem) -> String {
    match item {
        SelectItem::All { except } if except.is_empty() => "*".to_owned(),
        SelectItem::All { except } => {
            let names: Vec<String> = except.iter().map(|name| print_name(name)).collect();
            format!("* except ({})", names.join(", "))
        }
        SelectItem::Field { name, .. } => print_name(name),
        SelectItem::Computed { alias, expr } => format!("{}: {}", print_name(alias), print_expr(expr)),
        SelectItem::Include(include) => {
            let alias = include.alias.as_ref().map(|alias| format!("{}: ", print_name(alias)));
            let recursive = include.recursive.as_ref();
            let recursive = recursive.map(|levels| format!(" recursive {}", print_expr(levels)));
            let mut inner = format!("{}{}", recursive.unwrap_or_default(), selection(&include.selection));
            if inner.is_empty() {
                inner.push_str(" { * }");
            }
            format!("{}{}{inner}", alias.unwrap_or_default(), print_name(&include.relation))
        }
    }
}

fn key(parts: &[KeyPart]) -> String {
    let parts: Vec<String> = parts
        .iter()
        .map(|part| match &part.field {
            Some(field) => format!("{}: {}", print_name(field), print_expr(&part.value)),
            None => print_expr(&part.value),
        })
        .collect();
    format!("[{}]", parts.join(", "))
}

fn target(target: &Target) -> String {
    match target {
        Target::Key(parts) => key(parts),
        Target::Filter { filter, limit } => {
            format!("{}{}", self::filter(filter.as_ref()), self::limit(limit.as_ref()))
        }
    }
}

fn returning(selection: Option<&Selection>) -> String {
    selection.map(|selection| format!(" return {}", items(&selection.items))).unwrap_or_default()
}

fn records(rows: &[RecordInput]) -> String {
    match rows {
        [row] => record(row),
        rows => format!("[{}]", rows.iter().map(record).collect::<Vec<_>>().join(", ")),
    }
}

fn record(record: &RecordInput) -> String {
    if record.assignments.is_empty() {
        return "{}".to_owned();
    }
    let assignments: Vec<String> = record
        .assignments
        .iter()
        .map(|assignment| {
            let name = print_name(&assignment.name);
            match &assignment.op {
                AssignOp::Set(value) => format!("{name}: {}", print_expr(value)),
                AssignOp::Increment(value) => format!("{name} += {}", print_expr(value)),
                AssignOp::Decrement(value) => format!("{name} -= {}", print_expr(value)),
                AssignOp::Multiply(value) => format!("{name} *= {}", print_expr(value)),
                AssignOp::Divide(value) => format!("{name} /= {}", print_expr(value)),
                AssignOp::Struct(members) => format!("{name}: {}", self::record(members)),
                AssignOp::Nested(writes) => match writes.as_slice() {
                    [write] => format!("{name}: {}", nested(write)),
                    writes => {
                        format!("{name}: ({})", writes.iter().map(nested).collect::<Vec<_>>().join(", "))
                    }
                },
            }
        })
        .collect();
    format!("{{ {} }}", assignments.join(", "))
}

const fn skip(duplicates: bool) -> &'static str {
    if duplicates { " skip duplicates" } else { "" }
}

fn nested(write: &NestedWrite) -> String {
    match write {
        NestedWrite::Create { rows, skip_duplicates } => {
            format!("create {}{}", records(rows), skip(*skip_duplicates))
        }
        NestedWrite::Connect(keys) => format!("connect {}", self::keys(keys)),
        NestedWrite::ConnectOrCreate { key, create } => {
            format!("connectOrCreate {} {}", self::key(key), record(create))
        }
        NestedWrite::Disconnect(keys) if keys.is_empty() => "disconnect".to_owned(),
        NestedWrite::Disconnect(keys) => format!("disconnect {}", self::keys(keys)),
        NestedWrite::Replace(keys) if keys.is_empty() => "set []".to_owned(),
        NestedWrite::Replace(keys) => format!("set {}", self::keys(keys)),
        NestedWrite::Update { key, filter, set } => {
            format!("update{} set {}", which(key.as_deref(), filter.as_ref()), record(set))
        }
        NestedWrite::Upsert { key, create, update } => {
            let key = which(key.as_deref(), None);
            format!("upsert{key} create {} update {}", record(create), record(update))
        }
        NestedWrite::Delete { key, filter } => format!("delete{}", which(key.as_deref(), filter.as_ref())),
    }
}

fn keys(keys: &[Vec<KeyPart>]) -> String {
    keys.iter().map(|parts| key(parts)).collect::<Vec<_>>().join(", ")
}

fn which(key: Option<&[KeyPart]>, filter: Option<&Expr>) -> String {
    let key = key.map(|parts| format!(" {}", self::key(parts))).unwrap_or_default();
    format!("{key}{}", self::filter(filter))
}
