//! Colour jitter and blur on the device, in place of the loader's.

use burn::tensor::Device;
use kernels::{ColourParameters, Jitter, Operation, compiles_wgsl};
use loader::{Augment, ColourDraw, ColourOperation, LoaderOptions, SampleKey, StreamBatch};

/// What the loader would have done to the colours of its samples.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceColours {
    seed: u64,
    augment: Augment,
    strong_augment: Augment,
}

impl DeviceColours {
    /// Takes colour jitter and blur out of what the loader does.
    ///
    /// `None`, with the options as they were, where the device cannot run the shaders: the
    /// loader's threads are quicker than the same on one thread of the host.
    #[must_use]
    pub fn take_from(options: LoaderOptions, device: &Device) -> (LoaderOptions, Option<Self>) {
        if !compiles_wgsl(device) {
            tracing::info!("colour jitter and blur stay in the loader: the device runs no WGSL");
            return (options, None);
        }
        let taken = Self {
            seed: options.seed,
            augment: options.augment,
            strong_augment: options.strong_augment,
        };
        let options = LoaderOptions {
            augment: options.augment.without_colours(),
            strong_augment: options.strong_augment.without_colours(),
            ..options
        };
        (options, Some(taken))
    }

    /// The colours of each sample of a stream's part of a batch.
    pub fn of(&self, part: &StreamBatch) -> impl Iterator<Item = ColourParameters> {
        let augment = if part.strong { &self.strong_augment } else { &self.augment };
        part.samples.iter().map(|tag| {
            let stream = (part.name.as_str(), part.stream);
            let key = SampleKey::of_stream(self.seed, stream, tag.epoch, tag.index);
            parameters(ColourDraw::of(augment, key))
        })
    }

    /// The colours of a pair of views: the strong ones of `key`, and none.
    #[must_use]
    pub fn of_views(&self, key: SampleKey) -> [ColourParameters; 2] {
        let plain = self.strong_augment.without_colours();
        [self.strong_augment, plain].map(|augment| parameters(ColourDraw::of(&augment, key)))
    }
}

/// The loader's draw as the shaders take it.
#[must_use]
pub fn parameters(draw: ColourDraw) -> ColourParameters {
    let operation = |operation| match operation {
        ColourOperation::Brightness => Operation::Brightness,
        ColourOperation::Contrast => Operation::Contrast,
        ColourOperation::Saturation => Operation::Saturation,
        ColourOperation::Hue => Operation::Hue,
    };
    let jitter = draw.jitter.map(|jitter| Jitter {
        order: jitter.order.map(operation),
        brightness: jitter.brightness,
        contrast: jitter.contrast,
        saturation: jitter.saturation,
        hue_step: jitter.hue_step,
    });
    ColourParameters { jitter, blur_weights: draw.blur_weights }
}
