//! Runs the examples, each of which checks what it shows.

#[path = "../examples/simulated_disk.rs"]
mod simulated_disk;
#[path = "../examples/transfers.rs"]
mod transfers;

#[test]
fn transfers_keep_the_sum() {
    transfers::main().unwrap();
}

#[test]
fn a_simulated_disk_loses_nothing_that_was_synced() {
    simulated_disk::main().unwrap();
}
