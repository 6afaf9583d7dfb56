use matins_benches::cluster::*;
use std::time::Duration;
fn main() {
    let settings: &[&str] = if std::env::args().any(|a| a == "ram") {
        &["fsync=off", "max_connections=100"]
    } else {
        &["max_connections=100"]
    };
    let server = matins_conformance::servers::Postgres::start(settings).unwrap();
    let url = server.url("postgres");
    let time = Duration::from_secs(3);
    let (hand, us) = (Database::new(&url, "hand"), Database::new(&url, "ours"));
    prepare_by_hand(&hand);
    prepare_ours(&us);
    for nodes in [1, 2, 4, 8] {
        for batch in [1, 100] {
            for _ in 0..2 {
                let (a, b) = (by_hand(&hand, nodes, batch, time), ours(&us, nodes, batch, time));
                println!("nodes {nodes} batch {batch}: by hand {a:.0}, ours {b:.0}, ratio {:.2}", b / a);
            }
        }
    }
}
