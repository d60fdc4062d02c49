//! Shows a run's phases as progress bars.

use terminal::Bar;
use training::loading::LoadingLine;
use training::metrics::MetricsLine;
use training::run::Observer;

/// Progress bars on standard error.
#[derive(Default)]
pub struct TerminalObserver {
    name: String,
    bar: Option<Bar>,
}

impl TerminalObserver {
    /// Bars of the run `name`.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), bar: None }
    }

    /// Ends the last bar.
    pub fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish();
        }
    }
}

impl Observer for TerminalObserver {
    fn phase(&mut self, name: &str, done: u64, total: u64) {
        self.finish();
        let unit = match name {
            "training" => "steps",
            "covariance statistics" => "images",
            _ => "batches",
        };
        let bar = Bar::new(format!("{}: {name}", self.name), unit, total);
        bar.start_at(done);
        self.bar = Some(bar);
    }

    fn advance(&mut self) {
        if let Some(bar) = &self.bar {
            bar.inc();
        }
    }

    fn logged(&mut self, line: &MetricsLine, loading: &LoadingLine) {
        let Some(bar) = &self.bar else { return };
        let total = line.inner.get("segmentation").copied().unwrap_or(f64::NAN);
        let outer = line
            .outer
            .get("segmentation")
            .map_or_else(String::new, |loss| format!(", meta-test loss {loss:.3}"));
        // Below this the loader keeps up.
        let waits = loading.stall_share > 0.05;
        let waiting = if waits {
            format!(", {:.0} % of the time waiting for data", 100.0 * loading.stall_share)
        } else {
            String::new()
        };
        bar.set_message(format!("(loss {total:.3}{outer}{waiting})"));
    }

    fn damaged(&mut self, faults: &[String]) {
        if let Some(bar) = &self.bar {
            faults.iter().for_each(|fault| bar.warn(fault));
        }
    }
}
