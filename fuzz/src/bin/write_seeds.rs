//! Writes the seeds of both targets anew: `cargo run --bin write_seeds`, in this folder.

#[expect(dead_code, reason = "the tests use all of it")]
#[path = "../../../crates/shard_format/tests/it/drawing.rs"]
mod drawing;
#[path = "../../../crates/shard_format/tests/it/memory.rs"]
mod memory;
#[expect(dead_code, reason = "the tests use all of it")]
#[path = "../../../crates/shard_format/tests/it/victim.rs"]
mod victim;

fn main() -> std::io::Result<()> {
    for preset in victim::PRESETS {
        let shard = victim::Victim::new(preset).shard().to_vec();
        std::fs::write(format!("seeds/open_and_read/valid_{preset}.shard"), shard)?;
    }
    std::fs::copy(
        "../crates/shard_format/tests/data/version_1/default/toy-00001.shard",
        "seeds/open_and_read/valid_version_1.shard",
    )?;
    // The shard, then operation, value and place (low byte first) of each change; places are
    // counted from the end, where footer and trailer are, or from the start.
    let scripts: [(&str, &[u8]); 6] = [
        ("unchanged", &[0]),
        ("sample_count", &[0, 0x81, 3, 31, 0]),
        ("footer_offset", &[1, 0x83, 6, 47, 0]),
        ("jpeg_bytes", &[2, 0, 0xff, 0x40, 1, 0, 1, 0x80, 1]),
        ("label_bytes", &[3, 0, 0x1f, 0, 0x0d]),
        ("version_1_header", &[4, 2, 1, 8, 0]),
    ];
    for (name, script) in scripts {
        std::fs::write(format!("seeds/resealed/{name}"), script)?;
    }
    Ok(())
}
