//! One sample from shard to crop.

use shard_format::{Dataset, Decoder, ReadError};

use crate::augment::{
    Augment, Blur, BlurDraw, ClassBalanceDraw, CutoutDraw, Geometry, ImageWarp, JitterDraw,
    LabelWarp,
};
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
    /// Weather, light, channel statistics and RandAugment before the jitter; CutOut after the blur.
    Styles,
    /// Colour jitter.
    Jitter,
    /// Gaussian blur.
    Blur,
}

impl Stage {
    /// All stages in order; a stage's place is `stage as usize`.
    pub const ALL: [Self; 6] =
        [Self::Labels, Self::Decode, Self::Resize, Self::Styles, Self::Jitter, Self::Blur];

    /// The stage's name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Labels => "labels",
            Self::Decode => "decode",
            Self::Resize => "resize",
            Self::Styles => "styles",
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
        }
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
        let ignore_id = dataset.index().dataset.ignore_id;
        let augment = self.augment;
        let extra = augment.extra;

        let mut geometry = Geometry::draw(&augment, key, source, crop);
        self.render_labels((dataset, sample), &geometry, labels)?;
        if let Some(balance) = ClassBalanceDraw::draw(&extra.class_balanced_crop, key) {
            for other in balance.other_crops(&augment, geometry, crop) {
                if balance.accepts(labels, ignore_id) {
                    break;
                }
                geometry = other;
                self.render_labels((dataset, sample), &geometry, labels)?;
            }
        }
        on_stage(Stage::Labels);

        let filter = augment.image_filter;
        let window = ImageWarp::window(&geometry, filter);
        let image = dataset.read_image(sample, window, &mut self.decoder)?;
        on_stage(Stage::Decode);
        self.image_warp.run((&geometry, filter), window, &image.pixels, crop.0, planes);
        on_stage(Stage::Resize);

        extra.paint(key, planes, crop.0);
        on_stage(Stage::Styles);
        if let Some(jitter) = JitterDraw::draw(&augment.jitter, key) {
            jitter.apply(planes);
        }
        on_stage(Stage::Jitter);
        if let Some(blur) = BlurDraw::draw(&augment, key) {
            self.blur.run(&blur, crop.0, planes);
        }
        on_stage(Stage::Blur);
        if let Some(cutout) = CutoutDraw::draw(&extra.cutout, key) {
            cutout.apply(planes, labels, crop.0, ignore_id);
            on_stage(Stage::Styles);
        }
        Ok(())
    }

    /// The labels of one crop alone.
    fn render_labels(
        &mut self,
        (dataset, sample): (&Dataset, usize),
        geometry: &Geometry,
        labels: &mut [u8],
    ) -> Result<(), ReadError> {
        let window = self.label_warp.aim(geometry);
        let map = dataset.read_labels(sample, window, &mut self.decoder)?;
        let ignore_id = dataset.index().dataset.ignore_id;
        self.label_warp.run(geometry, &map.train_ids, (self.crop_width, ignore_id), labels);
        Ok(())
    }
}
