//! Any bytes as a shard, with an index that agrees with them.
#![no_main]

#[expect(dead_code, reason = "the tests use all of it")]
#[path = "../../crates/shard_format/tests/it/hostile.rs"]
mod hostile;
#[expect(dead_code, reason = "the tests use all of it")]
#[path = "../../crates/shard_format/tests/it/layout.rs"]
mod layout;
#[expect(dead_code, reason = "the tests use all of it")]
#[path = "../../crates/shard_format/tests/it/memory.rs"]
mod memory;

libfuzzer_sys::fuzz_target!(|shard: &[u8]| {
    hostile::open_and_read(shard);
});
