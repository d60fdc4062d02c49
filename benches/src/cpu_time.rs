//! CPU time of threads, in seconds, as Linux counts it.
//!
//! The first field of `schedstat` is a thread's time on a CPU in nanoseconds. The kernel brings it
//! up to date at its ticks, milliseconds apart, and whenever the thread passes the scheduler: hence
//! the yield before a thread reads its own.

use anyhow::{Context, Result};

const HINT: &str = "hint: CPU times need Linux with scheduler statistics";

/// CPU time of the calling thread.
pub(crate) fn of_this_thread() -> Result<f64> {
    std::thread::yield_now();
    read("/proc/thread-self/schedstat")
}

/// CPU time that one [`of_this_thread`] costs.
pub(crate) fn of_reading() -> Result<f64> {
    const READINGS: u32 = 200;
    let first = of_this_thread()?;
    let mut last = first;
    for _ in 0..READINGS {
        last = of_this_thread()?;
    }
    Ok((last - first) / f64::from(READINGS))
}

/// CPU time of all threads that live, exact for those that wait and for the calling one.
pub(crate) fn of_living_threads() -> Result<f64> {
    std::thread::yield_now();
    let tasks = "/proc/self/task";
    let mut sum = 0.0;
    for task in std::fs::read_dir(tasks).with_context(|| format!("{tasks}: cannot list; {HINT}"))? {
        let path = task.with_context(|| format!("{tasks}: cannot list"))?.path().join("schedstat");
        sum += read(&path.to_string_lossy())?;
    }
    Ok(sum)
}

fn read(path: &str) -> Result<f64> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("{path}: cannot read; {HINT}"))?;
    let nanoseconds: u64 = text
        .split_whitespace()
        .next()
        .and_then(|field| field.parse().ok())
        .with_context(|| format!("{path}: found {text:?}, expected nanoseconds; {HINT}"))?;
    Ok(nanoseconds as f64 * 1e-9)
}
