//! The laws of triggers, for the tests of several chapters.

use chrono::{DateTime, TimeDelta, Utc};
use scheduler::trigger::Trigger;

// ANCHOR: laws
/// Checks the laws for two questions, the second not earlier than the first.
pub fn check(
    trigger: &dyn Trigger,
    question: DateTime<Utc>,
    later: DateTime<Utc>,
) {
    let Some(answer) = trigger.next_after(question) else {
        let never = trigger.next_after(later);
        assert_eq!(never, None, "order: {question} has no next fire time");
        return;
    };
    assert!(answer > question, "progress: {question} is followed by {answer}");
    if let Some(later_answer) = trigger.next_after(later) {
        assert!(later_answer >= answer, "order: {question}, {later}");
    }
    // All questions from the first one up to just before its answer have the
    // same answer. Three of them stand for the others.
    let almost = answer - TimeDelta::nanoseconds(1);
    let middle = question + (answer - question) / 2;
    for between in [later.clamp(question, almost), middle, almost] {
        let found = trigger.next_after(between);
        assert_eq!(found, Some(answer), "no skips: {question}, {between}");
    }
}
// ANCHOR_END: laws
