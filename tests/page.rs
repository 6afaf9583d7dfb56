//! The page of a daemon that runs the example configuration, used in a real browser: see web/browser/use.mjs.
//!
//! Without Chromium, Node.js and its packages this is left out, unless `MATINS_TEST_REQUIRE_BROWSER` is set.

#[path = "daemon_process.rs"]
mod daemon_process;

use std::fs;
use std::path::Path;
use std::process::Command;

use daemon_process::{daemon, directory_with};

#[test]
fn a_person_adds_a_job_watches_it_fail_pauses_it_and_asks_why() {
    let browser = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/browser");
    let chromium = std::env::var("CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".to_owned());
    if !Path::new(&chromium).exists() || !browser.join("node_modules").exists() {
        assert!(
            std::env::var_os("MATINS_TEST_REQUIRE_BROWSER").is_none(),
            "no browser: install chromium, and run `npm install` in web/browser"
        );
        println!(
            "left out: the page in a browser, as there is no Chromium or no node_modules in web/browser"
        );
        return;
    }
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/matins.toml");
    let directory = directory_with(&[("matins.toml", &fs::read_to_string(example).unwrap())]);
    let here = directory.path();
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let daemon = daemon(here, &["run", "matins.toml", "--http", &address]);
    let mut used = Command::new("node");
    used.arg("use.mjs").arg(format!("http://{address}")).current_dir(&browser);
    used.args(std::env::var_os("MATINS_TEST_PICTURES"));
    let used = used.output().unwrap();
    assert!(
        used.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&used.stdout),
        String::from_utf8_lossy(&used.stderr)
    );
    daemon.stop();
}
