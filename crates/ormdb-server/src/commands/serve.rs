//! `ormdb serve`: serves a database to clients.

use std::time::Duration;

use ormdb::{Database, Options, RetentionWindow};

use crate::args::Serve;
use crate::exit::{Failure, Result};
use crate::output;
use crate::serve::{self, Exposure, ServeOptions, TlsFiles};

/// Runs `ormdb serve` until the process is told to stop.
pub(crate) fn run(args: Serve) -> Result<()> {
    let defaults = ServeOptions::default();
    let frame_timeout = seconds("frame-timeout", args.frame_timeout)?;
    let options = ServeOptions {
        listen: Some(args.listen),
        unix: args.unix,
        exposure: if args.insecure_listen { Exposure::Insecure } else { Exposure::Guarded },
        // The command line has both or none.
        tls: args.tls_cert.zip(args.tls_key).map(|(certificate, key)| TlsFiles { certificate, key }),
        connections_max: args.connections_max,
        requests_max: args.requests_max,
        frame_bytes_max: args.frame_mib_max << 20,
        handshake_timeout: defaults.handshake_timeout.min(frame_timeout),
        frame_timeout,
        idle_timeout: seconds("idle-timeout", args.idle_timeout)?,
        stall_timeout: seconds("stall-timeout", args.stall_timeout)?,
        busy_poll: Duration::from_micros(args.busy_poll),
        drain_timeout: seconds("drain-timeout", args.drain_timeout)?,
        ..defaults
    };
    let mut open = Options::default();
    open.engine.block_cache_bytes = u64::from(args.cache_mib) << 20;
    // The command line has no bytes without an age.
    let window = |age| Ok(RetentionWindow { age, bytes: args.retention_bytes.unwrap_or(u64::MAX) });
    open.engine.retention = args.retention_age.map(|age| retention_age(age).and_then(window)).transpose()?;
    let database = Database::open_with(&args.path, open)?;
    serve::run(options, database, |addresses| {
        output::print(&format!("listening on {}", addresses.join(" and ")))
    })
}

fn seconds(option: &str, seconds: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|d| !d.is_zero() && *d <= Duration::from_secs(365 * 24 * 3600))
        .ok_or_else(|| Failure::Request(format!("--{option} {seconds} is no time to wait")))
}

fn retention_age(seconds: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(seconds)
        .map_err(|error| Failure::Request(format!("--retention-age {seconds} is no age: {error}")))
}
