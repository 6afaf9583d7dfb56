//! The schedulers that share a store, as they are shown.

use indicatif::HumanBytes;
use matins::control::{NodeState, NodeView, SharedView};
use matins::triggers::Zone;
use matins_daemon::rows::node;
use matins_terminal::Text;

use crate::shown;

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
    shown::rows(&node::HEADING, nodes.iter().map(|one| node::row(one, zone)).collect());
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
