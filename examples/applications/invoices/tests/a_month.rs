//! What happens in a month: no test waits, and each does the same every time.

use std::error::Error;
use std::sync::Arc;

use invoices::{PostOffice, add_customer};
use matins::prelude::*;
use matins::testing::TestScheduler;

fn office(
    start: &str,
) -> Result<(TestScheduler, Arc<PostOffice>), Box<dyn Error>> {
    let post = Arc::new(PostOffice::default());
    Ok((matins::scheduler().state(post.clone()).testing(start.parse()?)?, post))
}

#[test]
fn a_customer_gets_invoices_and_three_reminders() -> Result<(), Box<dyn Error>>
{
    let (mut scheduler, post) = office("2026-03-10T12:00:00Z")?;
    add_customer(&scheduler, "ada")?;
    let runs = scheduler.advance(60.days());
    assert_eq!(runs.len(), 2 + 3);
    assert_eq!(
        post.letters(),
        [
            "reminder for ada",
            "reminder for ada",
            "reminder for ada",
            "invoice for ada, April 2026",
            "invoice for ada, May 2026",
        ]
    );
    // The reminders are over; the invoices are not.
    assert_eq!(scheduler.list(&JobQuery::default())?.len(), 1);
    Ok(())
}

#[test]
fn invoices_are_sent_at_nine_in_berlin_before_and_after_the_clocks_change()
-> Result<(), Box<dyn Error>> {
    let (mut scheduler, _post) = office("2026-02-15T00:00:00Z")?;
    add_customer(&scheduler, "ada")?;
    let runs = scheduler.advance(50.days());
    let invoices = runs.iter().filter(|run| run.job == "invoice-ada");
    let times: Vec<String> =
        invoices.map(|run| run.scheduled().to_rfc3339()).collect();
    assert_eq!(
        times,
        ["2026-03-01T08:00:00+00:00", "2026-04-01T07:00:00+00:00"]
    );
    Ok(())
}

#[test]
fn an_invoice_is_sent_later_if_the_post_office_is_closed()
-> Result<(), Box<dyn Error>> {
    let (mut scheduler, post) = office("2026-04-01T00:00:00Z")?;
    add_customer(&scheduler, "ada")?;
    post.set_closed(true);
    let failed = scheduler.advance(8.hours());
    assert_eq!(failed.len(), 2);
    assert!(
        failed
            .iter()
            .all(|run| run.message.as_deref()
                == Some("the post office is closed"))
    );
    post.set_closed(false);
    let sent = scheduler.advance(1.hours());
    assert_eq!(
        (sent.len(), sent[0].attempt, sent[0].outcome),
        (1, 3, Some(Outcome::Succeeded))
    );
    assert_eq!(post.letters(), ["invoice for ada, April 2026"]);
    Ok(())
}

#[test]
fn a_day_has_24_hours() -> Result<(), Box<dyn Error>> {
    let (mut scheduler, _post) = office("2026-01-01T00:00:00Z")?;
    scheduler.add(every(1.hours()).run(|| println!("cuckoo")))?;
    assert_eq!(scheduler.advance(1.days()).len(), 24);
    Ok(())
}
