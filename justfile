# One name for each chore; each is a plain cargo command.

# Lists the chores.
default:
    @just --list

# Runs the example configuration.
run:
    cargo run --release -- run examples/matins.toml

# Runs all tests.
test:
    cargo test --workspace

# The property tests with ten thousand cases each.
proof:
    MATINS_PROOF_CASES=10000 cargo test --release --workspace

# Kills the daemon fifty times and reads the ledger.
crash:
    MATINS_CRASH_CYCLES=50 cargo test --release --test crash -- --nocapture

# Everything beside peers and raw limits, with goals; `just scorecard --quick` takes under five minutes.
scorecard *OPTIONS:
    cargo run --release -p matins-benches --bin scorecard -- {{OPTIONS}}

# What an idle scheduler costs.
bench-idle:
    cargo bench -p matins-benches --bench idle

# The next fire, a walk of a million, and reading, beside other crates.
bench-triggers:
    cargo bench -p matins-benches --bench triggers

# What stores cost beside raw means.
bench-stores:
    cargo bench -p matins-benches --bench stores

# What executors cost beside bare means.
bench-executors:
    cargo bench -p matins-benches --bench executors

# Lateness, adding, and how much each store sustains, beside peers.
bench-schedulers:
    cargo bench -p matins-benches --bench schedulers

# A week of a thousand jobs, simulated.
bench-simulate:
    cargo bench -p matins-cli --bench simulate

# The thread executor's pool under thousands of interleavings.
interleavings:
    RUSTFLAGS="--cfg shuttle" cargo test -p matins-executor-thread --lib --target-dir target/shuttle

# The core under Miri (needs nightly Rust with its component miri).
miri:
    cargo +nightly miri test -p matins-core --target-dir target/miri

# The documentation as docs.rs builds it, with the features that each item needs.
docs:
    RUSTC_BOOTSTRAP=1 RUSTDOCFLAGS="--cfg docsrs -D warnings" cargo doc --workspace --all-features --no-deps --target-dir target/docsrs

# Compares the public API of each library with its snapshot, and with the foreign crates that it may show.
public-api:
    cargo run -p matins-packaging --bin public-api -- check

# Takes the public API as it is now for the snapshot.
public-api-accept:
    cargo run -p matins-packaging --bin public-api -- accept

# What is breaking since the last release, by its tag (needs `cargo install cargo-semver-checks`).
semver RELEASE:
    cargo semver-checks --workspace --baseline-rev {{RELEASE}}

# The book, and where it is.
book:
    cargo run -p matins-book

# The tables of the book with the lines of code of each application.
lines:
    cargo run -p matins-book -- lines

# Looks at every page in headless Chromium, at two widths and in two themes (needs npm and Chromium).
look *PICTURES:
    cargo run -p matins-book
    cd book/look && npm install --no-package-lock && node look.mjs {{PICTURES}}

# Takes the book's pictures of the page of `matins run --http`, at two widths and in two themes (needs npm and Chromium).
page-pictures:
    cd web/browser && npm install --no-package-lock
    MATINS_TEST_REQUIRE_BROWSER=1 MATINS_TEST_PICTURES="$PWD/target/page-pictures" cargo test -p matins-cli --test page
    for name in overview job run; do cp "target/page-pictures/$name-light-1280.png" "book/src/how-to/page-$name.png"; done
    for theme in light dark; do cp "target/page-pictures/overview-$theme-390.png" "book/src/how-to/page-phone-$theme.png"; done
    cp target/page-pictures/overview-dark-1280.png book/src/how-to/page-dark.png

# Spelling (needs typos: cargo install typos-cli).
spell:
    typos

# Each crate as it would be published, built from its package. In a new place each time: cargo keeps what it has unpacked by
# the place and the version, and would build yesterday's.
package:
    cargo package --workspace --exclude matins-benches --target-dir "$(mktemp -d)"

# A crontab and twenty changes a second for ten minutes.
soak:
    MATINS_SOAK_SECONDS=600 cargo test --release -p matins-cli --test soak -- --nocapture

# kill -9 of stores that commit, 200 times each.
store-crash:
    MATINS_CRASH_CYCLES=200 cargo test --release --test store_crash -- --nocapture

# Ten minutes of arbitrary input for a target of fuzz/ (needs nightly Rust and cargo-fuzz).
fuzz TARGET:
    cd fuzz && mkdir -p corpus/{{TARGET}} && cargo +nightly fuzz run -s none {{TARGET}} corpus/{{TARGET}} seeds/{{TARGET}} -- -max_total_time=600

# Lints, formatting, documentation.
lint:
    cargo clippy --workspace --all-targets --all-features -- -D warnings
    cargo fmt --all --check
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# Daemons that share a database for an hour, under kills, stops and restarts (needs PostgreSQL).
cluster:
    MATINS_CLUSTER_SECONDS=3600 MATINS_TEST_REQUIRE_SERVERS=1 cargo test --release -p matins-cli --test cluster -- --nocapture

# Everything that must pass on main.
ci:
    bash .ci/run
