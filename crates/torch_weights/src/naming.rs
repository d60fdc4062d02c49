//! How other programs name the tensors of a backbone.
//!
//! To add a naming: a constant here, and a line in [`NAMINGS`].

use models::backbone::BackboneName;

/// A way to name the tensors of a network.
#[derive(Debug, PartialEq, Eq)]
pub struct Naming {
    /// Whose names they are.
    pub label: &'static str,
    /// Beginnings of its names and what they are in the reference; other names are the same.
    pub prefixes: &'static [(&'static str, &'static str)],
    /// How the names of its classifier begin, which segmentation has no use for.
    pub classifier: Option<&'static str>,
    /// How a name begins that every file of it has, and no file of another.
    pub mark: Option<&'static str>,
    /// The backbones that it is of, as recipes and flags call them.
    pub backbones: &'static str,
}

/// The known namings. Where two fit a file equally well, the first counts.
pub const NAMINGS: [&Naming; 4] =
    [&REFERENCE, &TORCHVISION_RESNET, &TORCHVISION_MOBILENET_V2, &TORCHVISION_SHUFFLENET_V2];

/// The reference's names, which are ours.
pub const REFERENCE: Naming = Naming {
    label: "the reference",
    prefixes: &[],
    classifier: None,
    mark: None,
    backbones: "any",
};

/// ResNet and ResNeXt of torchvision.
///
/// Source: `resnet.layer0` in the reference's `network/deepv3plus.py`.
pub const TORCHVISION_RESNET: Naming = Naming {
    label: "torchvision's ResNet",
    prefixes: &[("conv1.", "layer0.0."), ("bn1.", "layer0.1.")],
    classifier: Some("fc."),
    mark: Some("bn1."),
    backbones: "resnet18, resnet34, resnet50, resnet101, resnet152 or resnext50_32x4d",
};

/// MobileNetV2 of torchvision, whose 19 features the reference parts into five layers.
///
/// Source: the reference's `network/deepv3plus.py`.
pub const TORCHVISION_MOBILENET_V2: Naming = Naming {
    label: "torchvision's MobileNetV2",
    prefixes: &[
        ("features.0.", "layer0.0."),
        ("features.1.", "layer0.1."),
        ("features.2.", "layer1.0."),
        ("features.3.", "layer1.1."),
        ("features.4.", "layer1.2."),
        ("features.5.", "layer1.3."),
        ("features.6.", "layer1.4."),
        ("features.7.", "layer2.0."),
        ("features.8.", "layer2.1."),
        ("features.9.", "layer2.2."),
        ("features.10.", "layer2.3."),
        ("features.11.", "layer3.0."),
        ("features.12.", "layer3.1."),
        ("features.13.", "layer3.2."),
        ("features.14.", "layer3.3."),
        ("features.15.", "layer3.4."),
        ("features.16.", "layer3.5."),
        ("features.17.", "layer3.6."),
        ("features.18.", "layer4.0."),
    ],
    classifier: Some("classifier."),
    mark: Some("features.18.0."),
    backbones: "mobilenet_v2",
};

/// ShuffleNetV2 of torchvision.
///
/// Source: `Layer0` and `Layer4` in the reference's `network/deepv3plus.py`.
pub const TORCHVISION_SHUFFLENET_V2: Naming = Naming {
    label: "torchvision's ShuffleNetV2",
    prefixes: &[
        ("conv1.", "layer0.layer.0."),
        ("stage2.", "layer1."),
        ("stage3.", "layer2."),
        ("stage4.", "layer3."),
        ("conv5.", "layer4.layer."),
    ],
    classifier: Some("fc."),
    mark: Some("stage4."),
    backbones: "shufflenet_v2_x1_0",
};

impl Naming {
    /// The naming of torchvision whose mark is among `names`.
    pub(crate) fn recognised<'a>(
        mut names: impl Iterator<Item = &'a str>,
    ) -> Option<&'static Self> {
        names.find_map(|name| {
            let name = without_module(name);
            NAMINGS.into_iter().find(|at| at.mark.is_some_and(|mark| name.starts_with(mark)))
        })
    }

    /// Whether `backbone` is one that it is of.
    #[must_use]
    pub fn is_of(&self, backbone: BackboneName) -> bool {
        let theirs = match backbone {
            BackboneName::MobileNetV2 => &TORCHVISION_MOBILENET_V2,
            BackboneName::ShuffleNetV2 => &TORCHVISION_SHUFFLENET_V2,
            _ => &TORCHVISION_RESNET,
        };
        self.label == REFERENCE.label || self.label == theirs.label
    }

    /// The reference's name for `name`, which may begin with `module.`, as under
    /// `DistributedDataParallel`.
    #[must_use]
    pub fn translate(&self, name: &str) -> String {
        let name = without_module(name);
        let renamed =
            |(from, to): &(&str, &str)| name.strip_prefix(from).map(|rest| format!("{to}{rest}"));
        self.prefixes.iter().find_map(renamed).unwrap_or_else(|| name.to_owned())
    }

    /// Whether `name` is a tensor of the classifier.
    #[must_use]
    pub fn is_classifier(&self, name: &str) -> bool {
        self.classifier.is_some_and(|classifier| without_module(name).starts_with(classifier))
    }
}

/// `name` as it is outside of `DistributedDataParallel`.
pub(crate) fn without_module(name: &str) -> &str {
    name.strip_prefix("module.").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn torchvision_names_become_the_references() {
        for (naming, theirs, ours) in [
            (&REFERENCE, "module.layer0.0.weight", "layer0.0.weight"),
            (&TORCHVISION_RESNET, "conv1.weight", "layer0.0.weight"),
            (&TORCHVISION_RESNET, "bn1.running_var", "layer0.1.running_var"),
            (&TORCHVISION_RESNET, "layer1.0.conv1.weight", "layer1.0.conv1.weight"),
            (&TORCHVISION_MOBILENET_V2, "features.1.conv.0.0.weight", "layer0.1.conv.0.0.weight"),
            (&TORCHVISION_MOBILENET_V2, "features.17.conv.3.bias", "layer3.6.conv.3.bias"),
            (&TORCHVISION_SHUFFLENET_V2, "conv1.1.bias", "layer0.layer.0.1.bias"),
            (&TORCHVISION_SHUFFLENET_V2, "stage4.3.branch2.0.weight", "layer3.3.branch2.0.weight"),
            (&TORCHVISION_SHUFFLENET_V2, "module.conv5.0.weight", "layer4.layer.0.weight"),
        ] {
            assert_eq!(naming.translate(theirs), ours, "{}", naming.label);
        }
    }
}
