//! An error names the text, says what is wrong with it, and what to write instead.

use matins_triggers::{CronExpression, CronTrigger};

fn refused(text: &str) -> String {
    CronExpression::parse(text).expect_err(text).to_string()
}

#[track_caller]
fn check(cases: &[(&str, &[&str])]) {
    for (text, expected) in cases {
        let message = refused(text);
        for part in *expected {
            assert!(message.contains(part), "{text}: {part:?} is not in\n{message}");
        }
    }
}

#[test]
fn what_to_write_instead_is_said() {
    check(&[
        ("0 22-6 * * *", &["22 comes after 6", "write 22-23,0-6", "  ^^^^"]),
        ("/15 * * * *", &["write */15"]),
        ("0 /2 * * *", &["write */2"]),
        ("H * * * *", &["Jenkins", "write a value, such as 0", "jitter"]),
        ("H/15 * * * *", &["Jenkins"]),
        ("H(0-29) * * * *", &["Jenkins"]),
        ("0~59 * * * *", &["only crontab files", "write a value, such as 0", "jitter"]),
        ("~ 3 * * *", &["only crontab files"]),
        ("0 0 * * L5", &["write 5L"]),
        ("0 0 * * LFRI", &["write FRIL"]),
        ("0 0 L5 * *", &["write L-5", "5L"]),
        ("0 0 25-L * *", &["write 25-31"]),
        ("0 24 * * *", &["midnight is hour 0"]),
        ("0 0 -1 * *", &["write L", "L-1", "expected 1 to 31"]),
        ("-1 0 * * *", &["a range has two values", "expected 0 to 59"]),
        ("5- 0 * * *", &["a range has two values, such as 5-59"]),
        ("0 0 1-15W * *", &["W follows a single day"]),
        ("0 0 FRI#2 * *", &["FRI#2 is a day of week"]),
        ("0 0 * * 15W", &["15W", "is a day of month"]),
        ("0 0 * * LW", &["is a day of month"]),
        ("0 0 * * L", &["write FRIL"]),
        ("0 0 * * 5,+FRI", &["+ is the first character"]),
        ("0 ? * * *", &["write *"]),
        ("0 0 * SUN *", &["it is a day of week"]),
        ("0 0 L-31 * *", &["0 to 30"]),
    ]);
}

#[test]
fn intervals_and_events_are_no_nicknames() {
    check(&[
        ("@every 5m", &["every = \"5m\"", "every("]),
        ("@every", &["every = \"5m\""]),
        ("@Every 1h30m", &["every = \"1h30m\""]),
        ("@reboot", &["crontab file"]),
        ("@reboot now", &["crontab file"]),
        ("@fortnightly", &["@weekly"]),
    ]);
}

#[test]
fn six_fields_are_said_to_begin_with_seconds() {
    const HINT: &str = "six fields begin with seconds";
    check(&[
        ("0 9 * * MON-FRI root", &["\"root\" follows five fields", HINT, "                    ^^^^"]),
        ("0 9 * * * Berlin", &["\"Berlin\" cannot be read", HINT]),
        ("0 0 9 * * MOM", &["did you mean MON?", HINT]),
        ("60 0 9 * * *", &["60 is out of range", HINT]),
        ("0 9 1 1 * 2026", &["years are the seventh field", HINT, "write 0 0 9 1 1 * 2026"]),
        ("0 9 * * MON 2026-2030", &["write 0 0 9 * * MON 2026-2030"]),
        ("0 0 9 1 1 MOM 2026", &["seven fields begin with seconds"]),
    ]);
    assert!(!refused("0 0 0 30 2 *").contains(HINT), "it can be read, and never fires");
    assert!(!refused("0 9 * * MOM").contains(HINT));
}

#[test]
fn the_day_fields_say_all_that_they_take() {
    check(&[
        ("0 0 32 * *", &["1 to 31, L, L-3, 15W, LW, ?, *"]),
        ("0 0 * * 8", &["0 to 7, SUN to SAT, FRI#2, FRIL, +FRI, ?, *"]),
        ("day=32", &["1 to 31, last, last fri, 2nd tue, *"]),
        ("day=L", &["written last"]),
        ("day_of_week=7", &["0 is Monday"]),
    ]);
    let quartz = CronExpression::parse_quartz("0 0 0 ? * 0").unwrap_err().to_string();
    assert!(quartz.contains("from 1 for Sunday") && quartz.contains("6#2, 6L, L, ?"), "{quartz}");
    let plus = CronExpression::parse_quartz("0 0 0 ? * +FRI").unwrap_err().to_string();
    assert!(plus.contains("Quartz has no +"), "{plus}");
}

#[test]
fn a_zone_that_is_misspelt_is_not_called_a_field() {
    let error = CronTrigger::parse("0 9 * * * Europe/Berlim", "UTC").unwrap_err().to_string();
    assert!(error.contains("Europe/Berlim"), "{error}");
}

/// What is suggested for a range that goes over the end of its field means what Quartz means by it.
#[test]
fn the_parts_of_a_range_over_the_end_are_its_values() {
    for (name, max) in [("minute", 59_u32), ("hour", 23), ("month", 12)] {
        let min = u32::from(name == "month");
        let place = |item: &str| match name {
            "minute" => format!("{item} 0 1 1 *"),
            "hour" => format!("0 {item} 1 1 *"),
            _ => format!("0 0 1 {item} *"),
        };
        for first in min..=max {
            for last in min..first {
                for step in [1, 2, 3, 7, 30, 100] {
                    let item = format!("{first}-{last}/{step}");
                    let message = refused(&place(&item));
                    let written = message.lines().next().unwrap().rsplit_once("write ").unwrap().1;
                    let suggested = CronExpression::parse(&place(written)).unwrap();
                    let width = max - min + 1;
                    let values: Vec<String> = (first..=last + width)
                        .step_by(step)
                        .map(|value| if value > max { value - width } else { value }.to_string())
                        .collect();
                    let listed = CronExpression::parse(&place(&values.join(","))).unwrap();
                    assert_eq!(suggested, listed, "{item}: {written}");
                    if step <= max as usize && name != "minute" {
                        let text = place(&item).replacen("1 *", "1 ?", 1);
                        let text =
                            if name == "month" { format!("0 0 0 1 {item} ?") } else { format!("0 {text}") };
                        assert_eq!(CronExpression::parse_quartz(&text), Ok(suggested), "{text}");
                    }
                }
            }
        }
    }
}
