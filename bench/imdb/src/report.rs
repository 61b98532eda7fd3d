//! Tables of what was measured: medians over the rounds, this database beside the other one, and its bars.

use std::fmt::Write;

use serde_json::json;

use crate::compare::Checked;
use crate::driver::{Load, Run};
use crate::floor::Floor;
use crate::operation::Operation;
use crate::options::Options;
use crate::sides::{Language, Place, Side};
use crate::{CONNECTIONS, Result};

/// What one driver did in one round; times are in microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measurement {
    place: Place,
    side: Side,
    language: Language,
    operation: Operation,
    connections: usize,
    rate: f64,
    p50: f64,
    p99: f64,
    client_cpu: f64,
    server_cpu: f64,
}

type Metric = fn(&Measurement) -> f64;

/// Whose figures are asked for.
#[derive(Clone, Copy)]
struct Of {
    place: Place,
    operation: Operation,
    language: Language,
    connections: usize,
}

impl Measurement {
    pub(crate) fn new(
        place: Place,
        (side, language): (Side, Language),
        load: Load,
        run: Run,
        server_cpu: Option<f64>,
    ) -> Measurement {
        let count = run.operations.max(1) as f64;
        Measurement {
            place,
            side,
            language,
            operation: load.operation,
            connections: load.connections,
            rate: run.operations as f64 / run.seconds,
            p50: run.p50,
            p99: run.p99,
            client_cpu: run.cpu / count,
            server_cpu: server_cpu.unwrap_or(0.0) / count,
        }
    }
}

/// Writes what was measured, one object a line, where that is asked for.
pub(crate) fn write(options: &Options, measurements: &[Measurement]) -> Result<()> {
    let Some(path) = &options.json else { return Ok(()) };
    let mut text = String::new();
    for measured in measurements {
        let line = json!({
            "place": measured.place.name(),
            "side": measured.side.name(),
            "language": measured.language.name(),
            "operation": measured.operation,
            "connections": measured.connections,
            "operations_a_second": measured.rate,
            "p50_us": measured.p50,
            "p99_us": measured.p99,
            "client_cpu_us": measured.client_cpu,
            "server_cpu_us": measured.server_cpu,
        });
        writeln!(text, "{line}")?;
    }
    Ok(std::fs::write(path, text)?)
}

/// A table of what is behind servers, and one of what is in the process.
pub(crate) fn tables((measurements, floors): (&[Measurement], &[Floor]), checked: &Checked) -> String {
    let floor = |of: fn(&Floor) -> f64| middle_of(floors.iter().map(of).collect());
    let floor = Floor {
        round_trip: floor(|f| f.round_trip).unwrap_or(0.0),
        round_trips: floor(|f| f.round_trips).unwrap_or(f64::INFINITY),
        sync: floor(|f| f.sync).unwrap_or(0.0),
    };
    let mut table = Table { measurements, checked, floor, text: String::new(), bars: 0, reached: 0 };
    if measurements.iter().any(|measured| measured.place == Place::Remote) {
        table.remote();
    }
    if measurements.iter().any(|measured| measured.place == Place::Embedded) {
        table.embedded();
    }
    let Table { mut text, bars, reached, .. } = table;
    text.push_str(&format!("\n{reached} of {bars} bars are reached\n"));
    text
}

struct Table<'a> {
    measurements: &'a [Measurement],
    checked: &'a Checked,
    /// Medians.
    floor: Floor,
    text: String,
    bars: u32,
    reached: u32,
}

impl Table<'_> {
    /// One line for each operation, language and side; behind that of this database its ratios.
    fn remote(&mut self) {
        self.text.push_str("\nbehind a server, over loopback; us; cpu an operation, client + server\n");
        let Floor { round_trip, round_trips, sync } = self.floor;
        self.text.push_str(&format!(
            "of nothing: a round trip {round_trip:.1}, {round_trips:.0} a second over {CONNECTIONS} connections; a sync {sync:.1}\n",
        ));
        self.text.push_str(
            "\
             operation    language side     trips |    p50@1    p99@1         cpu@1 |  ops/s@8    p50@8    p99@8         cpu@8\n",
        );
        for operation in Operation::ALL {
            for language in Language::ALL {
                for side in [Side::Ormdb, Side::Postgres] {
                    self.remote_line(operation, language, side);
                }
            }
        }
    }

    fn remote_line(&mut self, operation: Operation, language: Language, side: Side) {
        let of = |connections| Of { place: Place::Remote, operation, language, connections };
        let at = |connections, side, metric: Metric| self.median(of(connections), side, metric);
        let Some(p50) = at(1, side, |m| m.p50) else { return };
        let get = |connections, metric| at(connections, side, metric).unwrap_or(f64::NAN);
        let cpu = |connections| {
            format!("{:.0} + {:.0}", get(connections, |m| m.client_cpu), get(connections, |m| m.server_cpu))
        };
        let trips = self.checked.trips(operation, side, language).unwrap_or(f64::NAN);
        let mut line = format!(
            "{:<12} {:<8} {:<8} {trips:>5.2} | {p50:>8.1} {:>8.1} {:>13} | {:>8.0} {:>8.1} {:>8.1} {:>13}",
            operation.name(),
            language.name(),
            side.name(),
            get(1, |m| m.p99),
            cpu(1),
            get(8, |m| m.rate),
            get(8, |m| m.p50),
            get(8, |m| m.p99),
            cpu(8),
        );
        let theirs = (at(1, Side::Postgres, |m| m.p50), at(8, Side::Postgres, |m| m.rate));
        if let (Side::Ormdb, (Some(their_p50), Some(their_rate))) = (side, theirs) {
            let bars = operation.bars();
            let by_rate = get(8, |m| m.rate) / their_rate;
            let most =
                (their_p50 / self.floor.operation(operation.writes()), self.floor.round_trips / their_rate);
            let verdicts = [
                self.verdict("p50", their_p50 / p50, (bars.p50_at_1, most.0)),
                self.verdict("ops/s", by_rate, (bars.rate_at_8, most.1)),
            ];
            line.push_str(&format!("  {}, {}", verdicts[0], verdicts[1]));
        }
        self.text.push_str(&line);
        self.text.push('\n');
    }

    fn embedded(&mut self) {
        self.text.push_str(
            "\nin the process; us; cpu an operation\n\
             operation    language side      |      p50      p99    ops/s      cpu\n",
        );
        for operation in Operation::ALL {
            for language in Language::ALL {
                for side in [Side::Ormdb, Side::Sqlite] {
                    self.embedded_line(operation, language, side);
                }
            }
        }
    }

    fn embedded_line(&mut self, operation: Operation, language: Language, side: Side) {
        let of = Of { place: Place::Embedded, operation, language, connections: 1 };
        let Some(p50) = self.median(of, side, |m| m.p50) else { return };
        let get = |metric| self.median(of, side, metric).unwrap_or(f64::NAN);
        let mut line = format!(
            "{:<12} {:<8} {:<9} | {p50:>8.1} {:>8.1} {:>8.0} {:>8.1}",
            operation.name(),
            language.name(),
            side.name(),
            get(|m| m.p99),
            get(|m| m.rate),
            get(|m| m.client_cpu),
        );
        if let (Side::Ormdb, Some(theirs)) = (side, self.median(of, Side::Sqlite, |m| m.p50)) {
            let verdict = self.verdict("p50", theirs / p50, (operation.bars().embedded, f64::INFINITY));
            line.push_str(&format!("  {verdict}"));
        }
        self.text.push_str(&line);
        self.text.push('\n');
    }

    /// Whether a ratio reaches its bar; where an operation that does nothing would not, what that would reach.
    fn verdict(&mut self, of: &str, ratio: f64, (bar, most): (f64, f64)) -> String {
        let passed = ratio >= bar;
        self.bars += 1;
        self.reached += u32::from(passed);
        let verdict = match passed {
            true => "pass".to_owned(),
            false if most < bar => format!("MISSED, of nothing {most:.2}"),
            false => "MISSED".to_owned(),
        };
        format!("{of} {ratio:.2} >= {bar:.1} {verdict}")
    }

    fn median(&self, of: Of, side: Side, metric: Metric) -> Option<f64> {
        let values = self
            .measurements
            .iter()
            .filter(|m| (m.place, m.operation, m.language) == (of.place, of.operation, of.language))
            .filter(|m| m.side == side && m.connections == of.connections)
            .map(metric)
            .collect();
        middle_of(values)
    }
}

/// The median, where there are values.
fn middle_of(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 { Some(upper) } else { Some((values.get(middle - 1)? + upper) / 2.0) }
}
