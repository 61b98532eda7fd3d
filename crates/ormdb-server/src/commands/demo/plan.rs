//! The plan of a fetch with what happened, from the JSON of `explain analyze`.

use ormdb_proto::{Error, ErrorCode, Explanation};
use serde_json::Value as Json;

use crate::exit::{Result, count, grouped};

/// The longest line that says both what was asked of a level and what it got.
const LINE_MAX: usize = 100;

/// The plan, two or three lines for each level.
pub(super) fn compact(explanation: &Explanation) -> Result<String> {
    let plan: Json = serde_json::from_str(&explanation.json)
        .map_err(|error| Error::new(ErrorCode::Internal, format!("the plan is no JSON: {error}")))?;
    let mut lines = Vec::new();
    step(&plan, 0, &mut lines);
    Ok(lines.join("\n"))
}

fn step(plan: &Json, depth: usize, lines: &mut Vec<String>) {
    let indent = "  ".repeat(depth);
    let text = |name: &str| plan.get(name).and_then(Json::as_str);
    let number = |name: &str| plan.get(name).and_then(Json::as_u64);
    lines.push(format!("{indent}{}: {}", text("step").unwrap_or(""), text("access").unwrap_or("")));
    let mut asked: Vec<String> = Vec::new();
    asked.extend(text("filter").map(|filter| format!("filter {filter}")));
    asked.extend(text("order").map(|order| format!("order {order}")));
    asked.extend(number("limit").map(|limit| format!("limit {limit} per parent")));
    let got = number("actual_rows").map(|rows| {
        let examined = number("rows_examined").map(|n| format!(" of {} examined", grouped(n)));
        let estimate = text("estimate").map(|estimate| format!(" (estimate: {estimate})"));
        format!("got {}{}{}", count(rows, "row"), examined.unwrap_or_default(), estimate.unwrap_or_default())
    });
    let (asked, got) = (asked.join("; "), got.unwrap_or_default());
    if indent.len() + asked.len() + got.len() < LINE_MAX {
        lines.push(format!("{indent}    {asked}; {got}"));
    } else {
        lines.extend([asked, got].map(|line| format!("{indent}    {line}")));
    }
    for below in plan.get("below").and_then(Json::as_array).into_iter().flatten() {
        step(below, depth + 1, lines);
    }
}
