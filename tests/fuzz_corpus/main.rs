//! Every fuzz target over its committed seeds and 10,000 seeded mutations of them.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;
use std::panic::catch_unwind;
use std::time::{Duration, Instant};

use plenum_tests::fuzz::{Mutator, TARGETS, Target};
use plenum_tests::workspace::{root, scratch};

const MUTATIONS: u64 = 10_000;
/// One input that takes longer than this is a fault of its own; ordinary ones take some 10 µs.
const SLOW: Duration = Duration::from_secs(2);

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = root().join("fuzz/corpus").join(name);
    let mut paths: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(paths.len() >= 3, "{} has too few seeds", folder.display());
    paths
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}

fn run((name, target): Target) {
    let corpus = corpus(name);
    let mut mutator = Mutator::new(0x706c_656e_756d, &corpus);
    let mutated = (0..MUTATIONS).map(|_| mutator.make());
    for (n, input) in corpus.iter().cloned().chain(mutated).enumerate() {
        let start = Instant::now();
        let survived = catch_unwind(|| target(&input)).is_ok();
        if !survived || start.elapsed() > SLOW {
            let kept = scratch(&format!("fuzz-{name}"))
                .unwrap()
                .join(format!("input-{n}"));
            std::fs::write(&kept, &input).unwrap();
            panic!(
                "{name}: input {n} {}: {}",
                if survived { "is slow" } else { "panicked" },
                kept.display()
            );
        }
    }
}

macro_rules! targets {
    ($($name:ident),* $(,)?) => {
        $(#[test]
        fn $name() {
            run(*TARGETS.iter().find(|(name, _)| *name == stringify!($name)).unwrap());
        })*

        #[test]
        fn every_target_is_tested_here_and_has_its_libfuzzer_twin() {
            let tested = BTreeSet::from([$(stringify!($name).to_owned()),*]);
            let known = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
            assert_eq!(tested, known);
            let twins: BTreeSet<String> = std::fs::read_dir(root().join("fuzz/fuzz_targets"))
                .unwrap()
                .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
                .collect();
            assert_eq!(tested, twins);
        }
    };
}

targets!(
    calendar,
    sip,
    sip_answer,
    sip_transfer,
    sdp,
    offer,
    rtp,
    rtcp,
    datagram,
    signalling,
    dtmf,
    comfort_noise,
    h264,
    vp8,
    config
);
