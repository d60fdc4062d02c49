//! The memory of samples under way is what `--memory-mib` says, measured on the program itself.
//!
//! A binary of its own, so that no other test runs beside it.
#![cfg(all(test, target_os = "linux"))]

#[expect(dead_code, reason = "the other tests use all of it")]
#[path = "suite/toy_city.rs"]
mod toy_city;

use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::toy_city::ToyCity;

/// Beside the bound: the program itself, and what the system's allocator keeps of freed memory for
/// each of sixteen threads. Of this, 28 MiB were the most in a dozen runs, and it differs from run
/// to run; without the bound, the runs below would take 200 MiB and more.
const ALLOWANCE_MIB: u64 = 64;

/// Packs with sixteen threads and returns the largest resident size, in MiB.
fn peak_mib(city: &ToyCity, memory_mib: u64) -> u64 {
    let memory = memory_mib.to_string();
    let out = format!("packed-{memory}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_shard"));
    command.current_dir(city.path("")).stdout(Stdio::null()).stderr(Stdio::null());
    command.args([
        "pack",
        "--manifest",
        "toy.toml",
        "--root",
        "data",
        "--split",
        "train",
        "--fast",
    ]);
    command.args(["--out", &out, "--threads", "16", "--memory-mib", &memory]);
    let mut child = command.spawn().expect("the program starts");
    let status = format!("/proc/{}/status", child.id());
    let mut peak_kib = 0;
    while child.try_wait().expect("a child").is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        peak_kib = peak_kib.max(kib.unwrap_or(0));
        thread::sleep(Duration::from_millis(1));
    }
    assert!(child.wait().expect("a child").success());
    peak_kib / 1024
}

#[test]
fn the_resident_size_follows_the_flag() {
    let city = ToyCity::new(0);
    // Each takes 19 MiB while it is packed.
    for index in 0..24 {
        city.write_noise(&format!("t/{index:02}"), 1024, 1024, index);
    }
    let [small, medium, large] = [1, 96, 288].map(|memory_mib| peak_mib(&city, memory_mib));
    // One sample at a time.
    assert!(small <= 19 + ALLOWANCE_MIB, "{small} MiB for 1 MiB");
    assert!(medium <= 96 + ALLOWANCE_MIB, "{medium} MiB for 96 MiB");
    assert!(small < medium && medium < large, "{small}, {medium}, {large} MiB");
}
