//! Changes to a valid shard under correct checksums.
#![no_main]

#[path = "../../crates/shard_format/tests/it/hostile.rs"]
mod hostile;
#[expect(dead_code, reason = "the tests use all of it")]
#[path = "../../crates/shard_format/tests/it/layout.rs"]
mod layout;
#[expect(dead_code, reason = "the tests use all of it")]
#[path = "../../crates/shard_format/tests/it/memory.rs"]
mod memory;

const SHARDS: [&[u8]; 5] = [
    include_bytes!("../seeds/open_and_read/valid_default.shard"),
    include_bytes!("../seeds/open_and_read/valid_fast.shard"),
    include_bytes!("../seeds/open_and_read/valid_jpeg.shard"),
    include_bytes!("../seeds/open_and_read/valid_raw.shard"),
    include_bytes!("../seeds/open_and_read/valid_version_1.shard"),
];

libfuzzer_sys::fuzz_target!(|script: &[u8]| {
    hostile::resealed(&SHARDS, script);
});
