//! The schedulers that share a store, as they are shown.

use chrono::{DateTime, TimeDelta, Utc};
use indicatif::HumanBytes;
use matins::control::{NodeState, NodeView, SharedView};
use matins::triggers::Zone;
use matins_terminal::Text;

use crate::{show, shown};

const HEADING: [&str; 9] =
    ["NODE", "LABEL", "STATE", "LEASE", "RUNNING", "SINCE", "CLOCK", "VERSION", "TASKS"];

/// Prints a table of them.
pub(crate) fn print(nodes: &[NodeView], zone: Zone) {
    if !nodes.iter().any(|node| node.state == NodeState::Up) {
        let none = "none is up: start one with `matins run`";
        shown::property("nodes", none);
    }
    if nodes.is_empty() {
        return;
    }
    shown::line(Text::new().end_line().and("nodes"));
    shown::rows(&HEADING, nodes.iter().map(|node| row(node, zone)).collect());
    let mut databases: Vec<&str> = nodes
        .iter()
        .filter(|node| node.state == NodeState::Up && !node.tz_database.is_empty())
        .map(|node| node.tz_database.as_str())
        .collect();
    databases.sort_unstable();
    databases.dedup();
    match &databases[..] {
        [] => {}
        [one] => shown::property("tz database", format!("{one}, on all nodes")),
        several => shown::property(
            "tz database",
            format!("they differ, so that nodes may compute different fire times: {}", several.join("; ")),
        ),
    }
}

/// Prints what is known of the tables, and who shares them.
pub(crate) fn print_store(shared: &SharedView, zone: Zone) {
    shown::property("server", format!("{}, {}", shared.server, shared.place));
    shown::property("format", shared.format.to_string());
    for (table, length) in &shared.tables {
        shown::property("table", format!("{table}, {}", HumanBytes(*length)));
    }
    print(&shared.nodes, zone);
}

fn row(node: &NodeView, zone: Zone) -> Vec<String> {
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
