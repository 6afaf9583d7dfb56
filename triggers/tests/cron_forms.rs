//! What each form of an expression takes: crontab's, Quartz's, and fields by name.

use matins_core::Trigger;
use matins_triggers::{CronExpression, CronFields, CronTrigger};

fn crontab(text: &str) -> CronExpression {
    CronExpression::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

fn quartz(text: &str) -> CronExpression {
    CronExpression::parse_quartz(text).unwrap_or_else(|error| panic!("{error}"))
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

#[test]
fn full_names_are_read_in_any_case_in_every_form() {
    for (index, name) in MONTHS.iter().enumerate() {
        for name in [(*name).to_owned(), name.to_uppercase(), name.to_lowercase()] {
            let month = index + 1;
            assert_eq!(crontab(&format!("0 0 1 {name} *")), crontab(&format!("0 0 1 {month} *")));
            assert_eq!(quartz(&format!("0 0 0 1 {name} ?")), quartz(&format!("0 0 0 1 {month} ?")));
            let short = &name[..3];
            assert_eq!(crontab(&format!("month={name}")), crontab(&format!("month={short}")));
        }
    }
    for (index, name) in WEEKDAYS.iter().enumerate() {
        for name in [(*name).to_owned(), name.to_uppercase(), name.to_lowercase()] {
            assert_eq!(crontab(&format!("0 0 * * {name}")), crontab(&format!("0 0 * * {index}")));
            assert_eq!(crontab(&format!("0 0 * * {name}L")), crontab(&format!("0 0 * * {index}L")));
            assert_eq!(crontab(&format!("0 0 * * {name}#2")), crontab(&format!("0 0 * * {index}#2")));
            assert_eq!(quartz(&format!("0 0 0 ? * {name}")), quartz(&format!("0 0 0 ? * {}", index + 1)));
            let short = &name[..3];
            assert_eq!(crontab(&format!("day_of_week={name}")), crontab(&format!("day_of_week={short}")));
            assert_eq!(crontab(&format!("day='2nd {name}'")), crontab(&format!("day='2nd {short}'")));
        }
    }
}

#[test]
fn longer_abbreviations_are_read() {
    for (long, short) in
        [("TUES", "TUE"), ("weds", "WED"), ("Thur", "THU"), ("THURS", "THU"), ("tues-thurs", "TUE-THU")]
    {
        assert_eq!(crontab(&format!("0 0 * * {long}")), crontab(&format!("0 0 * * {short}")));
    }
    assert_eq!(crontab("0 0 1 Sept *"), crontab("0 0 1 9 *"));
    for wrong in ["0 0 * * MONDAYS", "0 0 * * TU", "0 0 * * TUESX", "0 0 1 JANU *", "0 0 1 monday *"] {
        assert!(CronExpression::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn long_names_are_written_in_three_letters() {
    assert_eq!(crontab("0 0 * january monday-friday").to_string(), "0 0 * JAN MON-FRI");
    assert_eq!(crontab("day_of_week=Monday-Friday/2 hour=9").to_string(), "day_of_week=mon-fri/2 hour=9");
    assert_eq!(crontab("month=January,sept day='last Friday'").to_string(), "month=jan,sep day='last fri'");
}

#[test]
fn a_step_may_follow_a_range_of_names() {
    assert_eq!(crontab("0 9 * * MON-FRI/2"), crontab("0 9 * * 1,3,5"));
    assert_eq!(crontab("0 9 * * FRI-MON/2"), crontab("0 9 * * 5,0"));
    assert_eq!(crontab("0 9 1 JAN-DEC/6 *"), crontab("0 9 1 1,7 *"));
}

#[test]
fn a_range_in_quartz_may_go_over_the_end_of_its_field() {
    for (text, meaning) in [
        ("0 0 21-3 ? * *", "0 21-23,0-3 * * *"),
        ("0 0 22-2/2 ? * *", "0 22,0,2 * * *"),
        ("0 0 0 1 NOV-FEB ?", "0 0 1 11,12,1,2 *"),
        ("0 0 0 1 NOV-FEB/2 ?", "0 0 1 11,1 *"),
        ("0 0 0 ? * FRI-MON", "0 0 * * FRI,SAT,SUN,MON"),
        ("0 0 0 ? * 7-1", "0 0 * * SAT,SUN"),
        ("0 0 0 28-3 * ?", "0 0 28-31,1-3 * *"),
        ("0 55-5 * ? * *", "55-59,0-5 * * * *"),
        ("58-1 0 0 ? * *", "58,59,0,1 0 0 * * *"),
    ] {
        assert_eq!(quartz(text), crontab(meaning), "{text}");
    }
    let years = CronExpression::parse_quartz("0 0 0 1 1 ? 2030-2026").unwrap_err();
    assert!(years.message().contains("from the earlier to the later"), "{years}");
}

#[test]
fn the_weekday_nearest_to_a_day_before_the_last_is_found() {
    let expression = quartz("0 0 0 L-5W * ?");
    assert_eq!(expression, crontab("0 0 L-5W * *"));
    assert_eq!(expression.to_string(), "0 0 L-5W * *");
    // 31 January 2026 less five is Monday, 28 February less five too; 31 May less five is Tuesday.
    let days = |text: &str, after: &str, count: usize| {
        let trigger: CronTrigger = text.parse().unwrap();
        let fires = trigger.fires_after(after.parse().unwrap()).take(count);
        fires.map(|fire| fire.date_naive().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(days("0 0 L-5W * *", "2026-01-01T00:00:00Z", 3), ["2026-01-26", "2026-02-23", "2026-03-26"]);
    // 30 May 2026 is a Saturday, and 28 June less none a Sunday.
    assert_eq!(days("0 0 L-1W * *", "2026-05-01T00:00:00Z", 2), ["2026-05-29", "2026-06-29"]);
    // The first of a month that is a Saturday: the nearest weekday of that month is the third.
    assert_eq!(days("0 0 L-30W * *", "2026-07-31T00:00:00Z", 1), ["2026-08-03"]);
}

#[test]
fn quartz_takes_what_its_documentation_has() {
    for (text, meaning) in [
        ("0 /15 * ? * *", "*/15 * * * *"),
        ("0 0/5 14,18 * * ?", "0/5 14,18 * * *"),
        ("0 15 10 L * ?", "15 10 L * *"),
        ("0 15 10 L-2 * ?", "15 10 L-2 * *"),
        ("0 15 10 LW * ?", "15 10 LW * *"),
        ("0 15 10 15W * ?", "15 10 15W * *"),
        ("0 15 10 ? * 6L", "15 10 * * FRIL"),
        ("0 15 10 ? * 6#3", "15 10 * * FRI#3"),
        ("0 15 10 ? * L", "15 10 * * SAT"),
        ("0 15 10 ? * MON,L", "15 10 * * MON,SAT"),
        ("0 15 10 ? * 6L 2026-2030", "0 15 10 * * FRIL 2026-2030"),
        ("0 11 11 11 11 ?", "11 11 11 11 *"),
    ] {
        assert_eq!(quartz(text), crontab(meaning), "{text}");
    }
}

/// Each form takes the steps that the program which it comes from takes.
#[test]
fn a_step_that_leaves_only_the_first_value_is_taken_where_its_form_has_it() {
    // Debian's cron takes any step.
    for (text, meaning) in [
        ("*/90 * * * *", "0 * * * *"),
        ("0 0 4-6/3 * *", "0 0 4 * *"),
        ("5-10/30 1 * * *", "5 1 * * *"),
        ("0 0 1 */13 *", "0 0 1 1 *"),
        ("1/99999999999 1 * * *", "1 1 * * *"),
        ("0 0 0 1 1 * 2026/9000", "0 0 0 1 1 * 2026"),
    ] {
        let next = |text: &str| {
            text.parse::<CronTrigger>().unwrap().next_after("2025-12-31T12:00:00Z".parse().unwrap())
        };
        assert_eq!(next(text), next(meaning), "{text}");
    }
    // APScheduler refuses one that is larger than its range.
    for field in ["day=4-6/3", "minute=*/60", "minute=*/90", "hour=20/4", "year=2026-2030/5", "day=4/28"] {
        let error = CronExpression::parse(field).unwrap_err();
        assert!(error.message().contains("larger than the range"), "{error}");
    }
    assert_eq!(crontab("day=4-6/2 hour=20/3").to_string(), "day=4-6/2 hour=20/3");
    assert!(CronFields::new().minute("*/59").build().is_ok());
    // Quartz refuses one that is larger than its field.
    for text in [
        "0 0/120 * ? * *",
        "0 */60 * ? * *",
        "0/60 * * ? * *",
        "0 0 0/24 ? * *",
        "0 0 0 1/32 * ?",
        "0 0 0 1 1/13 ?",
    ] {
        let error = CronExpression::parse_quartz(text).unwrap_err();
        assert!(error.message().contains("larger than the field"), "{error}");
    }
    assert_eq!(quartz("0 50/15 * ? * *"), crontab("50 * * * *"));
    for text in ["*/0 * * * *", "minute=*/0"] {
        assert!(CronExpression::parse(text).unwrap_err().message().contains("step of 0"), "{text}");
    }
}
