//! What no server can go below on this machine: the way of some bytes over loopback and back, and a sync of the log.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;
use crate::times::Times;

/// The bytes of a request and of a response: about those of a small operation.
const REQUEST_BYTES: usize = 128;
const RESPONSE_BYTES: usize = 512;
/// The file that is synced is written before, so that a sync has no lengths to write.
const FILE_BYTES: usize = 4 << 20;
/// What a commit of one row writes.
const RECORD_BYTES: usize = 128;

/// Medians of one round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Floor {
    /// One connection, a thread at each end; microseconds.
    pub(crate) round_trip: f64,
    /// All connections of a measurement, two threads each; round trips a second.
    pub(crate) round_trips: f64,
    /// A record of the log written over old bytes and synced; microseconds.
    pub(crate) sync: f64,
}

impl Floor {
    /// Measures each for so long; the file is put into this directory.
    pub(crate) fn measure(dir: &Path, connections: usize, seconds: f64) -> Result<Floor> {
        let (round_trip, _) = echoed(1, seconds)?;
        let (_, round_trips) = echoed(connections, seconds)?;
        Ok(Floor { round_trip, round_trips, sync: synced(dir, seconds)? })
    }

    /// The shortest that an operation can take, in microseconds.
    pub(crate) fn operation(self, writes: bool) -> f64 {
        if writes { self.round_trip + self.sync } else { self.round_trip }
    }
}

/// The median of a round trip in microseconds, and round trips a second of all connections together.
fn echoed(connections: usize, seconds: f64) -> Result<(f64, f64)> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    let mut threads = Vec::new();
    for _ in 0..connections {
        let client = TcpStream::connect(address)?;
        let (server, _) = listener.accept()?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        // It ends when its client does.
        thread::spawn(move || echo(server));
        threads.push(thread::spawn(move || ask(client, seconds).map_err(|error| error.to_string())));
    }
    let times = Times::begin();
    let mut micros = Vec::new();
    for thread in threads {
        micros.extend(thread.join().map_err(|_| "a client of the echo panicked")??);
    }
    let run = times.end(micros);
    Ok((run.p50, run.operations as f64 / run.seconds))
}

fn echo(mut stream: TcpStream) {
    let (mut request, response) = ([0; REQUEST_BYTES], [1; RESPONSE_BYTES]);
    while stream.read_exact(&mut request).is_ok() && stream.write_all(&response).is_ok() {}
}

fn ask(mut stream: TcpStream, seconds: f64) -> std::io::Result<Vec<f64>> {
    let (request, mut response) = ([0; REQUEST_BYTES], [0; RESPONSE_BYTES]);
    timed(seconds, |_| {
        stream.write_all(&request)?;
        stream.read_exact(&mut response)
    })
}

/// The median of a write and its sync, in microseconds.
fn synced(dir: &Path, seconds: f64) -> Result<f64> {
    let path = dir.join("floor.tmp");
    let file = File::create(&path)?;
    file.write_all_at(&vec![0; FILE_BYTES], 0)?;
    file.sync_all()?;
    let micros = timed(seconds, |number| {
        let at = number * RECORD_BYTES % (FILE_BYTES - RECORD_BYTES);
        file.write_all_at(&[1; RECORD_BYTES], at as u64)?;
        file.sync_data()
    });
    std::fs::remove_file(path)?;
    Ok(Times::begin().end(micros?).p50)
}

/// How long each took of what is done for so long.
fn timed(seconds: f64, mut work: impl FnMut(usize) -> std::io::Result<()>) -> std::io::Result<Vec<f64>> {
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let (mut micros, mut now) = (Vec::new(), Instant::now());
    while now < end {
        work(micros.len())?;
        let then = Instant::now();
        micros.push((then - now).as_secs_f64() * 1e6);
        now = then;
    }
    Ok(micros)
}
