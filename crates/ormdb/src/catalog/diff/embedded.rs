//! What changes in structs, and in their members where those are not like other fields.

use ormdb_proto::schema::{Embedded, Entity, Field};

use super::{Diff, UNKNOWN_VALUE};

impl Diff<'_> {
    pub(super) fn structs(&mut self) {
        let (old, new) = (self.old, self.new);
        for was in old.structs.iter().filter(|was| new.struct_by_id(was.id).is_none()) {
            self.metadata(format!("drop struct `{}`", was.name));
        }
        for is in &new.structs {
            let Some(was) = old.struct_by_id(is.id) else {
                self.metadata(format!("add struct `{}`", is.name));
                continue;
            };
            if was.name != is.name {
                self.metadata(format!("rename struct `{}` to `{}`", was.name, is.name));
            }
            if was.doc != is.doc {
                self.metadata(format!("change the comment of struct `{}`", is.name));
            }
            if was.members != is.members {
                self.metadata(format!("change the members of struct `{}`", is.name));
            }
        }
    }

    /// Whether structs may be null; what their members are is told of those.
    pub(super) fn embedded(&mut self, was: &Entity, is: &Entity) {
        for of in &is.embedded {
            let name = format!("`{}.{}`", is.name, of.path);
            let before = embedded_before(was, is, of);
            match before {
                None => {}
                Some(before) if before.optional() && !of.optional() => {
                    let instead = "declare a check that it is not null";
                    let what = format!("make struct {name} required");
                    self.no_rows(what, was.id, "their rows may lack it", instead);
                }
                Some(before) if !before.optional() && of.optional() => {
                    self.metadata(format!("make struct {name} optional"));
                }
                Some(before) => {
                    if before.path != of.path {
                        self.metadata(format!("rename struct `{}.{}` to {name}", is.name, before.path));
                    }
                    if before.doc != of.doc {
                        self.metadata(format!("change the comment of {name}"));
                    }
                    if before.struct_type != of.struct_type {
                        self.metadata(format!("change the struct of {name}"));
                    }
                }
            }
        }
    }

    /// A new member inside of an optional struct: rows that have the struct lack the member.
    pub(super) fn added_member(&mut self, was: &Entity, is: &Entity, field: &Field) {
        let what = format!("add field `{}.{}`", is.name, field.name);
        let flag = field.inside().and_then(|flag| is.field_by_id(flag));
        let new_struct = flag.is_some_and(|f| was.field_by_id(f.id).is_none() && f.absent_value.is_null());
        if new_struct || field.declared_optional() {
            self.metadata(what);
        } else {
            let instead = "add it as optional, set it with an update, then make it required";
            self.no_rows(what, is.id, UNKNOWN_VALUE, instead);
        }
    }
}

/// The struct that one of before is: they share a presence flag, or else a member.
fn embedded_before<'a>(was: &'a Entity, is: &Entity, of: &Embedded) -> Option<&'a Embedded> {
    let flagged = of.presence.and_then(|flag| was.embedded.iter().find(|e| e.presence == Some(flag)));
    if flagged.is_some() {
        return flagged;
    }
    let before = |field: &Field| {
        // A flag is a name of the struct around as well, so that it would say that this one is that.
        let rest = of.rest(&field.name).filter(|_| !field.is_presence())?;
        let old = was.field_by_id(field.id)?;
        was.embedded.iter().find(|e| {
            let old_rest = e.rest(&old.name);
            old_rest.is_some_and(|old| old.matches('.').count() == rest.matches('.').count())
        })
    };
    is.fields.iter().find_map(before)
}
