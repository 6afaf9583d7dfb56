//! The Open Cron Pattern Specification, section by section: <https://github.com/open-source-cron/ocps>, version 1.0 with
//! revision 2, and the increments 1.1 to 1.4. A test whose name begins with `differs` shows where Matins has another rule.

use chrono::{DateTime, Utc};
use matins_core::Trigger;
use matins_triggers::{CronError, CronExpression, CronTrigger};

fn read(text: &str) -> CronExpression {
    CronExpression::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

fn refused(text: &str) -> CronError {
    CronExpression::parse(text).expect_err(text)
}

#[track_caller]
fn same(texts: &[(&str, &str)]) {
    for (one, other) in texts {
        assert_eq!(fires(one, "2026-01-01T00:00:00Z", 20), fires(other, "2026-01-01T00:00:00Z", 20), "{one}");
    }
}

fn fires_in(zone: &str, text: &str, after: &str, count: usize) -> Vec<DateTime<Utc>> {
    let trigger = CronTrigger::parse(text, zone).unwrap_or_else(|error| panic!("{error}"));
    trigger.fires_after(after.parse().expect("an instant")).take(count).collect()
}

fn fires(text: &str, after: &str, count: usize) -> Vec<DateTime<Utc>> {
    fires_in("UTC", text, after, count)
}

/// The dates of the first fires of 2026.
fn dates(text: &str, count: usize) -> Vec<String> {
    fires(text, "2025-12-31T23:59:59Z", count).iter().map(|fire| fire.date_naive().to_string()).collect()
}

mod version_1_0 {
    use super::*;

    #[test]
    fn section_4_1_fields_are_separated_by_any_whitespace() {
        assert_eq!(read("  0   9\t*  *\t MON-FRI \t"), read("0 9 * * MON-FRI"));
    }

    #[test]
    fn section_4_1_other_than_five_fields_and_other_characters_are_refused() {
        for text in
            ["", "*", "* * * *", "* * * * $", "a b c d e", "0 9 * * MON;FRI", "0 9 * * (1)", "0.5 * * * *"]
        {
            refused(text);
        }
    }

    #[test]
    fn section_4_2_every_value_of_a_field_is_read_and_those_beside_it_are_refused() {
        for (place, min, max) in [(0, 0, 59), (1, 0, 23), (2, 1, 31), (3, 1, 12), (4, 0, 7)] {
            let with = |value: i32| {
                let mut fields = ["0", "0", "*", "*", "*"].map(str::to_owned);
                fields[place] = value.to_string();
                fields.join(" ")
            };
            (min..=max).for_each(|value| drop(read(&with(value))));
            refused(&with(max + 1));
            refused(&with(min - 1));
        }
    }

    #[test]
    fn section_4_2_names_are_read_in_any_case_and_sunday_is_0_and_7() {
        let months = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
        for (name, number) in months.iter().zip(1..) {
            assert_eq!(read(&format!("0 0 1 {name} *")), read(&format!("0 0 1 {number} *")));
            assert_eq!(read(&format!("0 0 1 {} *", name.to_lowercase())), read(&format!("0 0 1 {number} *")));
        }
        for (name, number) in ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"].iter().zip(0..) {
            assert_eq!(read(&format!("0 0 * * {name}")), read(&format!("0 0 * * {number}")));
            assert_eq!(read(&format!("0 0 * * {}", name.to_lowercase())), read(&format!("0 0 * * {number}")));
        }
        assert_eq!(read("0 0 * * 7"), read("0 0 * * 0"));
    }

    #[test]
    fn section_5_lists_ranges_and_steps_are_combined() {
        same(&[
            ("0,15,30,45 * * * *", "*/15 * * * *"),
            ("5-59/15 * * * *", "5,20,35,50 * * * *"),
            ("0 9-17 * * *", "0 9,10,11,12,13,14,15,16,17 * * *"),
            ("1-5,10,20-30/5 0 * * *", "1,2,3,4,5,10,20,25,30 0 * * *"),
            ("0 0 * JAN-MAR,DEC *", "0 0 * 1,2,3,12 *"),
        ]);
    }

    #[test]
    fn section_6_1_one_of_two_restricted_day_fields_is_enough() {
        assert_eq!(dates("0 12 1 * MON", 4), ["2026-01-01", "2026-01-05", "2026-01-12", "2026-01-19"]);
    }

    /// As in Debian's cron, a day field that begins with a star is not restricted.
    #[test]
    fn differs_from_section_6_1_a_step_through_all_days_counts_as_a_star() {
        // Odd days that are Mondays.
        assert_eq!(dates("0 12 */2 * MON", 3), ["2026-01-05", "2026-01-19", "2026-02-09"]);
        assert_eq!(dates("0 12 1-31/2 * MON", 3), ["2026-01-01", "2026-01-03", "2026-01-05"]);
    }

    #[test]
    fn section_6_2_what_is_out_of_range_and_steps_of_0_are_refused() {
        for text in [
            "60 * * * *",
            "* 24 * * *",
            "* * 32 * *",
            "* * * 13 *",
            "* * * * 8",
            "*/0 * * * *",
            "1-5/0 * * * *",
        ] {
            assert!(!refused(text).never_fires(), "{text}");
        }
    }

    #[test]
    fn section_6_2_ranges_that_go_backwards_are_refused() {
        for text in ["30-10 * * * *", "* 22-6 * * *", "* * 25-5 * *", "* * * NOV-FEB *"] {
            assert!(refused(text).message().contains("comes after"), "{text}");
        }
    }

    #[test]
    fn differs_from_section_6_2_weekdays_may_go_over_the_end_of_the_week() {
        same(&[("0 0 * * FRI-MON", "0 0 * * 5,6,0,1"), ("0 0 * * 6-1", "0 0 * * 6,0,1")]);
    }

    #[test]
    fn section_6_2_a_step_without_a_range_is_refused() {
        assert!(refused("/30 * * * *").message().contains("write */30"));
    }

    #[test]
    fn differs_from_section_6_2_a_step_may_follow_a_single_value() {
        same(&[("0/15 * * * *", "0-59/15 * * * *"), ("10/10 * * * *", "10-59/10 * * * *")]);
    }

    /// It says at once that the pattern never fires, and tells it from an error of syntax.
    #[test]
    fn differs_from_section_6_2_an_impossible_date_is_an_error_of_its_own() {
        for text in ["* * 31 2 *", "0 0 30 2 *", "0 0 31 4,6,9,11 *"] {
            assert!(refused(text).never_fires(), "{text}");
        }
        assert!(!refused("* * 32 2 *").never_fires());
        assert_eq!(dates("0 0 29 2 *", 1), ["2028-02-29"]);
    }

    #[test]
    fn section_6_4_a_pattern_has_no_zone_of_its_own() {
        let in_berlin = fires_in("Europe/Berlin", "0 9 * * *", "2026-01-01T00:00:00Z", 1);
        assert_eq!(in_berlin, ["2026-01-01T08:00:00Z".parse::<DateTime<Utc>>().expect("an instant")]);
    }
}

mod version_1_1 {
    use super::*;

    #[test]
    fn section_4_1_nicknames_are_their_patterns() {
        for (nickname, pattern) in [
            ("@yearly", "0 0 1 1 *"),
            ("@annually", "0 0 1 1 *"),
            ("@monthly", "0 0 1 * *"),
            ("@weekly", "0 0 * * 0"),
            ("@daily", "0 0 * * *"),
            ("@midnight", "0 0 * * *"),
            ("@hourly", "0 * * * *"),
        ] {
            assert_eq!(read(nickname), read(pattern));
            refused(&format!("{nickname} * * * * *"));
        }
    }

    #[test]
    fn differs_from_section_4_1_nicknames_are_read_in_any_case() {
        assert_eq!(read("@Daily"), read("@daily"));
    }

    /// It is not a time. Crontab files may have it.
    #[test]
    fn differs_from_section_4_2_reboot_is_no_expression() {
        let error = refused("@reboot");
        assert!(error.message().contains("only a crontab file can have it"), "{error}");
    }
}

mod version_1_2 {
    use super::*;

    #[test]
    fn section_4_1_seconds_come_first_and_are_0_without_the_field() {
        let fire = |text: &str| fires(text, "2026-01-01T00:00:00Z", 1)[0].to_rfc3339();
        assert_eq!(fire("30 15 10 * * *"), "2026-01-01T10:15:30+00:00");
        assert_eq!(fire("15 10 * * *"), "2026-01-01T10:15:00+00:00");
        assert_eq!(read("0 0 0 * * *"), read("@daily"));
        assert_eq!(fires("* * * * * *", "2026-01-01T00:00:00Z", 3).len(), 3);
        refused("60 * * * * *");
    }

    #[test]
    fn section_4_2_years_come_last_and_six_fields_have_none() {
        assert_eq!(dates("0 15 10 * * * 2026", 500).len(), 365);
        assert_eq!(dates("0 0 12 1 1 * 2025-2028", 9), ["2026-01-01", "2027-01-01", "2028-01-01"]);
        assert_eq!(dates("0 0 12 1 1 * 2025,2027", 9), ["2027-01-01"]);
        refused("0 0 1 1 * 2026");
        refused("0 0 12 1 1 * 1969");
        read("0 0 12 1 1 * 1970-2199");
    }

    #[test]
    fn section_4_2_steps_through_the_years_begin_with_1970() {
        assert_eq!(dates("0 0 0 1 1 * */2", 3), ["2026-01-01", "2028-01-01", "2030-01-01"]);
        assert_eq!(dates("0 0 0 1 1 * 1971-2199/2", 3), ["2027-01-01", "2029-01-01", "2031-01-01"]);
    }
}

mod version_1_3 {
    use super::*;

    #[test]
    fn section_4_1_l_is_the_last_day_and_after_a_weekday_the_last_such_day() {
        assert_eq!(dates("0 0 L * *", 3), ["2026-01-31", "2026-02-28", "2026-03-31"]);
        assert_eq!(dates("0 0 * * 5L", 2), ["2026-01-30", "2026-02-27"]);
        for text in ["0 0 * * 5#L", "0 0 * * FRI#L", "0 0 * * FRIL"] {
            assert_eq!(read(text), read("0 0 * * 5L"));
        }
    }

    #[test]
    fn section_4_2_a_number_after_the_hash_counts_the_weekdays_of_the_month() {
        assert_eq!(dates("0 0 * * 2#3", 2), ["2026-01-20", "2026-02-17"]);
        assert_eq!(dates("0 0 * * MON#1", 2), ["2026-01-05", "2026-02-02"]);
        assert_eq!(read("0 0 * * 7#2"), read("0 0 * * 0#2"));
        for text in ["0 0 * * 2#0", "0 0 * * 2#6", "0 0 * * 8#1", "0 0 2#1 * *"] {
            refused(text);
        }
    }

    #[test]
    fn section_4_3_w_is_the_weekday_nearest_in_the_same_month() {
        // The 15th is a Thursday, a Sunday, a Sunday, a Wednesday, a Friday; and in August a Saturday.
        let fifteenth = dates("0 12 15W * *", 8);
        assert_eq!(fifteenth[..3], ["2026-01-15", "2026-02-16", "2026-03-16"]);
        assert_eq!(fifteenth[7], "2026-08-14");
        // 1 August 2026 is a Saturday, 31 May 2026 a Sunday.
        assert_eq!(dates("0 12 1W 8 *", 1), ["2026-08-03"]);
        assert_eq!(dates("0 12 31W 5 *", 1), ["2026-05-29"]);
        refused("0 12 1-15W * *");
        refused("0 12 W * *");
    }

    #[test]
    fn differs_from_section_4_l_and_w_are_read_in_any_case_and_w_in_lists() {
        assert_eq!(read("0 0 l,15w * *"), read("0 0 L,15W * *"));
        assert_eq!(dates("0 0 1W,15W * *", 2), ["2026-01-01", "2026-01-15"]);
    }
}

mod version_1_4 {
    use super::*;

    #[test]
    fn section_4_1_2_a_plus_before_the_day_of_week_asks_for_both() {
        assert_eq!(dates("0 12 1 * +MON", 2), ["2026-06-01", "2027-02-01"]);
        for text in
            ["+0 * * * *", "* +1 * * *", "* * +1 * *", "* * * +1 *", "* * * * MON,+TUE", "* * * * MON+"]
        {
            refused(text);
        }
    }

    #[test]
    fn section_4_2_a_question_mark_is_a_star_in_the_day_fields_and_refused_elsewhere() {
        assert_eq!(read("0 12 ? * MON"), read("0 12 * * MON"));
        assert_eq!(read("0 12 1 * ?"), read("0 12 1 * *"));
        for text in ["? * * * *", "* ? * * *", "* * * ? *", "? * * * * *", "0 0 0 1 1 * ?", "* * ?/2 * *"] {
            refused(text);
        }
    }

    #[test]
    fn section_4_3_1_a_time_that_comes_twice_fires_the_first_time() {
        let fires = fires_in("Europe/Berlin", "30 2 * * *", "2026-10-24T12:00:00Z", 2);
        let fires: Vec<String> = fires.iter().map(DateTime::to_rfc3339).collect();
        assert_eq!(fires, ["2026-10-25T00:30:00+00:00", "2026-10-26T01:30:00+00:00"]);
    }

    /// As in Debian's cron, so that a nightly job is not left out.
    #[test]
    fn differs_from_section_4_3_1_a_time_that_is_skipped_fires_at_the_end_of_the_gap() {
        let fires = fires_in("Europe/Berlin", "30 2 * * *", "2026-03-28T12:00:00Z", 2);
        let fires: Vec<String> = fires.iter().map(DateTime::to_rfc3339).collect();
        assert_eq!(fires, ["2026-03-29T01:00:00+00:00", "2026-03-30T00:30:00+00:00"]);
    }

    /// As in Debian's cron: what follows elapsed time is not left out for an hour.
    #[test]
    fn differs_from_section_4_3_1_elapsed_time_fires_in_both_passes_of_an_overlap() {
        let fires = fires_in("Europe/Berlin", "*/30 2 * * *", "2026-10-24T22:00:00Z", 4);
        let fires: Vec<String> = fires.iter().map(|fire| fire.format("%H:%M").to_string()).collect();
        assert_eq!(fires, ["00:00", "00:30", "01:00", "01:30"]);
    }

    #[test]
    fn section_4_3_2_years_go_to_9999_and_others_are_refused() {
        read("0 0 0 1 1 * 2200-9999");
        refused("0 0 0 1 1 * 10000");
        refused("0 0 0 1 1 * 1968");
        let trigger: CronTrigger = "0 0 0 1 1 * 2027".parse().expect("an expression");
        let last = trigger.next_after("2026-01-01T00:00:00Z".parse().expect("an instant")).expect("a fire");
        assert_eq!(trigger.next_after(last), None);
    }
}
