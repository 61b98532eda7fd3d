//! Fuzz targets and their runner.
//!
//! A target is a function of bytes that must return, whatever the bytes are: no panic, no hang, no stack overflow, no
//! allocation that the input does not justify. The runner needs a stable toolchain only: it mutates the kept corpus
//! by a seed, so that a finding is found again by the same seed.

pub mod allocation;
pub mod corpus;
pub mod mutator;
pub mod options;
pub mod runner;
pub mod targets;
pub mod worker;

#[cfg(test)]
#[global_allocator]
static ALLOCATOR: allocation::Counting = allocation::Counting;
