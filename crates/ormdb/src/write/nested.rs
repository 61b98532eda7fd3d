//! Writes along the relations of a row.

use ormdb_proto::Result;
use ormdb_proto::ir::{DeletedRows, Expr, KeyPart, NestedWrite, RecordInput};
use ormdb_proto::schema::{ForeignKey, Relation};

use super::action::owned;
use super::draft::Draft;
use super::find::NamedKey;
use super::gathered::Holders;
use super::link::Link;
use super::reference::key_values;
use super::refusal;
use super::update::LaterWork;
use super::writer::{Row, Writer};
use crate::catalog::EntityInfo;
use crate::expr::Datum;

/// Which of the connected rows.
struct Chosen<'i> {
    key: Option<&'i [KeyPart]>,
    filter: Option<&'i Expr>,
}

impl<'a> Writer<'a> {
    /// Writes along an inverse or through relation of a row.
    pub(super) fn nested_writes(
        &mut self,
        info: &'a EntityInfo,
        row: &Row,
        relation: &'a Relation,
        writes: &[NestedWrite],
    ) -> Result<()> {
        for write in writes {
            let link = self.link(info, row, relation)?;
            self.nested_write(info, relation, &link, write)?;
            self.settle()?;
        }
        Ok(())
    }

    fn nested_write(
        &mut self,
        info: &'a EntityInfo,
        relation: &'a Relation,
        link: &Link<'a>,
        write: &NestedWrite,
    ) -> Result<()> {
        let target = link.target;
        match write {
            NestedWrite::Create { rows, skip_duplicates: false } if !link.to_one && !link.is_through() => {
                let created = self.create_children(link, rows);
                // What is left of rows that were refused is nothing.
                self.gathered = None;
                created?;
            }
            NestedWrite::Create { rows, skip_duplicates } => {
                for input in rows {
                    let create_row = |writer: &mut Self| {
                        writer.make_room(link, None)?;
                        writer.create_connected(link, input, None)
                    };
                    if *skip_duplicates {
                        self.unless_taken(target, create_row)?;
                    } else {
                        create_row(self)?;
                    }
                }
            }
            NestedWrite::Connect(keys) => {
                for key in keys {
                    let row = self.require(target, key)?;
                    self.make_room(link, Some(&row))?;
                    self.connect(link, &row)?;
                }
            }
            NestedWrite::ConnectOrCreate { key, create } => {
                let key = self.key_or_create(target, key, create)?;
                match self.find(target, &key)? {
                    Some(row) => {
                        self.make_room(link, Some(&row))?;
                        self.connect(link, &row)?;
                    }
                    None => {
                        self.make_room(link, None)?;
                        self.create_connected(link, create, Some(&key))?;
                    }
                }
            }
            NestedWrite::Disconnect(keys) => {
                for row in self.named(info, relation, link, keys)? {
                    self.disconnect(link, &row)?;
                }
            }
            NestedWrite::Replace(keys) => self.replace(link, keys)?,
            NestedWrite::Update { key, filter, set } => {
                let chosen = Chosen { key: key.as_deref(), filter: filter.as_ref() };
                let rows = self.chosen(info, relation, link, &chosen)?;
                if rows.is_empty() {
                    self.check_unused(target, set)?;
                }
                for row in rows {
                    // An earlier one's cascade may have moved or removed it.
                    if let Some(row) = self.read(target, &row.key)? {
                        self.update_record(target, row, set)?;
                    }
                }
            }
            NestedWrite::Upsert { key, create, update } => {
                self.upsert_connected(link, key.as_deref(), create, update)?;
            }
            NestedWrite::Delete { key, filter } => {
                let chosen = Chosen { key: key.as_deref(), filter: filter.as_ref() };
                for row in self.chosen(info, relation, link, &chosen)? {
                    self.delete_connected(link, &row)?;
                }
            }
        }
        Ok(())
    }

    /// Creates rows that refer to the one at hand.
    fn create_children(&mut self, link: &Link<'a>, rows: &[RecordInput]) -> Result<()> {
        self.gather_references(link.target, rows, Holders::Nested(Vec::new()))?;
        for input in rows {
            self.create_connected(link, input, None)?;
            self.look_up_many(link.target.id)?;
        }
        self.look_up_gathered(link.target.id)
    }

    fn replace(&mut self, link: &Link<'a>, keys: &[Vec<KeyPart>]) -> Result<()> {
        let target = link.target;
        let wanted = keys.iter().map(|key| self.require(target, key)).collect::<Result<Vec<_>>>()?;
        let connected = self.connected(link)?;
        for key in connected.iter().filter(|key| wanted.iter().all(|row| row.key != **key)) {
            let row = self.read_known(target, key)?;
            self.disconnect(link, &row)?;
        }
        for row in wanted.iter().filter(|row| !connected.contains(&row.key)) {
            // Disconnecting the others may have changed it.
            if let Some(row) = self.read(target, &row.key)? {
                self.connect(link, &row)?;
            }
        }
        Ok(())
    }

    fn upsert_connected(
        &mut self,
        link: &Link<'a>,
        key: Option<&[KeyPart]>,
        create: &RecordInput,
        update: &RecordInput,
    ) -> Result<()> {
        let target = link.target;
        let connected = self.connected(link)?;
        let Some(key) = key else {
            return match connected.first() {
                Some(key) => {
                    let row = self.read_known(target, key)?;
                    self.update_record(target, row, update).map(|_| ())
                }
                None => self.create_connected(link, create, None),
            };
        };
        let key = self.key_or_create(target, key, create)?;
        match self.find(target, &key)? {
            Some(row) if connected.contains(&row.key) => self.update_record(target, row, update).map(|_| ()),
            // A row of the key that is connected elsewhere makes the create fail by its unique key.
            _ => {
                self.make_room(link, None)?;
                self.create_connected(link, create, Some(&key))
            }
        }
    }

    fn delete_connected(&mut self, link: &Link<'a>, row: &Row) -> Result<()> {
        // A row that is kept keeps its edges, which come back with it.
        if link.is_through() && link.target.soft_delete.is_none() {
            self.disconnect(link, row)?;
        }
        if let Some(row) = self.read(link.target, &row.key)? {
            self.remove(link.target, row)?;
        }
        self.settle()
    }

    /// Disconnects the row of a to-one relation, if there is another one than `next`.
    fn make_room(&mut self, link: &Link<'a>, next: Option<&Row>) -> Result<()> {
        if !link.to_one {
            return Ok(());
        }
        for key in self.connected(link)? {
            if next.is_none_or(|next| next.key != key) {
                let row = self.read_known(link.target, &key)?;
                self.disconnect(link, &row)?;
            }
        }
        Ok(())
    }

    /// The connected rows of these keys; of a to-one relation, the connected row where no key is given.
    fn named(
        &self,
        info: &EntityInfo,
        relation: &Relation,
        link: &Link<'a>,
        keys: &[Vec<KeyPart>],
    ) -> Result<Vec<Row>> {
        let connected = self.connected(link)?;
        if keys.is_empty() {
            if !link.to_one {
                return Err(refusal::meaningless(info, &relation.name, "name the rows to disconnect"));
            }
            return connected.iter().map(|key| self.read_known(link.target, key)).collect();
        }
        keys.iter()
            .map(|key| {
                let row = self.require(link.target, key)?;
                if connected.contains(&row.key) {
                    return Ok(row);
                }
                let shown = self.shown(link.target, &self.named_key(link.target, key)?);
                Err(refusal::not_connected(info, &relation.name, link.target, shown))
            })
            .collect()
    }

    /// The connected rows that a nested update or delete is for.
    fn chosen(
        &self,
        info: &EntityInfo,
        relation: &Relation,
        link: &Link<'a>,
        chosen: &Chosen<'_>,
    ) -> Result<Vec<Row>> {
        if let Some(key) = chosen.key {
            return self.named(info, relation, link, &[key.to_vec()]);
        }
        let connected = self.connected(link)?;
        if link.to_one && connected.is_empty() {
            return Err(refusal::not_connected(info, &relation.name, link.target, String::new()));
        }
        let rows = connected.iter().map(|key| self.read_known(link.target, key)).collect::<Result<_>>()?;
        self.filtered(link.target, rows, chosen.filter)
    }

    /// A write along a foreign key of a row that is not there yet.
    pub(super) fn forward_new(
        &mut self,
        info: &'a EntityInfo,
        relation: &Relation,
        foreign_key: &'a ForeignKey,
        write: &NestedWrite,
        draft: &mut Draft<'a>,
    ) -> Result<()> {
        match write {
            NestedWrite::Upsert { key, create, .. } => {
                let key = match key {
                    Some(key) => Some(self.key_or_create(self.info(foreign_key.target)?, key, create)?),
                    None => None,
                };
                self.forward_create(info, foreign_key, create, key.as_ref(), draft)
            }
            NestedWrite::Disconnect(_) | NestedWrite::Update { .. } | NestedWrite::Delete { .. } => {
                Err(refusal::meaningless(info, &relation.name, "a new row is connected to nothing yet"))
            }
            other => self.forward_connect(info, relation, foreign_key, other, draft),
        }
    }

    /// A write along a foreign key of a row that is there; says what is left for when the row is written.
    pub(super) fn forward_existing<'i>(
        &mut self,
        info: &'a EntityInfo,
        row: &Row,
        relation: &Relation,
        foreign_key: &'a ForeignKey,
        write: &'i NestedWrite,
        draft: &mut Draft<'a>,
    ) -> Result<Option<LaterWork<'a, 'i>>> {
        let target = self.info(foreign_key.target)?;
        match write {
            NestedWrite::Disconnect(keys) => {
                for key in keys {
                    self.check_current(info, row, relation, foreign_key, key)?;
                }
                set_null(foreign_key, draft)?;
                Ok(None)
            }
            NestedWrite::Update { key, filter, set } => {
                if let Some(key) = key {
                    self.check_current(info, row, relation, foreign_key, key)?;
                }
                let current = self.current(info, row, relation, foreign_key)?;
                let passes = !self.filtered(target, vec![current], filter.as_ref())?.is_empty();
                if !passes {
                    self.check_unused(target, set)?;
                }
                Ok(passes.then_some(LaterWork::UpdateTarget(foreign_key, set)))
            }
            NestedWrite::Upsert { key, create, update } => {
                let current = self.forward_target(info, row, foreign_key)?;
                let key = match key {
                    Some(key) => Some(self.key_or_create(target, key, create)?),
                    None => None,
                };
                let named = match &key {
                    Some(key) => self.find(target, key)?.map(|row| row.key),
                    None => current.as_ref().map(|row| row.key.clone()),
                };
                if current.is_some_and(|current| named == Some(current.key)) {
                    return Ok(Some(LaterWork::UpdateTarget(foreign_key, update)));
                }
                self.forward_create(info, foreign_key, create, key.as_ref(), draft)?;
                Ok(None)
            }
            NestedWrite::Delete { key, filter } => {
                if let Some(key) = key {
                    self.check_current(info, row, relation, foreign_key, key)?;
                }
                let current = self.current(info, row, relation, foreign_key)?;
                let Some(current) = self.filtered(target, vec![current], filter.as_ref())?.pop() else {
                    return Ok(None);
                };
                set_null(foreign_key, draft)?;
                Ok(Some(LaterWork::DeleteTarget(target, current)))
            }
            other => self.forward_connect(info, relation, foreign_key, other, draft).map(|()| None),
        }
    }

    /// A write that gives a foreign key a target.
    fn forward_connect(
        &mut self,
        info: &'a EntityInfo,
        relation: &Relation,
        foreign_key: &'a ForeignKey,
        write: &NestedWrite,
        draft: &mut Draft<'a>,
    ) -> Result<()> {
        let target = self.info(foreign_key.target)?;
        let one = || refusal::meaningless(info, &relation.name, "it leads to one row at most");
        match write {
            NestedWrite::Create { skip_duplicates: true, .. } => {
                let why = "its row is needed, and cannot be passed over";
                Err(refusal::meaningless(info, &relation.name, why)
                    .hint("`connectOrCreate` connects the row where it is there"))
            }
            NestedWrite::Create { rows, skip_duplicates: false } => match rows.as_slice() {
                [input] => self.forward_create(info, foreign_key, input, None, draft),
                _ => Err(one()),
            },
            NestedWrite::Connect(keys) => match keys.as_slice() {
                [key] => {
                    let row = self.require(target, key)?;
                    self.set_target(info, foreign_key, &row, draft)
                }
                _ => Err(one()),
            },
            NestedWrite::Replace(keys) => match keys.as_slice() {
                [] => set_null(foreign_key, draft),
                [key] => {
                    let row = self.require(target, key)?;
                    self.set_target(info, foreign_key, &row, draft)
                }
                _ => Err(one()),
            },
            NestedWrite::ConnectOrCreate { key, create } => {
                let key = self.key_or_create(target, key, create)?;
                match self.find(target, &key)? {
                    Some(row) => self.set_target(info, foreign_key, &row, draft),
                    None => self.forward_create(info, foreign_key, create, Some(&key), draft),
                }
            }
            NestedWrite::Disconnect(_)
            | NestedWrite::Update { .. }
            | NestedWrite::Upsert { .. }
            | NestedWrite::Delete { .. } => Err(one()),
        }
    }

    fn forward_create(
        &mut self,
        info: &'a EntityInfo,
        foreign_key: &'a ForeignKey,
        input: &RecordInput,
        key: Option<&NamedKey>,
        draft: &mut Draft<'a>,
    ) -> Result<()> {
        let target = self.info(foreign_key.target)?;
        let row = match key {
            Some(key) => self.create_keyed(target, input, key, &[])?,
            None => self.create_record(target, input, &[])?,
        };
        self.set_target(info, foreign_key, &row, draft)
    }

    /// The row that a foreign key leads to.
    pub(super) fn forward_target(
        &self,
        info: &EntityInfo,
        row: &Row,
        foreign_key: &ForeignKey,
    ) -> Result<Option<Row>> {
        let target = self.info(foreign_key.target)?;
        let view = row.view(info)?;
        let Some(values) = key_values(&view, &foreign_key.fields)? else { return Ok(None) };
        match self.keys_by(target, &foreign_key.references, &values, 1, DeletedRows::Hidden)?.first() {
            Some(key) => self.read_known(target, key).map(Some),
            None => Ok(None),
        }
    }

    /// Makes a foreign key of a draft of `info` refer to a row.
    fn set_target(
        &self,
        info: &EntityInfo,
        foreign_key: &ForeignKey,
        row: &Row,
        draft: &mut Draft<'_>,
    ) -> Result<()> {
        let target = self.info(foreign_key.target)?;
        let view = row.view(target)?;
        let Some(values) = key_values(&view, &foreign_key.references)? else {
            let fields = target.names_of(&foreign_key.references);
            return Err(refusal::meaningless(target, &fields, "a foreign key cannot refer to a null"));
        };
        for (field, value) in self.fields_of(info, foreign_key, owned(&values))? {
            draft.set(field, value)?;
        }
        Ok(())
    }

    fn current(
        &self,
        info: &EntityInfo,
        row: &Row,
        relation: &Relation,
        foreign_key: &ForeignKey,
    ) -> Result<Row> {
        let target = self.info(foreign_key.target)?;
        let current = self.forward_target(info, row, foreign_key)?;
        current.ok_or_else(|| refusal::not_connected(info, &relation.name, target, String::new()))
    }

    fn check_current(
        &self,
        info: &EntityInfo,
        row: &Row,
        relation: &Relation,
        foreign_key: &ForeignKey,
        key: &[KeyPart],
    ) -> Result<()> {
        let target = self.info(foreign_key.target)?;
        let named = self.require(target, key)?;
        let current = self.forward_target(info, row, foreign_key)?;
        if current.is_some_and(|current| current.key == named.key) {
            return Ok(());
        }
        let shown = self.shown(target, &self.named_key(target, key)?);
        Err(refusal::not_connected(info, &relation.name, target, shown))
    }
}

fn set_null(foreign_key: &ForeignKey, draft: &mut Draft<'_>) -> Result<()> {
    for field in &foreign_key.fields {
        draft.set(*field, Datum::NULL)?;
    }
    Ok(())
}
