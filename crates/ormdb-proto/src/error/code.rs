//! Codes of errors: stable numbers of the wire, stable names for programs, the SQLSTATE, and what to do.

use rkyv::{Archive, Deserialize, Serialize};

/// What the caller should do about an error.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Archive,
    Serialize,
    Deserialize,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// Run it again.
    Retry,
    /// The request itself is wrong.
    FixTheRequest,
    /// The session may not do this.
    Denied,
    /// A limit or budget was met: ask for less, or raise it.
    OverBudget,
    /// Try later, or look at the server.
    Unavailable,
    /// Data are damaged: restore, or salvage.
    Corrupt,
    /// A bug of ormDB: report it.
    Bug,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $sqlstate:literal, $kind:ident;)*) => {
        /// What went wrong. Names are stable; a code is never given another meaning.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, Hash, Archive, Serialize, Deserialize, serde::Serialize, serde::Deserialize,
        )]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum ErrorCode {
            $($(#[$doc])* $variant,)*
        }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$variant,)*];

            /// The stable name, in snake case.
            pub const fn name(self) -> &'static str {
                match self { $(ErrorCode::$variant => $name,)* }
            }

            /// The SQLSTATE that PostgreSQL's users know.
            pub const fn sqlstate(self) -> &'static str {
                match self { $(ErrorCode::$variant => $sqlstate,)* }
            }

            /// What the caller should do.
            pub const fn kind(self) -> ErrorKind {
                match self { $(ErrorCode::$variant => ErrorKind::$kind,)* }
            }
        }
    };
}

codes! {
    /// The text does not follow the grammar.
    SyntaxError = "syntax_error", "42601", FixTheRequest;
    /// No entity has this name.
    UnknownEntity = "unknown_entity", "42P01", FixTheRequest;
    /// The entity has no field or relation of this name.
    UnknownField = "unknown_field", "42703", FixTheRequest;
    /// No type, function, option, parameter or other thing has this name.
    UnknownName = "unknown_name", "42704", FixTheRequest;
    /// The name is taken.
    DuplicateName = "duplicate_name", "42710", FixTheRequest;
    /// The value or expression is of another type.
    TypeMismatch = "type_mismatch", "42804", FixTheRequest;
    /// The schema contradicts itself.
    InvalidSchema = "invalid_schema", "42P16", FixTheRequest;
    /// The query asks for something that has no meaning.
    InvalidQuery = "invalid_query", "42601", FixTheRequest;
    /// A parameter of the query was not given.
    MissingParameter = "missing_parameter", "08P01", FixTheRequest;
    /// A value cannot be read as its type, or is outside its range.
    InvalidValue = "invalid_value", "22023", FixTheRequest;
    /// A number is outside the range of its type.
    NumericOverflow = "numeric_overflow", "22003", FixTheRequest;
    /// A division by zero.
    DivisionByZero = "division_by_zero", "22012", FixTheRequest;
    /// A text is longer than its field allows.
    StringTooLong = "string_too_long", "22001", FixTheRequest;
    /// A required field has no value.
    NotNullViolation = "not_null_violation", "23502", FixTheRequest;
    /// Another row has the same unique key.
    UniqueViolation = "unique_violation", "23505", FixTheRequest;
    /// A row refers to a row that is not there, or is referred to by one.
    ForeignKeyViolation = "foreign_key_violation", "23503", FixTheRequest;
    /// A row fails a check.
    CheckViolation = "check_violation", "23514", FixTheRequest;
    /// The row that must exist is not there.
    RecordNotFound = "record_not_found", "P0002", FixTheRequest;
    /// The change of the schema is not safe to apply online.
    MigrationRefused = "migration_refused", "0A000", FixTheRequest;
    /// This version does not do that.
    UnsupportedFeature = "unsupported_feature", "0A000", FixTheRequest;
    /// A limit on size, depth or number was met.
    LimitExceeded = "limit_exceeded", "54000", OverBudget;
    /// A budget of the query was met.
    OverBudget = "over_budget", "53400", OverBudget;
    /// A concurrent transaction changed what this one read.
    SerializationConflict = "serialization_conflict", "40001", Retry;
    /// The transaction has ended.
    TransactionClosed = "transaction_closed", "25000", FixTheRequest;
    /// A write where only reads are allowed.
    ReadOnly = "read_only", "25006", FixTheRequest;
    /// The session may not do that.
    PermissionDenied = "permission_denied", "42501", Denied;
    /// The other side broke the protocol.
    ProtocolViolation = "protocol_violation", "08P01", FixTheRequest;
    /// The connection could not be made, or was lost.
    ConnectionFailed = "connection_failed", "08006", Unavailable;
    /// The server takes no more work.
    ServerBusy = "server_busy", "53300", Unavailable;
    /// The server is stopping.
    ShuttingDown = "shutting_down", "57P01", Unavailable;
    /// The request was cancelled or ran out of time.
    Cancelled = "cancelled", "57014", Retry;
    /// Another process has the database open.
    DatabaseLocked = "database_locked", "55006", Unavailable;
    /// The operating system refused a file operation.
    Io = "io", "58030", Unavailable;
    /// Data on disk are damaged.
    Corrupt = "corrupt", "XX001", Corrupt;
    /// The directory was written by another version.
    IncompatibleFormat = "incompatible_format", "XX002", FixTheRequest;
    /// The token belongs to another history.
    HistoryDiverged = "history_diverged", "55000", FixTheRequest;
    /// The token lies before what is retained.
    TokenTooOld = "token_too_old", "55000", FixTheRequest;
    /// A bug of ormDB.
    Internal = "internal", "XX000", Bug;
    /// Transactions wait for each other's locks in a circle.
    Deadlock = "deadlock", "40P01", Retry;
    /// Another transaction holds a lock, and the time to wait for it is over.
    LockNotAvailable = "lock_not_available", "55P03", Retry;
    /// The transaction has no savepoint of this name.
    SavepointNotFound = "savepoint_not_found", "3B001", FixTheRequest;
    /// The row was changed behind the version that the write expects.
    VersionChanged = "version_changed", "55000", FixTheRequest;
    /// The user or the password is wrong, or a login is needed.
    AuthenticationFailed = "authentication_failed", "28P01", Denied;
}
