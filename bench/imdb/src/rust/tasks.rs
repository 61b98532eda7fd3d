//! One operation behind another on each of several connections to a server, in one thread.

use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use crate::Result;
use crate::answer::Answer;
use crate::driver::{Driver, Load, Run};
use crate::operation::Operation;
use crate::times::Times;

/// A connection to a server.
pub(crate) trait Connection: Sized + 'static {
    /// Carries out one operation.
    fn one(&self, operation: Operation, at: usize) -> impl Future<Output = Result<Answer>>;
}

/// A driver with its connections.
pub(crate) struct Connected<C> {
    runtime: Runtime,
    connections: Vec<Rc<C>>,
}

impl<C: Connection> Connected<C> {
    /// Makes so many connections.
    pub(super) fn make(connections: usize, make: impl AsyncFn() -> Result<C>) -> Result<Connected<C>> {
        // On a machine that the server needs as well, more threads than one only get in each other's way.
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let made: Result<Vec<Rc<C>>> = runtime.block_on(async {
            let mut made = Vec::new();
            for _ in 0..connections {
                made.push(Rc::new(make().await?));
            }
            Ok(made)
        });
        Ok(Connected { connections: made?, runtime })
    }
}

impl<C: Connection> Driver for Connected<C> {
    fn answers(&mut self, operation: Operation, count: usize) -> Result<Vec<Value>> {
        let connection = self.connections.first().ok_or("there is no connection")?;
        self.runtime.block_on(async {
            let mut answers = Vec::new();
            for at in 0..count {
                answers.push(serde_json::to_value(connection.one(operation, at).await?)?);
            }
            Ok(answers)
        })
    }

    fn run(&mut self, load: Load) -> Result<Run> {
        self.runtime.block_on(run(&self.connections, load))
    }
}

/// Runs operations on each connection for as long as a load says.
async fn run<C: Connection>(connections: &[Rc<C>], load: Load) -> Result<Run> {
    let times = Times::begin();
    let end = Instant::now() + Duration::from_secs_f64(load.seconds);
    let tasks = tokio::task::LocalSet::new();
    let mut running = Vec::new();
    for (number, connection) in connections.iter().take(load.connections).cloned().enumerate() {
        running.push(tasks.spawn_local(async move {
            let mut micros = Vec::new();
            let mut at = load.first + number;
            let mut now = Instant::now();
            while now < end {
                let answer = connection.one(load.operation, at).await.map_err(|error| error.to_string())?;
                drop(std::hint::black_box(answer));
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
