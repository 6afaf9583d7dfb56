//! What repeats exactly: instructions and allocations, as valgrind counts them.

use std::error::Error;

use matins_benches::contest::Spread;

use super::Measuring;
use crate::card::{COUNT, Family};
use crate::child::{Counter, What, counted};

pub(crate) fn counts(measuring: &mut Measuring, name: &'static str) -> Result<Family, Box<dyn Error>> {
    let mut family = Family::new(
        name,
        &[
            (
                "instructions",
                "of one call, by callgrind: what 2,200 calls take more than 200; `0 9 * * MON-FRI`, in UTC",
            ),
            ("allocations", "of one call, by memcheck, counted the same way"),
            ("a fire", "from due to done on one thread: memory store, ledger, report, and the next fire"),
        ],
    );
    let calls = [
        (
            "next fire",
            What::NextFire,
            &[
                ("saffron", What::NextFireOfSaffron),
                ("cron", What::NextFireOfCron),
                ("croner", What::NextFireOfCroner),
            ][..],
        ),
        ("next fire, Berlin", What::NextFireInBerlin, &[]),
        ("parse", What::Parse, &[("cron", What::ParseOfCron), ("croner", What::ParseOfCroner)]),
        ("a fire", What::Fire, &[]),
    ];
    for (counter, of_what) in [(Counter::Instructions, "instructions"), (Counter::Allocations, "allocations")]
    {
        for (work, ours, peers) in calls {
            let (few, many) = if ours == What::Fire { (3_000, 9_000) } else { (200, 2_200) };
            let Some(count) = counted(ours, counter, few, many).map(Spread::exactly) else {
                measuring.leave_out("instructions and allocations: there is no valgrind here");
                return Ok(family);
            };
            let work = format!("{work}: {of_what}");
            for (peer, what) in peers {
                if let Some(theirs) = counted(*what, counter, few, many) {
                    family.versus(&work, COUNT, count, peer, Spread::exactly(theirs), None);
                }
            }
            if peers.is_empty() {
                family.alone(&work, COUNT, count);
            }
            if matches!(ours, What::NextFire | What::NextFireInBerlin) && of_what == "allocations" {
                family.at_most(&work, COUNT, count, 0.0);
            }
        }
    }
    Ok(family)
}
