//! The fires of two expressions in Berlin around both changes of the clocks,
//! by each rule.

use chrono::{DateTime, TimeDelta, Utc};
use scheduler::local_cron::{LocalCron, Rule};
use scheduler::trigger::Trigger;
use scheduler::zone::Zone;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for (season, change) in [
        ("spring, 02:00 -> 03:00", "2026-03-29T01:00:00Z"),
        ("autumn, 03:00 -> 02:00", "2026-10-25T01:00:00Z"),
    ] {
        println!("{season}");
        let change: DateTime<Utc> = change.parse()?;
        for text in ["30 2 * * *", "*/30 * * * *"] {
            for rule in [Rule::Wall, Rule::Once, Rule::Debian] {
                let cron = LocalCron::new(text, Zone::berlin(), rule)?;
                let mut shown = Vec::new();
                let mut time = change - TimeDelta::minutes(61);
                let end = change + TimeDelta::minutes(61);
                while let Some(fire) =
                    cron.next_after(time).filter(|fire| *fire < end)
                {
                    let local = Zone::berlin().to_local(fire);
                    shown.push(local.format("%H:%M").to_string());
                    time = fire;
                }
                if shown.is_empty() {
                    shown.push("none".to_owned());
                }
                println!(
                    "  {text:<13} {:<7} {}",
                    format!("{rule:?}"),
                    shown.join(" ")
                );
            }
        }
    }
    Ok(())
}
