//! No length field makes a reader take memory that the file does not justify.
//!
//! A binary of its own, because it measures the address space of the whole process.
#![cfg(target_os = "linux")]

#[expect(dead_code, reason = "the other tests use all of it")]
#[path = "it/drawing.rs"]
mod drawing;
#[path = "it/hostile.rs"]
#[expect(dead_code, reason = "the other tests use all of it")]
mod hostile;
#[path = "it/layout.rs"]
#[expect(dead_code, reason = "the other tests use all of it")]
mod layout;
#[path = "it/memory.rs"]
mod memory;
#[expect(dead_code, reason = "the other tests use all of it")]
#[path = "it/victim.rs"]
mod victim;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use shard_format::{Dataset, ShardFile, Storage};

use crate::hostile::open_and_read;
use crate::layout::{reseal, samples};
use crate::victim::{PRESETS, Victim};

/// The most that a reader asks for before the bytes for it have arrived, 64 MiB, and some room
/// for what the test itself holds.
const LIMIT_MIB: u64 = 80;

/// The largest address space that the process has had, in MiB.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has this file");
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.expect("VmPeak is a number of kB") / 1024
}

#[test]
fn lengths_that_lie_cost_little_memory() {
    for preset in PRESETS {
        open_and_read(Victim::new(preset).shard());
    }
    let before = peak_mib();
    for preset in PRESETS {
        let victim = Victim::new(preset);
        let intact = victim.shard();
        let heads = samples(intact).into_iter().flat_map(|parts| parts.footer_head);
        let trailer = intact.len() - 64..intact.len();
        for at in (0..64).chain(heads).chain(trailer) {
            for lie in [&[0xff; 8][..], &[0xff; 4], &[0xff; 2], &[0, 0x80], &[0, 0, 0, 0x10]] {
                let mut altered = intact.to_vec();
                let width = lie.len().min(intact.len() - at);
                altered[at..at + width].copy_from_slice(&lie[..width]);
                reseal(&mut altered);
                open_and_read(&altered);
            }
        }
    }
    let fields = peak_mib() - before;
    assert!(fields < LIMIT_MIB, "{fields} MiB");

    let liar = Liar { intact: Victim::new(PRESETS[0]) };
    let error = Dataset::open_in(Arc::new(liar)).unwrap_err().to_string();
    assert!(error.contains("cannot read the shard: unexpected end of file"), "{error}");
    let with_liar = peak_mib() - before;
    assert!(with_liar < LIMIT_MIB, "{with_liar} MiB");

    // The measure itself works.
    assert!(vec![0u8; 256 << 20].iter().step_by(4096).all(|byte| *byte == 0));
    assert!(peak_mib() - before > LIMIT_MIB);
}

/// A server that claims a shard of a petabyte, nearly all of it the footer.
struct Liar {
    intact: Victim,
}

const PETABYTE: u64 = 1 << 50;

impl std::fmt::Debug for Liar {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Liar")
    }
}

impl Storage for Liar {
    fn location(&self, file: &str) -> PathBuf {
        file.into()
    }

    fn read(&self, file: &str, limit: u64) -> io::Result<Vec<u8>> {
        let mut memory = self.intact.memory.clone();
        let length = self.intact.shard().len();
        memory.edit_index(&format!("\"bytes\": {length}"), &format!("\"bytes\": {PETABYTE}"));
        memory.read(file, limit)
    }

    fn open(&self, _: &str) -> io::Result<Box<dyn ShardFile>> {
        let shard = self.intact.shard();
        let mut ends = [&shard[..64], &shard[shard.len() - 64..]].concat();
        ends[64 + 16..64 + 24].copy_from_slice(&64u64.to_le_bytes());
        ends[64 + 24..64 + 32].copy_from_slice(&(PETABYTE - 128).to_le_bytes());
        reseal(&mut ends);
        Ok(Box::new(LyingFile { trailer: ends.split_off(64), header: ends }))
    }
}

#[derive(Debug)]
struct LyingFile {
    header: Vec<u8>,
    trailer: Vec<u8>,
}

impl ShardFile for LyingFile {
    fn length(&self) -> u64 {
        PETABYTE
    }

    fn mapped(&self) -> Option<&[u8]> {
        None
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let block = match (offset, buffer.len()) {
            (0, 64) => &self.header,
            (offset, 64) if offset == PETABYTE - 64 => &self.trailer,
            _ => return Err(io::ErrorKind::UnexpectedEof.into()),
        };
        buffer.copy_from_slice(block);
        Ok(())
    }
}
