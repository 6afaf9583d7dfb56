//! In a process of its own: the zones of a process are never freed.

use matins_triggers::{Zone, tzdb};

/// There is no end of rules, and rules are never freed.
#[test]
fn a_process_keeps_a_bounded_number_of_rules() {
    tzdb::use_bundled();
    let rule = |number: i32| Zone::named(&format!("<+{number:04}>-{}:{:02}", number / 60, number % 60));
    let kept = (0..500).filter(|number| rule(*number).is_ok()).count();
    assert!((200..=256).contains(&kept), "{kept}");
    assert!(rule(499).unwrap_err().to_string().contains("use names"));
    assert!(rule(0).is_ok() && Zone::named("Europe/Berlin").is_ok());
}
