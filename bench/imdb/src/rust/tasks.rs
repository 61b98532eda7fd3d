//! One operation behind another on each of several connections, in one thread.

use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};

use crate::Result;
use crate::driver::{Load, Run};
use crate::times::Times;

/// A runtime of one thread: on a machine that the server needs as well, more only get in each other's way.
pub(super) fn runtime() -> Result<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

/// Runs `one(connection, argument)` on each connection for as long as a load says.
pub(super) async fn run<C: Clone + 'static, F: Future<Output = Result<()>>>(
    connections: Vec<C>,
    load: Load,
    one: impl Fn(C, usize) -> F + Clone + 'static,
) -> Result<Run> {
    let times = Times::begin();
    let end = Instant::now() + Duration::from_secs_f64(load.seconds);
    let tasks = tokio::task::LocalSet::new();
    let mut running = Vec::new();
    for (number, connection) in connections.into_iter().take(load.connections).enumerate() {
        let one = one.clone();
        running.push(tasks.spawn_local(async move {
            let mut micros = Vec::new();
            let mut at = load.first + number;
            let mut now = Instant::now();
            while now < end {
                one(connection.clone(), at).await.map_err(|error| error.to_string())?;
                let then = Instant::now();
                micros.push((then - now).as_secs_f64() * 1e6);
                now = then;
                at += load.connections;
            }
            Ok::<_, String>(micros)
        }));
    }
    let mut micros = Vec::new();
    tasks
        .run_until(async {
            for task in running {
                micros.extend(task.await??);
            }
            Ok::<_, Box<dyn std::error::Error>>(())
        })
        .await?;
    Ok(times.end(micros))
}
