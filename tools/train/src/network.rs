//! Which network a command is about: that of a recipe, or one that flags describe.

use std::path::Path;

use anyhow::{Context, anyhow};
use clap::Args;
use models::backbone::BackboneName;
use models::network::{ModelName, NetworkConfig};
use models::network_check::NetworkError;
use models::normalization::presets::NormPreset;
use serde::de::DeserializeOwned;
use training::recipe::Recipe;

const HEADING: &str = "A network without a recipe";

/// The image that the paper's Table 8 counts for, `[height, width]`.
const IMAGE: [usize; 2] = [1024, 2048];

/// What a command needs beside the recipe, or in place of it.
#[derive(Debug, Args)]
pub struct NetworkArguments {
    /// Classes of the network
    #[arg(long, value_name = "N", default_value_t = 19,
          value_parser = clap::value_parser!(u16).range(1..=255))]
    pub classes: u16,
    /// Change a key of the recipe, such as model.width_divisor=1; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", conflicts_with = "model")]
    pub overrides: Vec<String>,
    /// deeplab_v3_plus, deeplab_v3, deeplab_v2, deeplab_v2_original or fcn8s, in place of a recipe;
    /// what no other flag says is as in the paper
    #[arg(long, value_name = "NAME", value_parser = named::<ModelName>,
          help_heading = HEADING)]
    pub model: Option<ModelName>,
    /// What the network has beside the model.
    #[command(flatten)]
    pub flags: NetworkFlags,
}

/// What differs from the published network of a model.
#[derive(Debug, Args)]
#[command(next_help_heading = HEADING)]
pub struct NetworkFlags {
    /// resnet18, resnet34, resnet50, resnet101, resnet152, resnext50_32x4d, mobilenet_v2 or
    /// shufflenet_v2_x1_0 [default: resnet101 of DeepLabV2, else resnet50]
    #[arg(long, value_name = "NAME", value_parser = named::<BackboneName>, requires = "model",
          conflicts_with = "recipe")]
    pub backbone: Option<BackboneName>,
    /// Blocks of the four stages of a ResNet, such as 1,1,1,1 [default: the backbone's]
    #[arg(long, value_name = "N,N,N,N", value_parser = four, requires = "model",
          conflicts_with = "recipe")]
    pub blocks: Option<[usize; 4]>,
    /// Divide all widths by 1, 2, 4, 8 or 16, on ResNets also by 32 [default: 1]
    #[arg(long, value_name = "N", requires = "model", conflicts_with = "recipe")]
    pub width_divisor: Option<usize>,
    /// Input pixels per feature pixel: 8, 16 or 32 [default: 8 of DeepLabV2, 32 of FCN-8s, else 16]
    #[arg(long, value_name = "N", requires = "model", conflicts_with = "recipe")]
    pub output_stride: Option<usize>,
    /// Dilations of the ASPP [default: 6,12,18,24 of DeepLabV2; 6,12,18 of the others at output
    /// stride 16, twice that at 8, half at 32]
    #[arg(
        long,
        value_name = "N,...",
        value_delimiter = ',',
        requires = "model",
        conflicts_with = "recipe"
    )]
    pub aspp_rates: Option<Vec<usize>>,
    /// batch, ibn-a, ibn, iw, irw, isw or switchable [default: batch]
    #[arg(long, value_name = "NAME", value_parser = named::<NormPreset>, requires = "model",
          conflicts_with = "recipe")]
    pub normalization: Option<NormPreset>,
    /// With the memory, as is the default but for deeplab_v2_original, which cannot have one
    #[arg(long, requires = "model", conflicts_with_all = ["recipe", "no_memory"])]
    pub memory: bool,
    /// Without the memory, such as for weights of RobustNet
    #[arg(long, requires = "model", conflicts_with = "recipe")]
    pub no_memory: bool,
}

/// A network, and the image to count it for.
pub(crate) struct Chosen {
    pub(crate) config: NetworkConfig,
    /// The window of the recipe's evaluation, `[height, width]`, where there is a recipe.
    pub(crate) image: [usize; 2],
}

impl NetworkArguments {
    pub(crate) fn choose(&self, recipe: Option<&Path>) -> anyhow::Result<Chosen> {
        let classes = self.classes.into();
        if let Some(model) = self.model {
            return Ok(Chosen { config: self.flags.config(model, classes)?, image: IMAGE });
        }
        let recipe =
            Recipe::load(recipe.context("expected a recipe or --model")?, &self.overrides)?;
        let image = recipe.evaluation.window.map(|side| side as usize);
        Ok(Chosen { config: recipe.network(classes), image })
    }
}

impl NetworkFlags {
    fn config(&self, model: ModelName, classes: usize) -> anyhow::Result<NetworkConfig> {
        let published = published(model, self.output_stride, classes);
        let norms = self.normalization.unwrap_or(NormPreset::Batch);
        let config = NetworkConfig {
            backbone: self.backbone.unwrap_or(published.backbone),
            blocks: self.blocks,
            width_divisor: self.width_divisor.unwrap_or(1),
            aspp_rates: self.aspp_rates.clone().unwrap_or(published.aspp_rates),
            normalization: norms.places(),
            whitening: norms.whitening(),
            memory: self.memory || (published.memory && !self.no_memory),
            ..published
        };
        match config.check() {
            Ok(()) => Ok(config),
            Err(NetworkError { key, found, expected }) => {
                Err(anyhow!("--{} is {found}, expected {expected}", key.replace('_', "-")))
            }
        }
    }
}

/// The paper's network of this model, or the one closest to it, at an output stride.
fn published(model: ModelName, output_stride: Option<usize>, classes: usize) -> NetworkConfig {
    let memory = model.can_have_memory();
    match model {
        ModelName::DeepLabV3Plus | ModelName::DeepLabV3 => {
            let network = NetworkConfig::deeplab_v3_plus_resnet50(classes, memory);
            let stride = output_stride.unwrap_or(network.output_stride);
            // As many input pixels at every stride; one that cannot be is refused later.
            let rates = network.aspp_rates.iter().map(|rate| rate * 16 / stride.max(1)).collect();
            NetworkConfig { model, output_stride: stride, aspp_rates: rates, ..network }
        }
        ModelName::DeepLabV2 | ModelName::DeepLabV2Original => {
            let network = NetworkConfig::deeplab_v2_resnet101(classes, memory);
            let output_stride = output_stride.unwrap_or(network.output_stride);
            NetworkConfig { model, output_stride, ..network }
        }
        ModelName::Fcn8s => NetworkConfig {
            model,
            output_stride: output_stride.unwrap_or(32),
            aspp_rates: Vec::new(),
            ..NetworkConfig::deeplab_v3_plus_resnet50(classes, memory)
        },
    }
}

/// A name as in recipes.
fn named<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(text.into()).map_err(|error| error.to_string())
}

fn four(text: &str) -> Result<[usize; 4], String> {
    let numbers: Result<Vec<usize>, _> = text.split(',').map(str::parse).collect();
    let four = numbers.ok().and_then(|numbers| numbers.try_into().ok());
    four.ok_or_else(|| "expected four whole numbers, such as 3,4,6,3".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn config(flags: &[&str]) -> Result<NetworkConfig, String> {
        let cli = Cli::try_parse_from([&["train", "summary"], flags].concat());
        let Command::Summary(arguments) = cli.map_err(|error| error.to_string())?.command else {
            panic!("a summary")
        };
        let chosen = arguments.network.choose(arguments.recipe.as_deref());
        chosen.map(|chosen| chosen.config).map_err(|error| error.to_string())
    }

    #[test]
    fn a_models_name_alone_is_the_papers_network() {
        let paper = NetworkConfig::deeplab_v3_plus_resnet50(19, true);
        assert_eq!(config(&["--model", "deeplab_v3_plus"]), Ok(paper.clone()));
        let paper_v2 = NetworkConfig::deeplab_v2_resnet101(19, true);
        assert_eq!(config(&["--model", "deeplab_v2"]), Ok(paper_v2));
        for model in ["deeplab_v3", "deeplab_v2_original", "fcn8s"] {
            assert!(config(&["--model", model]).is_ok(), "{model}");
        }
        for (stride, aspp_rates) in [(8, vec![12, 24, 36]), (32, vec![3, 6, 9])] {
            let flags = ["--model", "deeplab_v3_plus", "--output-stride", &stride.to_string()];
            let expected = NetworkConfig { output_stride: stride, aspp_rates, ..paper.clone() };
            assert_eq!(config(&flags), Ok(expected));
        }
    }

    #[test]
    fn every_flag_changes_its_part_of_the_network() {
        let flags = "--model deeplab_v3 --backbone resnet18 --blocks 1,1,2,1 --width-divisor 4 \
                     --output-stride 32 --aspp-rates 2,4,6 --normalization iw --no-memory \
                     --classes 7";
        let expected = NetworkConfig {
            model: ModelName::DeepLabV3,
            backbone: BackboneName::ResNet18,
            blocks: Some([1, 1, 2, 1]),
            width_divisor: 4,
            output_stride: 32,
            aspp_rates: vec![2, 4, 6],
            normalization: NormPreset::Iw.places(),
            whitening: NormPreset::Iw.whitening(),
            ..NetworkConfig::deeplab_v3_plus_resnet50(7, false)
        };
        assert_eq!(config(&flags.split_whitespace().collect::<Vec<_>>()), Ok(expected));
    }

    #[test]
    fn what_no_network_can_be_is_refused_by_its_flag() {
        for (flags, expected) in [
            (&["--output-stride", "0"][..], "--output-stride is 0, expected 8, 16 or 32"),
            (&["--width-divisor", "3"], "--width-divisor is 3, expected 1, 2, 4, 8, 16 or 32"),
            (&["--aspp-rates", "6,12"], "--aspp-rates is [6, 12], expected 3 dilations"),
            (&["--blocks", "1,1,1"], "expected four whole numbers, such as 3,4,6,3"),
            (&["--backbone", "vgg16"], "unknown variant `vgg16`, expected one of `resnet18`"),
            (
                &["--backbone", "mobilenet_v2", "--normalization", "ibn-a"],
                "--normalization is \"ibn-a\", expected another one with this backbone",
            ),
            (&["--memory", "--no-memory"], "cannot be used with"),
        ] {
            let error = config(&[&["--model", "deeplab_v3_plus"], flags].concat()).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let original = config(&["--model", "deeplab_v2_original", "--memory"]).unwrap_err();
        assert!(original.contains("--memory is true, expected false"), "{original}");
    }

    #[test]
    fn a_recipe_and_flags_exclude_each_other_and_one_is_needed() {
        for flags in [
            &["--model", "fcn8s"][..],
            &["--backbone", "resnet18"],
            &["--blocks", "1,1,1,1"],
            &["--width-divisor", "2"],
            &["--output-stride", "8"],
            &["--aspp-rates", "1,2,3"],
            &["--normalization", "ibn"],
            &["--memory"],
            &["--no-memory"],
        ] {
            let error = config(&[flags, &["r.toml"]].concat()).unwrap_err();
            assert!(error.contains("cannot be used with"), "{error}");
            if flags[0] != "--model" {
                let error = config(flags).unwrap_err();
                assert!(error.contains("--model <NAME>"), "{error}");
            }
        }
        let error = config(&[]).unwrap_err();
        assert!(error.contains("<RECIPE|--model <NAME>>"), "{error}");
        let error = config(&["--model", "fcn8s", "--set", "model.memory=false"]).unwrap_err();
        assert!(error.contains("'--model <NAME>' cannot be used with"), "{error}");
    }
}
