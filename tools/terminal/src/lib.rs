//! What the three programs share at the terminal: results, logs, exit codes and progress bars.
//!
//! Results go to standard output; logs and progress to standard error.
#![forbid(unsafe_code)]

mod paths;
mod progress;
mod remarks;
mod results;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use anyhow::anyhow;
use tracing::{Level, error};

pub use paths::{require_new_file, require_new_folder, require_output_file};
pub use progress::{Bar, counted};
use remarks::Remarks;
use results::Results;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All is well: exit code 0.
    Done,
    /// A check failed: exit code 1.
    CheckFailed,
}

/// Runs a program: results go to standard output, logs to standard error.
///
/// A reader of the results that has enough and leaves, such as `head`, changes nothing else: files
/// are written and the exit code is the same. Results that cannot be written are an error, once all
/// work is done. Logs that cannot be written are dropped, and change nothing.
pub fn run(program: impl FnOnce(&mut dyn Write) -> anyhow::Result<Outcome>) -> ExitCode {
    init_logs();
    let mut results = Results::new(std::io::stdout().lock());
    let result = program(&mut results);
    let written = results.finish();
    let code = exit_code(&result);
    match written {
        Ok(()) => code,
        Err(source) => exit_code(&Err(anyhow!(
            "standard output: cannot be written: {source}; hint: is the disk full that it goes to?"
        ))),
    }
}

/// Sends logs to standard error, without time stamps, and drops what cannot be written there.
fn init_logs() {
    tracing_subscriber::fmt()
        .with_writer(Remarks::to_standard_error)
        // It would be told by `eprintln!`, which panics where the log could not be written either.
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_max_level(Level::INFO)
        .without_time()
        .with_target(false)
        .init();
}

/// The exit code of a program: 0 done, 1 a check failed, 2 error, which is logged.
fn exit_code(result: &anyhow::Result<Outcome>) -> ExitCode {
    match result {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::CheckFailed) => ExitCode::from(1),
        Err(failure) => {
            error!("{}", message(failure));
            ExitCode::from(2)
        }
    }
}

/// The error and its causes, without a cause that the text before it names already.
fn message(failure: &anyhow::Error) -> String {
    failure.chain().map(ToString::to_string).fold(String::new(), |message, cause| {
        match (message.is_empty(), message.contains(&cause)) {
            (true, _) => cause,
            (false, true) => message,
            (false, false) => format!("{message}: {cause}"),
        }
    })
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn a_cause_that_is_named_already_is_not_repeated() {
        let named = anyhow!("disk full").context("a.shard: disk full");
        assert_eq!(message(&named), "a.shard: disk full");
        let new = anyhow!("disk full").context("a.shard");
        assert_eq!(message(&new), "a.shard: disk full");
    }
}
