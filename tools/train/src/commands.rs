//! Runs one command: results to the given writer, remarks and progress to standard error.

use std::io::Write;
use std::path::Path;

use kernels::device::{self, DeviceChoice, OpenedDevice};
use shard_store::StoreOptions;
use terminal::{Outcome, counted};
use tracing::info;
use training::recipe::Recipe;
use training::run::{self, Machine};

use crate::cli::{Cli, Command, RunArguments};
use crate::demo::run_demo;
use crate::observer::TerminalObserver;
use crate::{export, import, preview, summary};

/// Runs the command and writes its results to `out`.
///
/// # Errors
/// The command could not do its work: exit code 2.
pub fn run(cli: &Cli, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    match &cli.command {
        Command::Demo(arguments) => run_demo(arguments, out),
        Command::Run(arguments) => run_recipe(arguments, out),
        Command::PreviewBatch(arguments) => preview::run(arguments, out),
        Command::Summary(arguments) => summary::run(arguments, out),
        Command::Export(arguments) => export::run(arguments, out),
        Command::Import(arguments) => import::run(arguments, out),
        Command::Resume { dir, device } => resume(dir, *device, out),
    }
}

/// Opens a device and says which.
///
/// # Errors
/// If a GPU was asked for and there is none.
pub fn opened(choice: DeviceChoice) -> anyhow::Result<OpenedDevice> {
    let opened = device::open(choice)?;
    info!("device: {}", opened.description);
    if let Some(note) = opened.shader_note() {
        info!("{note}");
    }
    Ok(opened)
}

/// The opened device and the way shards are read, as a run takes them.
pub(crate) fn machine<'a>(opened: &'a OpenedDevice, store: &'a StoreOptions) -> Machine<'a> {
    Machine { device: &opened.device, device_name: &opened.description, store }
}

fn run_recipe(arguments: &RunArguments, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let recipe = Recipe::load(&arguments.recipe, &arguments.overrides)?;
    let opened = opened(arguments.device)?;
    let mut observer = TerminalObserver::new(&recipe.name);
    let store = StoreOptions::from_environment()?;
    run::start(&recipe, &arguments.out, machine(&opened, &store), &mut observer)?;
    observer.finish();
    let steps = counted(recipe.steps, "steps");
    writeln!(out, "{}: {steps} trained", arguments.out.display())?;
    Ok(Outcome::Done)
}

fn resume(dir: &Path, choice: DeviceChoice, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let opened = opened(choice)?;
    let name = dir.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let mut observer = TerminalObserver::new(&name);
    let store = StoreOptions::from_environment()?;
    run::resume(dir, machine(&opened, &store), &mut observer)?;
    observer.finish();
    writeln!(out, "{}: trained to the end", dir.display())?;
    Ok(Outcome::Done)
}
