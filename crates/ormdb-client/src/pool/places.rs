//! The connections of a pool, and who uses them.
//!
//! Invariants: (1) a slot is empty, being opened by one task, or has a connection; (2) the leases of all slots together
//! are at most the permits of the semaphore, whose waiters are served in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ormdb_proto::error::Limit;
use ormdb_proto::{Error, ErrorCode};
use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::PoolOptions;
use crate::address::Address;
use crate::client::{Client, ConnectOptions};

/// The connections of a pool.
#[derive(Debug)]
pub(crate) struct Places {
    address: Address,
    connect: ConnectOptions,
    slots: Mutex<Vec<Slot>>,
    permits: Arc<Semaphore>,
    /// A slot was opened, or failed to be.
    opened: Notify,
    /// Numbers for what should differ.
    count: AtomicU64,
}

#[derive(Debug, Default)]
enum Slot {
    #[default]
    Empty,
    Opening,
    Open {
        client: Client,
        leases: usize,
        /// Which connection of the pool it is.
        number: u64,
    },
}

/// Why there is no place.
#[derive(Debug)]
pub(super) enum Refused {
    /// All were taken for too long.
    Full(Error),
    /// The server cannot be reached.
    Unreachable(Error),
    /// The pool is closed.
    Closed(Error),
}

/// A place on a connection; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    places: Arc<Places>,
    slot: usize,
    number: u64,
    _permit: OwnedSemaphorePermit,
}

/// What to do for a place.
enum Choice {
    Use(Client, Lease),
    Open(OwnedSemaphorePermit, Opening),
    Wait(OwnedSemaphorePermit),
}

/// A slot that is being opened; empty again if that comes to nothing.
struct Opening {
    places: Arc<Places>,
    slot: usize,
}

impl Places {
    pub(super) fn new(address: Address, options: &PoolOptions) -> Places {
        let connections = options.connections_max.max(1);
        let permits = connections.saturating_mul(options.requests_per_connection_max.max(1));
        Places {
            address,
            connect: options.connect.clone(),
            slots: Mutex::new((0..connections).map(|_| Slot::Empty).collect()),
            permits: Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS))),
            opened: Notify::new(),
            count: AtomicU64::new(0),
        }
    }

    /// A number that other requests of this process hardly have.
    pub(super) fn salt(self: &Arc<Places>) -> u64 {
        let address = u64::try_from(Arc::as_ptr(self).addr()).unwrap_or(0);
        self.next_number() ^ (address << 16)
    }

    /// How many connections are open.
    pub(super) fn open(&self) -> usize {
        let slots = self.slots.lock();
        slots.iter().filter(|slot| matches!(slot, Slot::Open { client, .. } if client.is_open())).count()
    }

    /// Closes every connection and opens no more.
    pub(super) fn close(&self) {
        self.permits.close();
        for slot in self.slots.lock().iter_mut() {
            if let Slot::Open { client, .. } = std::mem::take(slot) {
                client.close();
            }
        }
        self.opened.notify_waiters();
    }

    /// A place on a connection, opened if those that there are are in use.
    pub(super) async fn lease(self: &Arc<Places>, wait_max: Duration) -> Result<Client, Refused> {
        let asked = tokio::time::timeout(wait_max, Arc::clone(&self.permits).acquire_owned()).await;
        let mut permit = asked.map_err(|_| self.full(wait_max))?.map_err(|_| closed())?;
        loop {
            let opened = self.opened.notified();
            tokio::pin!(opened);
            // From here on nothing that is opened is missed.
            opened.as_mut().enable();
            permit = match self.choose(permit) {
                Choice::Use(client, lease) => return Ok(client.leased(Arc::new(lease))),
                Choice::Wait(permit) => {
                    opened.await;
                    permit
                }
                Choice::Open(permit, opening) => {
                    let connected = Client::connect_with(&self.address, &self.connect).await;
                    if self.permits.is_closed() {
                        return Err(closed());
                    }
                    match connected {
                        Ok(client) => {
                            opening.done(client);
                            permit
                        }
                        Err(error) => {
                            drop(opening);
                            match self.least_used(permit) {
                                Ok((client, lease)) => return Ok(client.leased(Arc::new(lease))),
                                Err(_) => return Err(Refused::Unreachable(error)),
                            }
                        }
                    }
                }
            };
            if self.permits.is_closed() {
                return Err(closed());
            }
        }
    }

    /// An unused connection; else a slot to open one in; else the least used connection; else what others open.
    fn choose(self: &Arc<Places>, permit: OwnedSemaphorePermit) -> Choice {
        let mut slots = self.slots.lock();
        let mut idle = false;
        let mut empty = None;
        for (at, slot) in slots.iter_mut().enumerate() {
            if let Slot::Open { client, leases, .. } = slot {
                if client.is_open() {
                    idle |= *leases == 0;
                } else {
                    *slot = Slot::Empty;
                }
            }
            if matches!(slot, Slot::Empty) {
                empty = empty.or(Some(at));
            }
        }
        if let (false, Some(at)) = (idle, empty)
            && let Some(slot) = slots.get_mut(at)
        {
            *slot = Slot::Opening;
            return Choice::Open(permit, Opening { places: Arc::clone(self), slot: at });
        }
        drop(slots);
        match self.least_used(permit) {
            Ok((client, lease)) => Choice::Use(client, lease),
            Err(permit) => Choice::Wait(permit),
        }
    }

    /// The connection with the fewest users, with one more; gives the permit back if there is none.
    fn least_used(
        self: &Arc<Places>,
        permit: OwnedSemaphorePermit,
    ) -> Result<(Client, Lease), OwnedSemaphorePermit> {
        let mut slots = self.slots.lock();
        let open = slots.iter_mut().enumerate().filter_map(|(at, slot)| match slot {
            Slot::Open { client, leases, number } if client.is_open() => Some((at, client, leases, *number)),
            Slot::Open { .. } | Slot::Empty | Slot::Opening => None,
        });
        let Some((slot, client, leases, number)) = open.min_by_key(|(_, _, leases, _)| **leases) else {
            return Err(permit);
        };
        *leases += 1;
        Ok((client.clone(), Lease { places: Arc::clone(self), slot, number, _permit: permit }))
    }

    fn next_number(&self) -> u64 {
        self.count.fetch_add(1, Ordering::Relaxed)
    }

    fn full(&self, wait_max: Duration) -> Refused {
        let connections = u64::try_from(self.slots.lock().len()).unwrap_or(u64::MAX);
        let message = format!("no place on a connection became free within {} ms", wait_max.as_millis());
        let mut error = Error::new(ErrorCode::ServerBusy, message)
            .hint("allow the pool more connections (`connections_max`), or more requests on each");
        error.detail.maybe_executed = Some(false);
        let name = "connections_max".to_owned();
        error.detail.limit = Some(Limit { name, allowed: connections, asked: connections.saturating_add(1) });
        Refused::Full(error)
    }
}

impl Opening {
    fn done(self, client: Client) {
        let number = self.places.next_number();
        if let Some(slot) = self.places.slots.lock().get_mut(self.slot) {
            *slot = Slot::Open { client, leases: 0, number };
        }
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        if let Some(slot @ Slot::Opening) = self.places.slots.lock().get_mut(self.slot) {
            *slot = Slot::Empty;
        }
        self.places.opened.notify_waiters();
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(Slot::Open { leases, number, .. }) = self.places.slots.lock().get_mut(self.slot)
            && *number == self.number
        {
            *leases -= 1;
        }
    }
}

fn closed() -> Refused {
    let mut error = Error::new(ErrorCode::ConnectionFailed, "the pool is closed");
    error.detail.maybe_executed = Some(false);
    Refused::Closed(error)
}
