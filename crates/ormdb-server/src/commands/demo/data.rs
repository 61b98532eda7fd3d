//! The data set of the demo, in the binary, so that it runs wherever the binary is.

/// The schema.
pub(super) const SCHEMA: &str = include_str!("../../../../../examples/chinook/schema.ormdb");

macro_rules! entities {
    ($($name:literal),* $(,)?) => {
        /// Entities with their rows as JSON Lines, parents before children.
        pub(super) const ENTITIES: &[(&str, &str)] = &[
            $(($name, include_str!(concat!("../../../../../examples/chinook/data/", $name, ".jsonl"))),)*
        ];
    };
}

entities!(
    "Artist",
    "Genre",
    "MediaType",
    "Album",
    "Track",
    "Playlist",
    "PlaylistTrack",
    "Employee",
    "Customer",
    "Invoice",
    "InvoiceLine",
);
