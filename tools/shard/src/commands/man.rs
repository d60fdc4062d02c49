//! `shard man`.

use std::io::Write;

use anyhow::Context;
use clap::CommandFactory;
use clap_mangen::Man;
use terminal::Outcome;

use crate::cli::{Cli, ManArguments};

pub(super) fn run(arguments: &ManArguments, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let folder = &arguments.out;
    let failed = || format!("{}: cannot write the manual pages", folder.display());
    std::fs::create_dir_all(folder).with_context(failed)?;
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    let mut pages = 0;
    for command in std::iter::once(&program).chain(program.get_subcommands()) {
        let page = Man::new(command.clone());
        let name = page.get_filename();
        let mut text = Vec::new();
        page.render(&mut text).with_context(failed)?;
        whole_file::write(&folder.join(&name), &text).with_context(failed)?;
        pages += 1;
    }
    writeln!(out, "{pages} manual pages in {}", folder.display())?;
    Ok(Outcome::Done)
}
