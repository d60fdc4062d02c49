//! `train summary`: what a network costs.

use std::io::{self, Write};

use models::network::Network;
use models::summary::{Summary, summarize};
use terminal::Outcome;

use crate::cli::{Pixels, SummaryArguments};

/// What the numbers mean, below the tables.
const FOOT: &str = "\
MAC: multiply-accumulates of convolutions and matrix products for one image, taps on padding
included. One MAC is two FLOPs. Norms, activations, pooling, sums and resizes are not counted.
A trained network needs no auxiliary head, and of the memory neither update network nor
classifier: the MAC of the head are not in the total, and their parameters not in those in use.
Activations: f32 results that a later operation still needs, nothing computed in place.
The paper's Table 8 prints 277.16 GFLOPs for DeepLabV3+ on ResNet-50 at output stride 16: half of
the 553.7 GMAC, a quarter of the 1107.4 GFLOPs, that an image of 2048x1024 takes.";

pub(crate) fn run(arguments: &SummaryArguments, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let chosen = arguments.network.choose(arguments.recipe.as_deref())?;
    let network = Network::new(chosen.config);
    let summary = summarize(&network, image_size(arguments.size, chosen.image));
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&summary)?)?;
    } else {
        write_layers(&summary, out)?;
        write_blocks(&summary, out)?;
        write_totals(&summary, out)?;
    }
    Ok(Outcome::Done)
}

/// `[height, width]`: what was asked for, or the default.
pub(crate) fn image_size(size: Option<Pixels>, default: [usize; 2]) -> [usize; 2] {
    size.map_or(default, |size| [size.height, size.width])
}

fn write_layers(summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    let names = summary.layers.iter().map(|layer| layer.name.len());
    let width = names.max().unwrap_or(0);
    let mut block = "";
    for layer in &summary.layers {
        if layer.block != block {
            block = &layer.block;
            let head = ["kind", "output", "parameters", "MAC"];
            let [kind, output, parameters, macs] = head;
            writeln!(out, "{block:width$}  {kind:14}  {output:>18}  {parameters:>12}  {macs:>18}")?;
        }
        let sizes: Vec<String> = layer.output.iter().map(ToString::to_string).collect();
        writeln!(
            out,
            "{:width$}  {:14}  {:>18}  {:>12}  {:>18}",
            layer.name,
            layer.kind,
            sizes.join("x"),
            some(layer.parameters),
            some(layer.multiply_accumulates),
        )?;
    }
    writeln!(out)
}

fn write_blocks(summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{:9}  {:>12}  {:>9}  {:>7}", "block", "parameters", "GMAC", "share")?;
    let total = summary.multiply_accumulates as f64;
    for block in &summary.blocks {
        let macs = block.multiply_accumulates as f64;
        let share = match block.name.as_str() {
            "auxiliary" => "-".to_owned(),
            _ => format!("{:.1} %", 100.0 * macs / total),
        };
        let (name, parameters) = (&block.name, grouped(block.parameters));
        writeln!(out, "{name:9}  {parameters:>12}  {:>9.3}  {share:>7}", macs / 1e9)?;
    }
    writeln!(out)
}

fn write_totals(summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    let counts = summary.parameters;
    let millions = |count: u64| format!("{:.3} M", count as f64 / 1e6);
    let [_, _, height, width] = summary.input[..] else { return Ok(()) };
    let giga = summary.multiply_accumulates as f64 / 1e9;
    writeln!(
        out,
        "image {width}x{height}: {giga:.3} GMAC = {:.3} GFLOPs, in training {:.3} GMAC more for \
         the auxiliary head",
        2.0 * giga,
        summary.auxiliary_multiply_accumulates as f64 / 1e9,
    )?;
    writeln!(
        out,
        "peak of activations: {:.1} MiB at f32, at {}",
        summary.peak_activation_bytes as f64 / f64::from(1 << 20),
        summary.peak_layer,
    )?;
    writeln!(
        out,
        "parameters: {}, without the memory's update network {}, in use once trained {}",
        millions(counts.all),
        millions(counts.without_update_network),
        millions(counts.inference),
    )?;
    writeln!(out, "\n{FOOT}")
}

/// A number in groups of three digits; nothing for 0.
fn some(count: u64) -> String {
    if count == 0 { String::new() } else { grouped(count) }
}

fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).expect("invariant: digits are ASCII"))
        .collect();
    groups.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_come_in_groups_of_three() {
        let texts = [7, 999, 1000, 12_345_678].map(grouped);
        assert_eq!(texts, ["7", "999", "1 000", "12 345 678"]);
    }
}
