//! Counts round trips: a relay between a driver and its server, which sees when the direction turns.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::Result;

/// A relay; it relays as long as the process lives.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    trips: Arc<AtomicU64>,
}

impl Proxy {
    /// Relays connections to a server.
    pub(crate) fn start(server: SocketAddr) -> Result<Proxy> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let trips = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&trips);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let trips = Arc::clone(&counted);
                if let Ok(server) = TcpStream::connect(server) {
                    relay(client, server, &trips);
                }
            }
        });
        Ok(Proxy { address, trips })
    }

    /// How often a client began to speak behind an answer.
    pub(crate) fn trips(&self) -> u64 {
        self.trips.load(Ordering::SeqCst)
    }
}

fn relay(client: TcpStream, server: TcpStream, trips: &Arc<AtomicU64>) {
    let asks = Arc::new(AtomicBool::new(false));
    for (from, to, is_client) in [(&client, &server, true), (&server, &client, false)] {
        let (Ok(mut from), Ok(mut to)) = (from.try_clone(), to.try_clone()) else { return };
        let (asks, trips) = (Arc::clone(&asks), Arc::clone(trips));
        std::thread::spawn(move || {
            to.set_nodelay(true).ok();
            let mut bytes = vec![0; 64 << 10];
            while let Ok(count @ 1..) = from.read(&mut bytes) {
                if asks.swap(is_client, Ordering::SeqCst) != is_client && is_client {
                    trips.fetch_add(1, Ordering::SeqCst);
                }
                if to.write_all(bytes.get(..count).unwrap_or_default()).is_err() {
                    break;
                }
            }
            to.shutdown(Shutdown::Both).ok();
        });
    }
}
