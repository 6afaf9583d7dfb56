# One name for each chore; each is a plain cargo command.

# Lists the chores.
default:
    @just --list

# Runs the example configuration.
run:
    cargo run --release -- run examples/matins.toml

# Runs all tests: each in a process of its own, and then the examples of the documentation.
test:
    cargo nextest run --workspace
    cargo test --workspace --doc

# The property tests with ten thousand cases each.
proof:
    MATINS_PROOF_CASES=10000 cargo test --profile proof --workspace

# Kills the daemon fifty times and reads the ledger.
crash:
    MATINS_CRASH_CYCLES=50 cargo test --release --test crash -- --nocapture

# Everything beside peers and raw limits, with goals; `just scorecard --quick` takes under five minutes.
scorecard *OPTIONS:
    cargo run --release -p matins-benches --bin scorecard -- {{OPTIONS}}

# The same day under six schedulers: two virtual machines, up to half an hour each (needs root, QEMU and debootstrap).
one-day:
    bash benches/one_day/run.sh

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

# The core under Miri (needs nightly Rust with its components miri and rust-src). A panic whose value panics when it is dropped is
# leaked on purpose.
miri:
    MIRIFLAGS=-Zmiri-ignore-leaks cargo +nightly miri test -p matins-core --lib --target-dir target/miri

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
    cargo run -p matins-book -- page-pictures

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

# What is said to compile on systems that are not Unix, tested.
test-portable:
    cargo test -p matins-core -p matins-triggers -p matins-store-memory -p matins-executor-thread
    cargo check -p matins --lib --no-default-features --features memory,thread,rayon,tokio,transfer,config,tracing,metrics,cron,chrono-tz

# The oldest Rust that each crate says it compiles with (needs cargo-hack).
msrv:
    cargo hack check --rust-version --workspace --ignore-private

# Each two features of each crate together (needs cargo-hack).
powerset:
    cargo hack clippy --workspace --exclude matins-cli --exclude matins-packaging --lib --feature-powerset --depth 2 --exclude-features default,full -- -D warnings

# Licences, sources and banned crates of all dependencies (needs cargo-deny).
deny:
    cargo deny --workspace check bans licenses sources

# Known vulnerabilities of dependencies (needs cargo-deny, and the network).
advisories:
    cargo deny --workspace check advisories

# Lines that tests reach, for each crate (needs jq, and rustup component add llvm-tools).
coverage *OPTIONS:
    bash contrib/coverage {{OPTIONS}}

# Each fuzz target for half a minute (needs nightly Rust and cargo-fuzz).
fuzz-smoke:
    cd fuzz && for target in parse next store; do \
        mkdir -p corpus/$target && \
        cargo +nightly fuzz run -s none $target corpus/$target seeds/$target -- -max_total_time=30 || exit 1; \
    done

# What is breaking since the newest release; nothing before the first.
semver-since-release:
    tag=$(git tag --list 'v*' --sort=-version:refname | head -n 1); \
    if [ -n "$tag" ]; then just semver "$tag"; else echo "there is no release yet"; fi

# Mistakes in .github/workflows (needs Python).
lint-workflows:
    bash contrib/lint-workflows

# The long proofs, and the table of the book's page on trust (needs nightly Rust, cargo-fuzz and PostgreSQL).
nightly *OPTIONS:
    bash contrib/nightly {{OPTIONS}}

# The command for a target, static where that is musl, with man pages and completions, and its checksum.
binary TARGET:
    bash contrib/binary {{TARGET}}

# A package for Debian (needs cargo-deb).
deb:
    bash contrib/deb

# Installs the package on a view of this machine, and boots that with systemd (needs root, cargo-deb and systemd-nspawn).
check-deb:
    bash contrib/check-deb

# What is in the command: a bill of materials in CycloneDX (needs cargo-cyclonedx).
sbom:
    bash contrib/sbom

# Publishes all crates, in the order of their dependencies.
publish:
    cargo publish --workspace --exclude matins-benches

# Everything that must pass on main.
ci:
    bash .ci/run
