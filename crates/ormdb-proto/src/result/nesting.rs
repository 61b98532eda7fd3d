//! The objects of a row: columns of dotted names are members of structs.
//!
//! A column `home.city` is the member `city` of the struct `home`. A column `billing?` beside columns `billing.…` is no
//! member: the struct is null where it is null or withheld. A struct stands where the first of its columns does.
//!
//! Invariant: structs nest at most [`DEPTH_MAX`] deep, whatever names a result has; deeper names stand as they are.

use std::collections::{HashMap, HashSet};

use super::ShapeNode;
use crate::ir::DEPTH_MAX;
use crate::schema::PRESENCE_SIGN;

/// A column, edge or struct of a node, by its number.
#[derive(Clone, Copy, Debug)]
pub enum Member {
    /// A column of the node.
    Column(usize),
    /// An edge of the node.
    Edge(usize),
    /// A struct of the nesting.
    Struct(usize),
}

/// A struct of a node.
#[derive(Debug, Default)]
pub struct StructView<'a> {
    /// Its name in the object around it.
    pub name: &'a str,
    /// The column that says whether it is there, if it may not be.
    pub presence: Option<usize>,
    /// Columns and structs in it, in the order asked for.
    pub members: Vec<Member>,
}

/// What a node's columns and edges become.
#[derive(Debug, Default)]
pub struct Nesting<'a> {
    /// Columns, structs and edges in the order asked for.
    pub members: Vec<Member>,
    /// The structs, each a member of another or of the row.
    pub structs: Vec<StructView<'a>>,
    by_path: HashMap<&'a str, usize>,
}

/// The name of a column in the object that it is a member of.
pub fn own_name(column: &str) -> &str {
    column.rsplit('.').next().unwrap_or(column)
}

impl<'a> Nesting<'a> {
    /// What the columns and edges of this node become.
    pub fn of(node: &'a ShapeNode) -> Nesting<'a> {
        let mut nesting = Nesting::default();
        let is_flat = node.columns.iter().all(|column| !column.name.contains('.'));
        let dotted = node.columns.iter().filter(|_| !is_flat);
        let paths: HashSet<&str> = dotted.filter_map(|column| struct_of(&column.name)).collect();
        let mut edges = node.edges.iter().enumerate().peekable();
        for at in 0..=node.columns.len() {
            let before = |n: u32| usize::try_from(n).is_ok_and(|n| n <= at);
            while let Some((edge, _)) =
                edges.next_if(|(_, e)| at == node.columns.len() || before(e.columns_before))
            {
                nesting.members.push(Member::Edge(edge));
            }
            let Some(column) = node.columns.get(at) else { continue };
            if is_flat {
                nesting.members.push(Member::Column(at));
                continue;
            }
            let flagged = column.name.strip_suffix(PRESENCE_SIGN).filter(|path| {
                let inside = |other: &&str| other.strip_prefix(path).is_some_and(|r| r.starts_with('.'));
                struct_depth(path) < DEPTH_MAX && (paths.contains(path) || paths.iter().any(inside))
            });
            match flagged {
                Some(path) => {
                    let of = nesting.struct_at(path);
                    if let Some(of) = nesting.structs.get_mut(of) {
                        of.presence = Some(at);
                    }
                }
                None => nesting.put(struct_of(&column.name), Member::Column(at)),
            }
        }
        nesting
    }

    fn put(&mut self, path: Option<&'a str>, member: Member) {
        let of = path.map(|path| self.struct_at(path));
        match of.and_then(|of| self.structs.get_mut(of)) {
            Some(of) => of.members.push(member),
            None => self.members.push(member),
        }
    }

    /// The struct of a path, and those around it.
    fn struct_at(&mut self, path: &'a str) -> usize {
        if let Some(at) = self.by_path.get(path) {
            return *at;
        }
        let at = self.structs.len();
        self.structs.push(StructView { name: own_name(path), ..StructView::default() });
        self.by_path.insert(path, at);
        self.put(path.rsplit_once('.').map(|(around, _)| around), Member::Struct(at));
        at
    }
}

fn struct_depth(path: &str) -> usize {
    path.split('.').count()
}

/// The path of the struct that a column is a member of.
fn struct_of(column: &str) -> Option<&str> {
    column.rsplit_once('.').map(|(path, _)| path).filter(|path| struct_depth(path) <= DEPTH_MAX)
}
