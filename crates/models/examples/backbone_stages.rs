//! Runs a backbone on an image and writes what its four stages give.
//!
//! Run, from the root of the workspace: `cargo run --release --example backbone_stages --
//! WEIGHTS.safetensors IMAGE.safetensors OUT.safetensors --backbone NAME --output-stride N --norms
//! 0000000`. The image is the tensor `image` `[B, 3, H, W]`, normalised; the norms are the digits of
//! RobustNet's `--wt_layer`; the output holds `stage1` to `stage4`.
//! `tests/torch/compare_backbones.py` and `norms.py` call it.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;

use burn::tensor::{DType, Device};
use models::backbone::{Backbone, BackboneConfig, BackboneName};
use models::layout::tensor_from;
use models::mode::Plain;
use models::normalization::places::{NormKind, NormPlaces};
use models::pass::{Normalization, Pass};
use models::weights::{self, NamedTensors};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as NameError, StrDeserializer};

const USAGE: &str = "expected WEIGHTS IMAGE OUT --backbone NAME --output-stride N --norms DIGITS";

/// What the digits of RobustNet's `--wt_layer` mean.
const KINDS: [NormKind; 6] = [
    NormKind::Batch,
    NormKind::InstanceWhitening,
    NormKind::InstanceWhitening,
    NormKind::Instance,
    NormKind::InstanceAffine,
    NormKind::Switchable,
];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [weights, image, out, "--backbone", name, "--output-stride", stride, "--norms", norms] =
        *arguments
    else {
        return Err(USAGE.into());
    };
    let name: StrDeserializer<'_, NameError> = name.into_deserializer();
    let backbone = Backbone::new(&BackboneConfig {
        name: BackboneName::deserialize(name)?,
        blocks: None,
        width_divisor: 1,
        output_stride: stride.parse()?,
        second_stage_strides_early: false,
        normalization: places(norms).ok_or(USAGE)?,
    });

    let device = Device::flex();
    let layout = backbone.layout();
    let weights = Path::new(weights);
    let (named, _) = weights::read(weights)?;
    let (parameters, statistics) = weights::upload(&layout, &named, weights, &device)?;
    let (images, _) = weights::read(Path::new(image))?;
    let image = images.get("image").ok_or("no tensor named image")?;
    let shape: [usize; 4] = image.shape.as_slice().try_into()?;
    let values: Vec<f64> = image.values.iter().map(|&x| f64::from(x)).collect();
    let image = tensor_from(&values, &device, DType::F32).reshape(shape);

    let mut pass = Pass::<Plain>::new(&layout, parameters, &statistics, Normalization::Running);
    let stages = backbone.run(&mut pass, image).stages;
    let stages: NamedTensors = (1..)
        .zip(&stages)
        .map(|(number, x)| (format!("stage{number}"), weights::host_tensor(x, &x.dims())))
        .collect();
    fs::write(out, weights::serialize(&stages, &BTreeMap::new())?)?;
    Ok(())
}

fn places(digits: &str) -> Option<NormPlaces> {
    let kind =
        |digit: char| digit.to_digit(10).and_then(|digit| KINDS.get(digit as usize).copied());
    let kinds: Vec<NormKind> = digits.chars().map(kind).collect::<Option<_>>()?;
    let (stem, stages) = kinds.split_first_chunk()?;
    Some(NormPlaces { stem: *stem, stages: stages.try_into().ok()?, ibn_a: false })
}
