//! Progress: a bar on a terminal, a line now and then elsewhere.

use std::io::{IsTerminal, stderr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};
use tracing::{info, warn};

/// Time between two lines where standard error is not a terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(15);

/// Progress of one long step, with rate and time left.
pub struct Bar {
    bar: ProgressBar,
    action: String,
    unit: &'static str,
    /// What was done before this process.
    before: AtomicU64,
    /// When the last line was written; `None` where a bar is drawn.
    last_line: Option<Mutex<Instant>>,
}

impl Bar {
    /// A bar for `total` units of `action`, 0 where the total is not known yet; `unit` is a plural.
    #[must_use]
    pub fn new(action: impl Into<String>, unit: &'static str, total: u64) -> Self {
        let action = action.into();
        let template = format!(
            "{{prefix}} [{{bar:30}}] {{pos}}/{{len}} {unit}, {{per_sec}}, {{eta}} left {{msg}}"
        );
        let style = ProgressStyle::with_template(&template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ");
        let bar = ProgressBar::new(total).with_style(style).with_prefix(action.clone());
        let last_line = (!stderr().is_terminal()).then(|| {
            if total > 0 {
                info!("{action}: {}", counted(total, unit));
            }
            Mutex::new(Instant::now())
        });
        Self { bar, action, unit, before: AtomicU64::new(0), last_line }
    }

    /// Starts at `done`, as a resumed step does.
    pub fn start_at(&self, done: u64) {
        self.before.store(done, Ordering::Relaxed);
        self.bar.set_position(done);
        self.bar.reset_eta();
    }

    /// One more unit is done.
    pub fn inc(&self) {
        self.bar.inc(1);
        self.write_line();
    }

    /// So many of so many are done; the bar never moves back, as threads report out of order.
    pub fn advance_to(&self, done: u64, total: u64) {
        self.bar.set_length(total);
        if done > self.bar.position() {
            self.bar.set_position(done);
        }
        self.write_line();
    }

    /// Shows `message` behind the bar.
    pub fn set_message(&self, message: String) {
        self.bar.set_message(message);
    }

    /// Shows a warning above the bar.
    pub fn warn(&self, message: &str) {
        self.bar.suspend(|| warn!("{message}"));
    }

    /// Removes the bar and says how long the step took, if anything was done.
    pub fn finish(&self) {
        let elapsed = self.bar.elapsed();
        let done = self.done_here();
        self.bar.finish_and_clear();
        if done > 0 {
            let done = counted(done, self.unit);
            info!("{}: {done} in {:.1} s", self.action, elapsed.as_secs_f64());
        }
    }

    /// What this process did: its time is that of no more.
    fn done_here(&self) -> u64 {
        self.bar.position().saturating_sub(self.before.load(Ordering::Relaxed))
    }

    fn write_line(&self) {
        let Some(last_line) = &self.last_line else { return };
        let mut last = last_line.lock().unwrap_or_else(PoisonError::into_inner);
        if last.elapsed() >= LINE_INTERVAL {
            *last = Instant::now();
            info!(
                "{}: {}/{} {}, {:.1}/s, {} left {}",
                self.action,
                self.bar.position(),
                self.bar.length().unwrap_or(0),
                self.unit,
                self.bar.per_sec(),
                HumanDuration(self.bar.eta()),
                self.bar.message()
            );
        }
    }
}

/// `1 sample`, `2 samples`; `1 batch`, `2 batches`; `unit` is a plural.
#[must_use]
pub fn counted(count: u64, unit: &str) -> String {
    let singular = match unit.strip_suffix("ches") {
        Some(_) => unit.strip_suffix("es"),
        None => unit.strip_suffix('s'),
    };
    let unit = if count == 1 { singular.unwrap_or(unit) } else { unit };
    format!("{count} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_a_unit_is_singular() {
        assert_eq!([0, 1, 2].map(|n| counted(n, "steps")), ["0 steps", "1 step", "2 steps"]);
        assert_eq!([1, 2].map(|n| counted(n, "batches")), ["1 batch", "2 batches"]);
    }

    #[test]
    fn what_was_done_before_a_resumed_step_is_not_counted_as_its_work() {
        let bar = Bar::new("training", "steps", 40);
        bar.start_at(30);
        assert_eq!(bar.done_here(), 0);
        bar.inc();
        assert_eq!(bar.done_here(), 1);
    }
}
