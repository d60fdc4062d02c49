//! Networks that cannot be, found before one is laid out.

use crate::network::NetworkConfig;
use crate::normalization::places::NormPlacesError;

/// Widths are divided by one of these; by the last where the narrowest layer has that many channels.
const WIDTH_DIVISORS: [usize; 6] = [1, 2, 4, 8, 16, 32];
const OUTPUT_STRIDES: [usize; 3] = [8, 16, 32];
/// Most blocks of a stage, and the largest dilation: beyond any that was ever trained.
const BLOCKS_MAX: usize = 100;
const DILATION_MAX: usize = 1000;

/// What no network can be made of.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key} is {found}, expected {expected}")]
pub struct NetworkError {
    /// The field of [`NetworkConfig`], which is also the key of a recipe's `[model]`.
    pub key: &'static str,
    /// Its value.
    pub found: String,
    /// What it may be.
    pub expected: String,
}

impl NetworkConfig {
    /// Whether there is such a network.
    ///
    /// # Errors
    /// The first field that has a value which it cannot have, alone or with the others.
    pub fn check(&self) -> Result<(), NetworkError> {
        let branches = self.model.aspp_branches();
        self.check_sizes()?;
        if let Some(blocks) = self.blocks
            && !self.backbone.has_free_blocks()
        {
            return wrong("blocks", format!("{blocks:?}"), "no such key with this backbone");
        }
        if self.aspp_rates.len() != branches {
            let found = format!("{:?}", self.aspp_rates);
            return wrong("aspp_rates", found, format!("{branches} dilations for this model"));
        }
        if self.memory && !self.model.can_have_memory() {
            let expected = "false: this model has no layer of features that a memory could read";
            return wrong("memory", true, expected);
        }
        if self.normalization.ibn_a && !self.backbone.can_have_ibn_a() {
            let expected = "another one with this backbone; hint: IBN-a stands in the residual \
                            blocks of resnet18, resnet34, resnet50, resnet101, resnet152 and \
                            resnext50_32x4d";
            return wrong("normalization", "\"ibn-a\"", expected);
        }
        match self.normalization.check(&self.backbone().place_channels()) {
            Err(NormPlacesError { found, expected }) => wrong("normalization", found, expected),
            Ok(()) => Ok(()),
        }
    }

    fn check_sizes(&self) -> Result<(), NetworkError> {
        let mut blocks = self.blocks.iter().flatten();
        if let Some(blocks) = blocks.find(|blocks| !(1..=BLOCKS_MAX).contains(*blocks)) {
            return wrong("blocks", blocks, format!("1 to {BLOCKS_MAX}"));
        }
        let mut rates = self.aspp_rates.iter();
        if let Some(rate) = rates.find(|rate| !(1..=DILATION_MAX).contains(*rate)) {
            return wrong("aspp_rates", rate, format!("1 to {DILATION_MAX}"));
        }
        let (divisors, expected) = match self.backbone.has_free_blocks() {
            true => (&WIDTH_DIVISORS[..], "1, 2, 4, 8, 16 or 32"),
            false => (&WIDTH_DIVISORS[..5], "1, 2, 4, 8 or 16 with this backbone"),
        };
        if !divisors.contains(&self.width_divisor) {
            return wrong("width_divisor", self.width_divisor, expected);
        }
        if !OUTPUT_STRIDES.contains(&self.output_stride) {
            return wrong("output_stride", self.output_stride, "8, 16 or 32");
        }
        Ok(())
    }
}

fn wrong(
    key: &'static str,
    found: impl ToString,
    expected: impl Into<String>,
) -> Result<(), NetworkError> {
    Err(NetworkError { key, found: found.to_string(), expected: expected.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backbone::BackboneName;
    use crate::network::ModelName;
    use crate::normalization::presets::NormPreset;

    fn paper() -> NetworkConfig {
        NetworkConfig::deeplab_v3_plus_resnet50(19, true)
    }

    fn with_norms(backbone: BackboneName, norms: NormPreset) -> NetworkConfig {
        NetworkConfig { backbone, normalization: norms.places(), ..paper() }
    }

    #[test]
    fn the_networks_of_the_paper_are_possible() {
        assert_eq!(paper().check(), Ok(()));
        assert_eq!(NetworkConfig::deeplab_v2_resnet101(19, true).check(), Ok(()));
    }

    #[test]
    fn an_impossible_field_is_refused_with_its_value() {
        let mobile = BackboneName::MobileNetV2;
        let original = NetworkConfig {
            model: ModelName::DeepLabV2Original,
            ..NetworkConfig::deeplab_v2_resnet101(19, true)
        };
        for (config, expected) in [
            (NetworkConfig { width_divisor: 3, ..paper() }, "width_divisor is 3, expected 1, 2"),
            (NetworkConfig { output_stride: 4, ..paper() }, "output_stride is 4, expected 8"),
            (NetworkConfig { blocks: Some([1, 0, 1, 1]), ..paper() }, "blocks is 0, expected 1 to"),
            (
                NetworkConfig { blocks: Some([1; 4]), backbone: mobile, ..paper() },
                "blocks is [1, 1, 1, 1], expected no such key",
            ),
            (NetworkConfig { aspp_rates: vec![6, 12], ..paper() }, "aspp_rates is [6, 12], exp"),
            (NetworkConfig { aspp_rates: vec![6, 12, 1001], ..paper() }, "aspp_rates is 1001, e"),
            (original, "memory is true, expected false"),
        ] {
            let error = config.check().unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn mobile_backbones_have_the_norms_that_fit_and_the_rest_is_refused() {
        let mobile = [BackboneName::MobileNetV2, BackboneName::ShuffleNetV2];
        let presets = [NormPreset::Ibn, NormPreset::Iw, NormPreset::Irw, NormPreset::Isw];
        for (backbone, norms) in mobile.into_iter().flat_map(|at| presets.map(|of| (at, of))) {
            assert_eq!(with_norms(backbone, norms).check(), Ok(()), "{backbone:?}, {norms:?}");
        }
        for backbone in mobile {
            let error = with_norms(backbone, NormPreset::IbnA).check().unwrap_err().to_string();
            assert!(error.starts_with("normalization is \"ibn-a\", expected another"), "{error}");
            assert!(error.contains("resnet50") && !error.contains("mobilenet"), "{error}");
        }
        assert_eq!(with_norms(mobile[0], NormPreset::Switchable).check(), Ok(()));
        let error = with_norms(mobile[1], NormPreset::Switchable).check().unwrap_err();
        assert_eq!(error.found, "\"switchable\" over 24 channels at stem[2]");
        // MobileNetV2's layer4 has no norm that another could stand behind.
        let mut config = with_norms(mobile[0], NormPreset::Ibn);
        config.normalization.stages[3] = config.normalization.stages[0];
        assert_eq!(config.check().unwrap_err().found, "\"instance-affine\" at stages[3]");
    }
}
