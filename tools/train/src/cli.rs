//! The command line. Names and exit codes are fixed: scripts rely on them.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use kernels::device::DeviceChoice;

use crate::network::NetworkArguments;

/// Trains semantic segmentation networks that generalise to domains they never saw.
#[derive(Debug, Parser)]
#[command(
    name = "train",
    version,
    after_help = "Exit codes: 0 done, 1 a check failed, 2 error. Results go to standard output, \
                  progress and remarks to standard error."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Draw the toy city in four domains, train on three, compare two methods on the fourth
    Demo(DemoArguments),
    /// Train a recipe into a new run folder
    Run(RunArguments),
    /// Draw the augmented batch of a step, with its labels, before anything is trained
    PreviewBatch(PreviewArguments),
    /// Count a network: layers, shapes, parameters, multiply-accumulates, activations
    Summary(SummaryArguments),
    /// Write a trained network as ONNX or safetensors
    Export(ExportArguments),
    /// Turn weights of PyTorch into a file that a recipe can start from (model.weights)
    Import(ImportArguments),
    /// Continue a run from its checkpoint, as if it had never stopped
    Resume {
        /// Folder that `train run` wrote
        dir: PathBuf,
        /// Where to compute: auto (best GPU, else CPU), cpu, gpu, or gpu:N
        #[arg(long, value_name = "DEVICE", default_value = "auto")]
        device: DeviceChoice,
    },
}

/// Arguments of `train demo`.
#[derive(Debug, Args)]
pub struct DemoArguments {
    /// Folder for everything the demo writes; must be new or empty
    #[arg(long, value_name = "DIR", default_value = "runs/demo")]
    pub out: PathBuf,
    /// Where to compute: auto (best GPU, else CPU), cpu, gpu, or gpu:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub device: DeviceChoice,
    /// Training steps of each method [default: the recipes']
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub steps: Option<u64>,
    /// Frames drawn for each source city; a quarter of it for the target
    #[arg(long, value_name = "N", default_value_t = 160,
          value_parser = clap::value_parser!(u32).range(8..=20_000))]
    pub frames: u32,
}

/// Arguments of `train run`.
#[derive(Debug, Args)]
pub struct RunArguments {
    /// The recipe, such as recipes/camvid.toml
    pub recipe: PathBuf,
    /// Run folder; must be new or empty
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Where to compute: auto (best GPU, else CPU), cpu, gpu, or gpu:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub device: DeviceChoice,
    /// Change a key of the recipe, such as steps=100 or method.order=first; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
}

/// Arguments of `train preview-batch`.
#[derive(Debug, Args)]
pub struct PreviewArguments {
    /// The recipe, such as recipes/camvid.toml
    pub recipe: PathBuf,
    /// The contact sheet: a name that ends in .png or .html
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// The step whose batch is drawn, counted from 0
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub step: u64,
    /// Width of one picture in pixels
    #[arg(long, value_name = "PIXELS", default_value_t = 384,
          value_parser = clap::value_parser!(u32).range(16..=4096))]
    pub width: u32,
    /// Share of the label's colour, 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.4, value_parser = share)]
    pub opacity: f64,
    /// Also draw each image without its labels
    #[arg(long)]
    pub side_by_side: bool,
    /// Change a key of the recipe, such as augmentation.hue=0.3; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
}

/// Arguments of `train summary`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("chosen").args(["recipe", "model"]).required(true)))]
pub struct SummaryArguments {
    /// The recipe, such as recipes/camvid.toml, unless there is --model; its shards need not be there
    pub recipe: Option<PathBuf>,
    /// Image in pixels, such as 1024x512, each side 1 to 65536 [default: the recipe's evaluation
    /// window; 2048x1024 without a recipe]
    #[arg(long, value_name = "WxH", value_parser = pixels)]
    pub size: Option<Pixels>,
    /// Print JSON instead of tables
    #[arg(long)]
    pub json: bool,
    /// The network.
    #[command(flatten)]
    pub network: NetworkArguments,
}

/// Arguments of `train import`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("chosen").args(["recipe", "model"]).required(true)))]
pub struct ImportArguments {
    /// A .pth, .pt or .safetensors file: of torchvision, of the paper's authors, of RobustNet, or
    /// of a run
    pub weights: PathBuf,
    /// The recipe whose network the weights are for, such as recipes/camvid.toml, unless there is
    /// --model
    #[arg(long, value_name = "RECIPE")]
    pub recipe: Option<PathBuf>,
    /// The safetensors file to write, which must not exist yet
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// The dictionary in the file that holds the weights [default: state_dict, model_state_dict or
    /// model if there is one, else the whole file]
    #[arg(long, value_name = "NAME")]
    pub key: Option<String>,
    /// Import the backbone alone; the heads start at random
    #[arg(long)]
    pub backbone_only: bool,
    /// Tensors of the network that the file may lack, by the beginning of their names; may be
    /// repeated
    #[arg(long, value_name = "PREFIX")]
    pub allow_missing: Vec<String>,
    /// Tensors of the file that the network may lack, by the beginning of their names; may be
    /// repeated
    #[arg(long, value_name = "PREFIX")]
    pub allow_unexpected: Vec<String>,
    /// Tensors of the network whose shape in the file may differ, by the beginning of their names;
    /// they are left out; may be repeated
    #[arg(long, value_name = "PREFIX")]
    pub allow_mismatched: Vec<String>,
    /// Show every name, not the first ones of each kind
    #[arg(long)]
    pub verbose: bool,
    /// The network.
    #[command(flatten)]
    pub network: NetworkArguments,
}

/// Arguments of `train export`.
#[derive(Debug, Args)]
pub struct ExportArguments {
    /// Folder that `train run` wrote
    pub run: PathBuf,
    /// onnx: the network in use, from normalised images to logits and classes, memory included;
    /// safetensors: all weights under the keys of the authors' code, the memory as memory.m_items
    #[arg(long, value_name = "FORMAT")]
    pub format: ExportFormat,
    /// The file to write, which must not exist yet
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// ONNX: image in pixels, such as 2048x1024, each side 1 to 65536 [default: the run's evaluation
    /// window]
    #[arg(long, value_name = "WxH", value_parser = pixels)]
    pub size: Option<Pixels>,
    /// ONNX: also write three drawn images and our logits for them, as safetensors, for a check;
    /// the file must not exist yet
    #[arg(long, value_name = "FILE")]
    pub with_example: Option<PathBuf>,
    /// Where to compute: auto (best GPU, else CPU), cpu, gpu, or gpu:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub device: DeviceChoice,
}

/// Formats of `train export`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// ONNX, opset 18.
    Onnx,
    /// Safetensors.
    Safetensors,
}

/// Size of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pixels {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
}

fn pixels(text: &str) -> Result<Pixels, String> {
    let size = |text: &str| text.parse().ok().filter(|size| (1..=65_536).contains(size));
    let sizes = text.split_once('x').and_then(|(width, height)| size(width).zip(size(height)));
    let (width, height) = sizes.ok_or(
        "expected width x height in pixels, such as 2048x1024, each a whole number from 1 to 65536",
    )?;
    Ok(Pixels { width, height })
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..=1.0).contains(&value) => Ok(value),
        _ => Err("expected a number from 0 to 1".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent_and_set_may_be_repeated() {
        Cli::command().debug_assert();
        let words = ["train", "run", "r.toml", "--out", "o", "--set", "a=1", "--set", "b=2"];
        let Command::Run(arguments) = Cli::try_parse_from(words).unwrap().command else {
            panic!("a run command")
        };
        assert_eq!(arguments.overrides, ["a=1", "b=2"]);
    }

    #[test]
    fn a_size_is_two_whole_numbers_of_pixels() {
        assert_eq!(pixels("2048x1024"), Ok(Pixels { width: 2048, height: 1024 }));
        for wrong in ["2048", "2048x", "x1024", "0x8", "8x-1", "8x65537", "8x8x8", "8.5x8", ""] {
            let error = pixels(wrong).unwrap_err();
            assert!(error.contains("from 1 to 65536"), "{wrong}");
        }
    }
}
