//! What normalises at the reference's seven places.
//!
//! Source: `--wt_layer a b c d e f g` of RobustNet: the normalisation of the stem's three
//! convolutions, of which a 7x7 stem has the third alone, and one after the residual addition of
//! the last block of each of the four stages. What these are in MobileNetV2 and ShuffleNetV2 is
//! said in their files.

use serde::{Deserialize, Serialize};

use crate::layout::Layout;
use crate::mode::Mode;
use crate::normalization::{ibn_a, instance, switchable};
use crate::pass::Pass;

/// Stages whose blocks begin with IBN-a where it is chosen: all but the last.
const IBN_A_STAGES: usize = 3;

/// What stands at one place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NormKind {
    /// The plain network: batch norm in the stem, nothing after a residual addition.
    #[default]
    Batch,
    /// Instance normalisation whose output the whitening loss sees (1 and 2 in the reference).
    InstanceWhitening,
    /// Instance normalisation (3).
    Instance,
    /// Instance normalisation with gain and offset per channel (4).
    InstanceAffine,
    /// Switchable whitening (5).
    Switchable,
}

impl std::fmt::Display for NormKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Batch => "batch",
            Self::InstanceWhitening => "instance-whitening",
            Self::Instance => "instance",
            Self::InstanceAffine => "instance-affine",
            Self::Switchable => "switchable",
        })
    }
}

/// One of the seven places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NormPlace {
    /// 0 to 2 for the stem's convolutions, 3 to 6 for the stages.
    pub index: usize,
    /// Whether a batch norm stands here in the plain network, and gives way.
    pub replaces_batch_norm: bool,
}

impl NormPlace {
    /// The norm after the stem's convolution number `convolution`, 0 to 2; 2 is that of 7x7.
    ///
    /// # Panics
    /// If there is no such convolution: a bug of the caller.
    #[must_use]
    pub const fn stem(convolution: usize) -> Self {
        assert!(convolution < 3, "a stem has at most three convolutions");
        Self { index: convolution, replaces_batch_norm: true }
    }

    /// The third place of a mobile backbone, where no batch norm gives way: MobileNetV2 has none
    /// there, and ShuffleNetV2 keeps the tensors of its own.
    pub const MOBILE_STEM: Self = Self { index: 2, replaces_batch_norm: false };

    /// After the last block of stage 0 to 3; in a ResNet before its ReLU.
    ///
    /// # Panics
    /// If there is no such stage: a bug of the caller.
    #[must_use]
    pub const fn stage(stage: usize) -> Self {
        assert!(stage < 4, "a backbone has four stages");
        Self { index: 3 + stage, replaces_batch_norm: false }
    }
}

/// What stands at all places of a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NormPlaces {
    /// After each convolution of the stem; a 7x7 stem is the third.
    pub stem: [NormKind; 3],
    /// After the residual addition of the last block of each stage.
    pub stages: [NormKind; 4],
    /// Whether the first norm of every block of the first three stages is IBN-a.
    pub ibn_a: bool,
}

/// What a network cannot have at a place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found}, expected {expected}")]
pub struct NormPlacesError {
    /// What is wanted, and where.
    pub found: String,
    /// What the backbone can have.
    pub expected: String,
}

impl NormPlaces {
    /// What stands at `place`.
    #[must_use]
    pub fn at(&self, place: NormPlace) -> NormKind {
        match place.index.checked_sub(self.stem.len()) {
            None => self.stem[place.index],
            Some(stage) => self.stages[stage],
        }
    }

    /// Number of whitening maps that a pass collects.
    #[must_use]
    pub fn whitening_layers(&self) -> usize {
        self.whitened(&[0; 7]).len()
    }

    /// The channels of the whitening maps that a pass collects, in their order, of a backbone with
    /// these `channels` at the seven places.
    #[must_use]
    pub fn whitened(&self, channels: &[usize; 7]) -> Vec<usize> {
        let kinds = self.stem.iter().chain(&self.stages).zip(channels);
        let is_whitened = |kind: &NormKind| *kind == NormKind::InstanceWhitening;
        kinds.filter(|(kind, _)| is_whitened(kind)).map(|(_, &channels)| channels).collect()
    }

    /// Whether a backbone with these `channels` at the seven places, 0 where it has no such place,
    /// can have all that is wanted.
    ///
    /// # Errors
    /// The first place that it cannot have, named as a key of these settings.
    pub fn check(&self, channels: &[usize; 7]) -> Result<(), NormPlacesError> {
        for (index, (kind, &channels)) in
            self.stem.iter().chain(&self.stages).zip(channels).enumerate()
        {
            let key = match index.checked_sub(self.stem.len()) {
                None => format!("stem[{index}]"),
                Some(stage) => format!("stages[{stage}]"),
            };
            let group = switchable::group_channels(channels);
            match kind {
                NormKind::Batch => {}
                kind if channels == 0 => {
                    return Err(NormPlacesError {
                        found: format!("\"{kind}\" at {key}"),
                        expected: "\"batch\" there; hint: this backbone has no such place, and a \
                                   stem of one convolution has the third alone"
                            .to_owned(),
                    });
                }
                NormKind::Switchable if channels % group != 0 => {
                    return Err(NormPlacesError {
                        found: format!("\"{kind}\" over {channels} channels at {key}"),
                        expected: format!("a multiple of {group}, which it whitens together"),
                    });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Lays out what stands at `place` under `name`.
    ///
    /// # Panics
    /// If [`NormPlaces::check`] refuses it, or the name is taken: a bug of the caller.
    pub fn declare(&self, layout: &mut Layout, name: &str, place: NormPlace, channels: usize) {
        match self.at(place) {
            NormKind::Batch if place.replaces_batch_norm => {
                layout.batch_norm_layer(name, channels, 0.0);
            }
            NormKind::Batch | NormKind::InstanceWhitening | NormKind::Instance => {}
            NormKind::InstanceAffine => instance::declare_affine(layout, name, channels),
            NormKind::Switchable => switchable::declare(layout, name, channels),
        }
    }

    /// Normalises `[B, C, H, W]` by what stands at `place` under `name`; a whitening map is also
    /// pushed to `whitened`.
    pub fn apply<M: Mode>(
        &self,
        pass: &mut Pass<'_, M>,
        name: &str,
        place: NormPlace,
        x: M::T<4>,
        whitened: &mut Vec<M::T<4>>,
    ) -> M::T<4> {
        match self.at(place) {
            NormKind::Batch if place.replaces_batch_norm => pass.batch_norm(name, x),
            NormKind::Batch => x,
            NormKind::InstanceWhitening => {
                let map = M::instance_norm(x);
                whitened.push(map.clone());
                map
            }
            NormKind::Instance => M::instance_norm(x),
            NormKind::InstanceAffine => instance::affine(pass, name, x),
            NormKind::Switchable => switchable::apply(pass, name, x),
        }
    }

    /// Lays out the first norm of a block of stage 0 to 3: IBN-a or batch norm.
    pub fn declare_first(&self, layout: &mut Layout, name: &str, stage: usize, channels: usize) {
        if self.is_ibn_a(stage) {
            ibn_a::declare(layout, name, channels);
        } else {
            layout.batch_norm_layer(name, channels, 0.0);
        }
    }

    /// Normalises by what [`NormPlaces::declare_first`] laid out.
    pub fn apply_first<M: Mode>(
        &self,
        pass: &mut Pass<'_, M>,
        name: &str,
        stage: usize,
        x: M::T<4>,
    ) -> M::T<4> {
        if self.is_ibn_a(stage) { ibn_a::apply(pass, name, x) } else { pass.batch_norm(name, x) }
    }

    fn is_ibn_a(&self, stage: usize) -> bool {
        self.ibn_a && stage < IBN_A_STAGES
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{DType, Device, Tensor};

    use super::*;
    use crate::mode::Plain;
    use crate::normalization::presets::NormPreset;
    use crate::pass::Normalization;

    /// The reference's channels of a ResNet-50.
    const RESNET50: [usize; 7] = [0, 0, 64, 256, 512, 1024, 2048];

    fn names(places: NormPlaces, place: NormPlace, name: &str) -> Vec<String> {
        let mut layout = Layout::default();
        places.declare(&mut layout, name, place, 32);
        let statistics =
            layout.statistics().into_iter().flat_map(|spec| [spec.mean, spec.variance]);
        layout.parameters.into_iter().map(|spec| spec.name).chain(statistics).collect()
    }

    #[test]
    fn tensors_have_the_names_of_the_reference() {
        let block = "layer1.2.instance_norm_layer";
        let [stem, stage] = [NormPlace::stem(2), NormPlace::stage(0)];
        let affine = ["layer0.1.weight", "layer0.1.bias"];
        assert_eq!(names(NormPreset::Ibn.places(), stem, "layer0.1"), affine);
        let batch = [affine[0], affine[1], "layer0.1.running_mean", "layer0.1.running_var"];
        assert_eq!(names(NormPreset::Batch.places(), stem, "layer0.1"), batch);
        for preset in [NormPreset::Batch, NormPreset::Isw, NormPreset::Irw, NormPreset::Iw] {
            assert_eq!(names(preset.places(), stage, block), [""; 0]);
        }
        let whitening = names(NormPreset::Switchable.places(), stage, block);
        let parts =
            ["sw_mean_weight", "sw_var_weight", "weight", "bias", "running_mean", "running_cov"];
        assert_eq!(whitening, parts.map(|part| format!("{block}.{part}")));
    }

    #[test]
    fn ibn_a_stands_in_the_first_three_stages() {
        let places = NormPreset::IbnA.places();
        let mut layout = Layout::default();
        places.declare_first(&mut layout, "a", 2, 5);
        places.declare_first(&mut layout, "b", 3, 5);
        let names: Vec<&str> = layout.parameters.iter().map(|spec| spec.name.as_str()).collect();
        let expected =
            ["a.IN.weight", "a.IN.bias", "a.BN.weight", "a.BN.bias", "b.weight", "b.bias"];
        assert_eq!(names, expected);
        assert_eq!(layout.batch_norms, [("a.BN".to_owned(), 3), ("b".to_owned(), 5)]);
    }

    #[test]
    fn whitening_maps_are_collected_in_the_order_of_the_calls_and_equal_the_output() {
        let layout = {
            let mut layout = Layout::default();
            layout.batch_norm_layer("unused", 2, 0.0);
            layout
        };
        let device = Device::flex();
        let parameters = layout.init_parameters(0, &device, DType::F64);
        let running = layout.init_statistics(&device, DType::F64);
        let mut pass = Pass::<Plain>::new(&layout, parameters, &running, Normalization::Running);
        let places = NormPreset::Isw.places();
        let mut whitened = Vec::new();
        let x = |first: f64| {
            Tensor::<1>::from_floats([first, 1.0, 2.0, 4.0], &device).reshape([1, 2, 1, 2])
        };
        let mut outputs = Vec::new();
        for (place, first) in
            [(NormPlace::stem(2), 0.0), (NormPlace::stage(0), 3.0), (NormPlace::stage(3), 5.0)]
        {
            outputs.push(places.apply(&mut pass, "any", place, x(first), &mut whitened));
        }
        assert_eq!(whitened.len(), 2, "stage 3 has none in this preset");
        for (map, output) in whitened.into_iter().zip(outputs) {
            assert_eq!(map.into_data(), output.into_data());
        }
        assert_eq!(places.whitening_layers(), 3);
        assert_eq!(places.whitened(&RESNET50), [64, 256, 512]);
    }

    #[test]
    fn a_place_that_the_backbone_lacks_or_cannot_group_is_refused_by_its_key() {
        assert_eq!(NormPreset::Switchable.places().check(&RESNET50), Ok(()));
        let mut places = NormPlaces::default();
        places.stem[0] = NormKind::Instance;
        let error = places.check(&RESNET50).unwrap_err().to_string();
        assert!(error.starts_with("\"instance\" at stem[0], expected \"batch\""), "{error}");
        // ShuffleNetV2's stem.
        let shuffle = [0, 0, 24, 116, 232, 464, 1024];
        let error = NormPreset::Switchable.places().check(&shuffle).unwrap_err().to_string();
        assert!(error.starts_with("\"switchable\" over 24 channels at stem[2]"), "{error}");
    }
}
