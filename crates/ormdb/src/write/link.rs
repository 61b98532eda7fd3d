//! The rows that an inverse or a through relation leads to, and how they are connected and disconnected.

use ormdb_proto::ir::{DeletedRows, RecordInput};
use ormdb_proto::schema::{FieldId, ForeignKey, Relation, RelationKind};
use ormdb_proto::value::{ValueRef, compare};
use ormdb_proto::{Error, ErrorCode, Result};

use super::action::owned;
use super::find::NamedKey;
use super::reference::key_values;
use super::refusal;
use super::writer::{Row, Writer};
use crate::catalog::{EntityInfo, KeyAccess};
use crate::expr::Datum;

/// An inverse or through relation of one row.
pub(super) struct Link<'a> {
    pub(super) target: &'a EntityInfo,
    pub(super) to_one: bool,
    /// The values of the row that referring rows have.
    values: Vec<Datum<'static>>,
    kind: LinkKind<'a>,
}

enum LinkKind<'a> {
    /// The target holds the foreign key.
    Inverse { foreign_key: &'a ForeignKey },
    /// An edge entity holds both.
    Through { edge: &'a EntityInfo, near: &'a ForeignKey, far: &'a ForeignKey },
}

impl<'a> Writer<'a> {
    /// The relation of a row.
    pub(super) fn link(&self, info: &'a EntityInfo, row: &Row, relation: &'a Relation) -> Result<Link<'a>> {
        let target = self.info(relation.target)?;
        let (kind, foreign_key, to_one) = match &relation.kind {
            RelationKind::Inverse { foreign_key, to_one } => {
                let foreign_key = Writer::foreign_key(target, *foreign_key)?;
                (LinkKind::Inverse { foreign_key }, foreign_key, *to_one)
            }
            RelationKind::Through { edge, near, far } => {
                let edge = self.info(*edge)?;
                let near = Writer::foreign_key(edge, *near)?;
                (LinkKind::Through { edge, near, far: Writer::foreign_key(edge, *far)? }, near, false)
            }
            RelationKind::Forward { .. } => {
                let message = format!("`{}` is a foreign key of the row itself", relation.name);
                return Err(Error::new(ErrorCode::Internal, message));
            }
        };
        let view = row.view(info)?;
        let Some(values) = key_values(&view, &foreign_key.references)? else {
            let fields = info.names_of(&foreign_key.references);
            let why = format!("nothing can refer to this row while {fields} is null");
            return Err(refusal::meaningless(info, &relation.name, &why));
        };
        Ok(Link { target, to_one, values: owned(&values), kind })
    }

    /// The encoded keys of the connected rows.
    pub(super) fn connected(&self, link: &Link<'a>) -> Result<Vec<Vec<u8>>> {
        let values = link.views();
        match link.kind {
            LinkKind::Inverse { foreign_key } => {
                self.keys_by(link.target, &foreign_key.fields, &values, usize::MAX, DeletedRows::Hidden)
            }
            LinkKind::Through { edge, near, far } => {
                let mut keys = Vec::new();
                for edge_key in self.keys_by(edge, &near.fields, &values, usize::MAX, DeletedRows::Hidden)? {
                    let row = self.read_known(edge, &edge_key)?;
                    let view = row.view(edge)?;
                    let Some(far_values) = key_values(&view, &far.fields)? else { continue };
                    let hidden = DeletedRows::Hidden;
                    keys.extend(self.keys_by(link.target, &far.references, &far_values, 1, hidden)?);
                }
                Ok(keys)
            }
        }
    }

    /// Connects a row that is there; nothing happens if it is connected.
    pub(super) fn connect(&mut self, link: &Link<'a>, target: &Row) -> Result<()> {
        match link.kind {
            LinkKind::Inverse { foreign_key } => {
                let changes = self.changes_of(link.target, foreign_key, link.values.clone())?;
                self.update_row(link.target, target, &changes)?;
            }
            LinkKind::Through { edge, near, far } => {
                let far_values = self.far_values(link, far, target)?;
                let hidden = DeletedRows::Hidden;
                let kept = DeletedRows::Shown;
                if !self.edges_between(link, edge, near, far, &far_values, hidden)?.is_empty() {
                } else if let Some(key) =
                    self.edges_between(link, edge, near, far, &far_values, kept)?.first()
                {
                    // An edge that was deleted joins again.
                    let row = self.read_known(edge, key)?;
                    let slot = edge.deleted_slot().into_iter();
                    self.update_row(edge, &row, &slot.map(|slot| (slot, Datum::NULL)).collect())?;
                } else {
                    let near = self.fields_of(edge, near, link.values.clone())?;
                    let preset = [near, self.fields_of(edge, far, far_values)?].concat();
                    self.create_record(edge, &RecordInput::default(), &preset)?;
                }
            }
        }
        self.settle()
    }

    /// Disconnects a connected row.
    pub(super) fn disconnect(&mut self, link: &Link<'a>, target: &Row) -> Result<()> {
        match link.kind {
            LinkKind::Inverse { foreign_key } => {
                let nulls = foreign_key.fields.iter().map(|_| Datum::NULL).collect();
                let changes = self.changes_of(link.target, foreign_key, nulls)?;
                self.update_row(link.target, target, &changes)?;
            }
            LinkKind::Through { edge, near, far } => {
                let far_values = self.far_values(link, far, target)?;
                let hidden = DeletedRows::Hidden;
                for key in self.edges_between(link, edge, near, far, &far_values, hidden)? {
                    let row = self.read_known(edge, &key)?;
                    self.remove(edge, row)?;
                }
            }
        }
        self.settle()
    }

    /// Creates a row and connects it; the fields of `key`, if any, are filled in.
    pub(super) fn create_connected(
        &mut self,
        link: &Link<'a>,
        input: &RecordInput,
        key: Option<&NamedKey>,
    ) -> Result<()> {
        let preset = match link.kind {
            LinkKind::Inverse { foreign_key } => {
                self.fields_of(link.target, foreign_key, link.values.clone())?
            }
            LinkKind::Through { .. } => Vec::new(),
        };
        let row = match key {
            Some(key) => self.create_keyed(link.target, input, key, &preset)?,
            None => self.create_record(link.target, input, &preset)?,
        };
        match link.kind {
            LinkKind::Inverse { .. } => Ok(()),
            LinkKind::Through { .. } => self.connect(link, &row),
        }
    }

    /// The keys of the edges between the row and a target.
    fn edges_between(
        &self,
        link: &Link<'a>,
        edge: &EntityInfo,
        near: &ForeignKey,
        far: &ForeignKey,
        far_values: &[Datum<'static>],
        deleted: DeletedRows,
    ) -> Result<Vec<Vec<u8>>> {
        let both: Vec<FieldId> = near.fields.iter().chain(&far.fields).copied().collect();
        let values: Vec<ValueRef<'_>> = link.values.iter().chain(far_values).map(Datum::view).collect();
        if edge.access_by(&both).0 != KeyAccess::Scan {
            return self.keys_by(edge, &both, &values, usize::MAX, deleted);
        }
        let mut keys = Vec::new();
        for key in self.keys_by(edge, &near.fields, &link.views(), usize::MAX, deleted)? {
            let row = self.read_known(edge, &key)?;
            let view = row.view(edge)?;
            let found = key_values(&view, &far.fields)?;
            let equal = |(a, b): (&ValueRef<'_>, &Datum<'static>)| {
                compare(a, &b.view()).is_some_and(std::cmp::Ordering::is_eq)
            };
            if found.is_some_and(|found| found.iter().zip(far_values).all(equal)) {
                keys.push(key);
            }
        }
        Ok(keys)
    }

    fn far_values(&self, link: &Link<'a>, far: &ForeignKey, target: &Row) -> Result<Vec<Datum<'static>>> {
        let view = target.view(link.target)?;
        match key_values(&view, &far.references)? {
            Some(values) => Ok(owned(&values)),
            None => {
                let fields = link.target.names_of(&far.references);
                Err(refusal::meaningless(link.target, &fields, "an edge cannot refer to a null"))
            }
        }
    }
}

impl Link<'_> {
    /// Whether an edge entity stands between.
    pub(super) const fn is_through(&self) -> bool {
        matches!(self.kind, LinkKind::Through { .. })
    }

    fn views(&self) -> Vec<ValueRef<'_>> {
        self.values.iter().map(Datum::view).collect()
    }
}
