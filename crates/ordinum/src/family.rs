//! A column family: a key space of its own, with its own memtables and tables.
//!
//! Invariants:
//! (1) an id is never used again, so that a log record can never reach into a younger family of the same name;
//! (2) the view changes only as a whole: a reader that took it sees one consistent set of memtables and tables.

use std::fmt;
use std::sync::Arc;

use crate::db::Pressure;
use crate::error::{Error, Result};
use crate::merge_operator::{MergeOperator, Operator};
use crate::options::FamilyOptions;
use crate::published::Published;
use crate::super_version::SuperVersion;
use crate::sync::RwLock;
use crate::sync::atomic::{AtomicBool, Ordering};

/// The id of a column family. The default family is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FamilyId(pub(crate) u32);

/// The name of the family that every database has.
pub const DEFAULT_FAMILY: &str = "default";
/// The longest name of a family, in bytes.
pub const FAMILY_NAME_BYTES_MAX: usize = 255;

/// A handle of a column family of one open database.
#[derive(Clone)]
pub struct ColumnFamily {
    pub(crate) family: Arc<Family>,
}

impl ColumnFamily {
    /// The name of the family.
    pub fn name(&self) -> &str {
        &self.family.name
    }

    /// The options that it has now.
    pub fn options(&self) -> Arc<FamilyOptions> {
        self.family.options()
    }

    /// The number of the family: never used again, even after the family was dropped.
    pub fn id(&self) -> u32 {
        self.family.id.0
    }
}

impl fmt::Debug for ColumnFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.family.name, self.family.id.0)
    }
}

impl PartialEq for ColumnFamily {
    fn eq(&self, other: &ColumnFamily) -> bool {
        Arc::ptr_eq(&self.family, &other.family)
    }
}

impl Eq for ColumnFamily {}

/// What a handle stands for.
pub(crate) struct Family {
    pub(crate) id: FamilyId,
    pub(crate) name: String,
    options: RwLock<Arc<FamilyOptions>>,
    /// What its operands mean; it does not change.
    pub(crate) merge_operator: Option<Arc<dyn MergeOperator>>,
    /// Which open database it belongs to.
    pub(crate) owner: u64,
    pub(crate) dropped: AtomicBool,
    pub(crate) view: Published<SuperVersion>,
    /// How much writers are held back.
    pub(crate) pressure: Pressure,
    /// Whether its tables or options changed since somebody looked for something to compact in it.
    pub(crate) changed: AtomicBool,
}

impl Family {
    /// What its operands mean.
    pub(crate) fn operator(&self) -> Operator<'_> {
        Operator { family: &self.name, merges: self.merge_operator.as_deref() }
    }

    /// A family that is not dropped.
    pub(crate) fn new(
        id: FamilyId,
        name: &str,
        options: FamilyOptions,
        owner: u64,
        view: Published<SuperVersion>,
    ) -> Family {
        Family {
            id,
            name: name.to_owned(),
            merge_operator: options.merge_operator.clone(),
            options: RwLock::new(Arc::new(options)),
            owner,
            dropped: AtomicBool::new(false),
            pressure: Pressure::default(),
            changed: AtomicBool::new(true),
            view,
        }
    }

    /// Its options now.
    pub(crate) fn options(&self) -> Arc<FamilyOptions> {
        Arc::clone(&self.options.read())
    }

    pub(crate) fn set_options(&self, options: Arc<FamilyOptions>) {
        *self.options.write() = options;
    }

    /// Refuses a family of another database, or one that was dropped.
    pub(crate) fn check(&self, owner: u64) -> Result<()> {
        self.check_owner(owner)?;
        self.check_dropped()
    }

    /// Refuses a family of another database.
    pub(crate) fn check_owner(&self, owner: u64) -> Result<()> {
        if self.owner == owner {
            return Ok(());
        }
        let message = format!(
            "column family {:?} is a handle of another database, or of an earlier opening",
            self.name
        );
        Err(Error::InvalidArgument { message })
    }

    /// Refuses a family that was dropped.
    pub(crate) fn check_dropped(&self) -> Result<()> {
        if self.dropped.load(Ordering::Acquire) {
            return Err(Error::FamilyDropped { name: self.name.clone() });
        }
        Ok(())
    }
}
