//! How hard the property tests look.

use proptest::test_runner::{Config, RngSeed};

/// The number of cases that `MATINS_PROOF_CASES` asks for.
pub fn cases() -> Option<u32> {
    std::env::var("MATINS_PROOF_CASES").ok().and_then(|cases| cases.parse().ok())
}

/// The configuration of a property test. The default run takes `default` cases from one seed, so that it says the same of
/// the same code; the proof (`MATINS_PROOF_CASES`) takes that many, and others each time. A counterexample is printed
/// shrunk. `PROPTEST_RNG_SEED` sets the seed of either.
pub fn config(default: u32) -> Config {
    config_of(cases(), default)
}

/// The same with `factor` cases for each of the proof's.
pub fn config_times(factor: u32, default: u32) -> Config {
    config_of(cases().map(|cases| cases.saturating_mul(factor)), default)
}

fn config_of(asked: Option<u32>, default: u32) -> Config {
    /// Any number; what counts is that it stays.
    const SEED: u64 = 0x6d61_7469_6e73;
    let from_environment = Config { failure_persistence: None, ..Config::default() };
    match (asked, from_environment.rng_seed) {
        (Some(cases), _) => Config { cases, ..from_environment },
        (None, RngSeed::Random) => {
            Config { cases: default, rng_seed: RngSeed::Fixed(SEED), ..from_environment }
        }
        (None, RngSeed::Fixed(_)) => Config { cases: default, ..from_environment },
    }
}
