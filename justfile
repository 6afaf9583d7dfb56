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

# What an idle scheduler costs.
bench-idle:
    cargo bench -p matins-benches --bench idle

# The next fire, a walk of a million, and reading, beside other crates.
bench-triggers:
    cargo bench -p matins-benches --bench triggers

# What stores cost beside raw means.
bench-stores:
    cargo bench -p matins-benches --bench stores

# The book, and where it is.
book:
    cargo run -p matins-book

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

# Everything that must pass on main.
ci:
    bash .ci/run
