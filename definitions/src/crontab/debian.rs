//! What Debian's cron (3.0pl1) would refuse or read otherwise, though it is accepted here.

use super::{Note, NoteKind};

/// The longest command that cron takes, in bytes.
const LONGEST_COMMAND: usize = 998;

/// How an entry differs for cron.
pub(super) fn differences(times: &str, command: &str) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(nickname) = times.strip_prefix('@') {
        if nickname.bytes().any(|byte| byte.is_ascii_uppercase()) {
            let plain = times.to_ascii_lowercase();
            found.push(format!("Debian's cron reads nicknames in small letters only; write {plain}"));
        }
    } else {
        for (index, field) in times.split([' ', '\t']).filter(|field| !field.is_empty()).enumerate() {
            if let Some(item) = field.split(',').find(|item| !is_item(item, index)) {
                found.push(format!(
                    "Debian's cron does not know {item:?}; the job fires here, and is refused there"
                ));
            }
        }
    }
    if command.len() > LONGEST_COMMAND {
        found.push(format!(
            "the command is {} bytes long; Debian's cron takes at most {LONGEST_COMMAND}",
            command.len()
        ));
    }
    found
}

/// Whether cron reads an item of the field of this number.
fn is_item(item: &str, field: usize) -> bool {
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_value = |text: &str| {
        let lower = text.to_ascii_lowercase();
        is_number(text)
            || (field == 3 && MONTHS.contains(&lower.as_str()))
            || (field == 4 && WEEKDAYS.contains(&lower.as_str()))
    };
    let (range, step) = item.split_once('/').map_or((item, None), |(range, step)| (range, Some(step)));
    let is_range = range == "*" || range.split_once('-').is_some_and(|(a, b)| is_value(a) && is_value(b));
    let is_random = range.split_once('~').is_some_and(|(a, b)| is_number(a) && is_number(b));
    match step {
        // A step after a single value is refused.
        Some(step) => is_range && is_number(step),
        None => is_range || is_random || is_value(range),
    }
}

/// Cron ignores a crontab whose last line has no end.
pub(super) fn note_missing_newline(text: &[u8], notes: &mut Vec<Note>) {
    if text.last().is_some_and(|last| *last != b'\n') {
        let line = text.split(|byte| *byte == b'\n').count();
        let text = "the last line has no newline at its end; Debian's cron would refuse the file".to_owned();
        notes.push(Note { line, kind: NoteKind::Difference, text });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `crontab -n` of cron 3.0pl1-162 says.
    #[test]
    fn what_debian_reads_is_no_difference_and_what_it_refuses_is_one() {
        for times in [
            "* * * * *",
            "*/70 * * * *",
            "1-5/10 * * * *",
            "0~59 * * * *",
            "* * * JAN *",
            "* * * * MON-FRI/2",
            "* * * * FRI-MON",
            "* * * * Sun,mon",
            "*/5,7 * * * *",
            "007 * * * *",
            "@midnight",
        ] {
            assert_eq!(differences(times, "x"), [""; 0], "{times}");
        }
        for times in [
            "5/2 * * * *",
            "* * * * sunday",
            "* * L * *",
            "* * ? * *",
            "* * 15W * *",
            "* * * * FRI#2",
            "@Daily",
        ] {
            assert_eq!(differences(times, "x").len(), 1, "{times}");
        }
        assert!(differences("* * * * *", &"x".repeat(998)).is_empty());
        assert_eq!(differences("* * * * *", &"x".repeat(999)).len(), 1);
    }
}
