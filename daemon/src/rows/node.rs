//! A scheduler that shares a store as a row of a table.

use chrono::{DateTime, TimeDelta, Utc};
use matins::control::display as show;
use matins::control::{NodeState, NodeView};
use matins::triggers::Zone;

/// The columns of a table of nodes.
pub const HEADING: [&str; 9] =
    ["NODE", "LABEL", "STATE", "LEASE", "RUNNING", "SINCE", "CLOCK", "VERSION", "TASKS"];

/// A node as a row under [`HEADING`], with times of the zone.
pub fn row(node: &NodeView, zone: Zone) -> Vec<String> {
    let joined: DateTime<Utc> = node.joined;
    let label = if node.is_self { format!("{} (this one)", node.label) } else { node.label.clone() };
    vec![
        node.id.to_string(),
        label,
        node.state.as_str().to_owned(),
        lease(node),
        node.running.to_string(),
        show::local(joined, zone),
        node.clock_offset_seconds.map(clock).unwrap_or_default(),
        node.version.clone(),
        node.tasks.join(" "),
    ]
}

fn lease(node: &NodeView) -> String {
    match node.state {
        NodeState::Up => format!("{:.0} s left", node.lease_left_seconds),
        NodeState::Late => format!("ended {:.0} s ago", -node.lease_left_seconds),
        _ => String::new(),
    }
}

/// How far a clock is from the database's. What an answer takes is in it, so that a few milliseconds say nothing.
fn clock(offset: f64) -> String {
    if offset.abs() < 0.1 {
        return "exact".to_owned();
    }
    let span = TimeDelta::milliseconds((offset.abs() * 1000.0) as i64);
    let word = if offset > 0.0 { "fast" } else { "slow" };
    format!("{} {word}", show::span(span))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_fast_slow_or_exact() {
        assert_eq!(clock(0.003), "exact");
        assert_eq!(clock(2.5), "2.5 s fast");
        assert_eq!(clock(-60.0), "1 min slow");
    }
}
