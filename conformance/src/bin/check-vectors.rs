//! Checks files of vectors: `check-vectors FILE...` prints each disagreement, and a last line with the count. The zones are those
//! of the bundled tz database.

use std::process::ExitCode;

use matins_conformance::vectors::{self, Verdict};
use matins_triggers::tzdb;

fn main() -> ExitCode {
    let files: Vec<String> = std::env::args().skip(1).collect();
    if files.is_empty() {
        eprintln!("usage: check-vectors FILE...");
        return ExitCode::from(2);
    }
    tzdb::use_bundled();
    let (mut passed, mut failed, mut not_covered) = (0, 0, 0);
    for file in files {
        let vectors = std::fs::read_to_string(&file)
            .map_err(|error| error.to_string())
            .and_then(|text| vectors::read(&text).map_err(|error| error.to_string()));
        let vectors = match vectors {
            Ok(vectors) => vectors,
            Err(error) => {
                eprintln!("{file}: {error}");
                return ExitCode::from(2);
            }
        };
        for vector in vectors {
            match vector.check() {
                Verdict::Passed => passed += 1,
                Verdict::NotCovered => not_covered += 1,
                Verdict::Failed(how) => {
                    println!("{how}");
                    failed += 1;
                }
            }
        }
    }
    if not_covered > 0 {
        println!("{not_covered} of a kind of trigger that is not built yet");
    }
    println!("{passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
