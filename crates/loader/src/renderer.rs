//! One sample from shard to crop.

use shard_format::{Dataset, Decoder, ReadError};
use simd_level::Level;

use crate::augment::{Augment, Blur, BlurDraw, Geometry, ImageWarp, JitterDraw, LabelWarp, Target};
use crate::random::SampleKey;

/// The steps that a sample goes through, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Decoding the label tiles under the crop and taking the nearest pixels.
    Labels,
    /// Decoding the image tiles under the crop.
    Decode,
    /// Resampling into planes.
    Resize,
    /// Colour jitter.
    Jitter,
    /// Gaussian blur.
    Blur,
}

impl Stage {
    /// All stages in order; a stage's place is `stage as usize`.
    pub const ALL: [Self; 5] = [Self::Labels, Self::Decode, Self::Resize, Self::Jitter, Self::Blur];

    /// The stage's name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Labels => "labels",
            Self::Decode => "decode",
            Self::Resize => "resize",
            Self::Jitter => "jitter",
            Self::Blur => "blur",
        }
    }
}

/// Renders augmented crops; one per thread, since it keeps all working memory between samples.
#[derive(Debug)]
pub struct SampleRenderer {
    crop_width: u32,
    crop_height: u32,
    augment: Augment,
    decoder: Decoder,
    label_warp: LabelWarp,
    image_warp: ImageWarp,
    blur: Blur,
    level: Level,
    /// [3, H, W] of a band of the source.
    band: Vec<u8>,
}

impl SampleRenderer {
    /// A renderer of crops of one size and augmentation.
    #[must_use]
    pub fn new(crop_width: u32, crop_height: u32, augment: Augment) -> Self {
        Self {
            crop_width,
            crop_height,
            augment,
            decoder: Decoder::new(),
            label_warp: LabelWarp::default(),
            image_warp: ImageWarp::default(),
            blur: Blur::default(),
            level: Level::best(),
            band: Vec::new(),
        }
    }

    /// The renderer with the vector instructions of `level`, which change no pixel, instead of the
    /// best ones of the processor.
    #[must_use]
    pub fn with_level(self, level: Level) -> Self {
        Self { level, decoder: Decoder::with_level(level), ..self }
    }

    /// Renders one sample; all randomness comes from `key`. `on_stage` is called after each stage.
    ///
    /// Shapes: `planes` [3, crop_height, crop_width], `labels` [crop_height, crop_width].
    ///
    /// # Errors
    /// Those of the shard reader, which name file, sample and tile.
    ///
    /// # Panics
    /// If a buffer's length does not fit the crop.
    pub fn render(
        &mut self,
        (dataset, sample): (&Dataset, usize),
        key: SampleKey,
        planes: &mut [u8],
        labels: &mut [u8],
        on_stage: &mut dyn FnMut(Stage),
    ) -> Result<(), ReadError> {
        let pixels = self.crop_width as usize * self.crop_height as usize;
        assert_eq!((planes.len(), labels.len()), (3 * pixels, pixels), "buffers must fit the crop");
        let info = dataset.sample(sample);
        let source = (info.width, info.height);
        let crop = (self.crop_width, self.crop_height);
        let geometry = Geometry::draw(&self.augment, key, source, crop);

        let window = self.label_warp.aim(&geometry);
        let map = dataset.read_labels(sample, window, &mut self.decoder)?;
        let ignore_id = dataset.index().dataset.ignore_id;
        let source = (&map.train_ids[..], window);
        self.label_warp.run(self.level, &geometry, source, (labels, crop.0), ignore_id);
        on_stage(Stage::Labels);

        let window = self.image_warp.aim(&geometry, self.augment.image_filter);
        let (warp, level) = (&mut self.image_warp, self.level);
        let mut target = Target { geometry: &geometry, planes: &mut *planes, crop_width: crop.0 };
        target.blacken_padding();
        dataset.read_bands(sample, window, &mut self.decoder, &mut self.band, |band, pixels| {
            on_stage(Stage::Decode);
            warp.take_band(level, band, pixels, &mut target);
            on_stage(Stage::Resize);
        })?;

        if let Some(jitter) = JitterDraw::draw(&self.augment.jitter, key) {
            jitter.apply(self.level, planes);
        }
        on_stage(Stage::Jitter);
        if let Some(blur) = BlurDraw::draw(&self.augment, key) {
            self.blur.run((self.level, self.augment.mode), &blur, crop.0, planes);
        }
        on_stage(Stage::Blur);
        Ok(())
    }
}
