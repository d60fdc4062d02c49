//! One sample from shard to crop.

use shard_format::{DamagedTile, Dataset, Decoder, ReadError, Window};
use simd_level::Level;

use crate::augment::{
    Augment, Blur, BlurDraw, ClassBalanceDraw, CutoutDraw, Geometry, ImageWarp, JitterDraw,
    LabelWarp, Target,
};
use crate::random::SampleKey;
use crate::request::{Rendered, Request, covers, ignore_under};

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
    level: Level,
    /// The source's train ids under the crop.
    train_ids: Vec<u8>,
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
            train_ids: Vec::new(),
            band: Vec::new(),
        }
    }

    /// Changes the augmentation of the samples that follow.
    pub fn set_augment(&mut self, augment: Augment) {
        self.augment = augment;
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
        self.run(&Request::new(dataset, sample, key), planes, labels, on_stage).map(drop)
    }

    /// As [`render`](Self::render), under the request's conditions.
    pub(crate) fn run(
        &mut self,
        request: &Request<'_>,
        planes: &mut [u8],
        labels: &mut [u8],
        on_stage: &mut dyn FnMut(Stage),
    ) -> Result<Rendered, ReadError> {
        let Request { dataset, key, .. } = *request;
        let pixels = self.crop_width as usize * self.crop_height as usize;
        assert_eq!((planes.len(), labels.len()), (3 * pixels, pixels), "buffers must fit the crop");
        let ignore_id = dataset.index().dataset.ignore_id;
        let augment = self.augment;
        let extra = augment.extra;

        let (geometry, shown) = self.choose_crop(request, labels)?;
        let CropLabels { window: label_window, mut damaged } = shown;
        if covers(&damaged, label_window) {
            return Ok(Rendered::Lost(damaged));
        }
        on_stage(Stage::Labels);
        if request.is_stopped() {
            return Ok(Rendered::Stopped);
        }

        let window = self.image_warp.aim(&geometry, augment.image_filter);
        let (warp, level) = (&mut self.image_warp, self.level);
        let crop_width = self.crop_width;
        let mut target = Target { geometry: &geometry, planes: &mut *planes, crop_width };
        target.blacken_padding();
        let damaged_image =
            request.read_bands(window, &mut self.decoder, &mut self.band, |band, pixels| {
                on_stage(Stage::Decode);
                warp.take_band(level, band, pixels, &mut target);
                on_stage(Stage::Resize);
            })?;
        if !damaged_image.is_empty() {
            let nothing_is_left = covers(&damaged_image, window);
            ignore_under(&damaged_image, (label_window, ignore_id), &mut self.train_ids);
            let source = (&self.train_ids[..], label_window);
            self.label_warp.run(level, &geometry, source, (labels, crop_width), ignore_id);
            damaged.extend(damaged_image);
            // Image and labels may each lack what the other has.
            if nothing_is_left || labels.iter().all(|&train_id| train_id == ignore_id) {
                return Ok(Rendered::Lost(damaged));
            }
        }
        if request.is_stopped() {
            return Ok(Rendered::Stopped);
        }
        extra.paint(key, planes, self.crop_width);
        on_stage(Stage::Styles);
        if let Some(jitter) = JitterDraw::draw(&augment.jitter, key) {
            jitter.apply(level, planes);
        }
        on_stage(Stage::Jitter);
        if let Some(blur) = BlurDraw::draw(&augment, key) {
            self.blur.run((level, augment.mode), &blur, self.crop_width, planes);
        }
        on_stage(Stage::Blur);
        if let Some(cutout) = CutoutDraw::draw(&extra.cutout, key) {
            cutout.apply(planes, labels, self.crop_width, ignore_id);
            on_stage(Stage::Styles);
        }
        Ok(Rendered::Whole(damaged))
    }

    /// Draws a crop, again where its classes are out of balance, and renders its labels.
    fn choose_crop(
        &mut self,
        request: &Request<'_>,
        labels: &mut [u8],
    ) -> Result<(Geometry, CropLabels), ReadError> {
        let Request { dataset, sample, key, focus, .. } = *request;
        let info = dataset.sample(sample);
        let ignore_id = dataset.index().dataset.ignore_id;
        let augment = self.augment;
        let crop = (self.crop_width, self.crop_height);
        let mut geometry = Geometry::draw(&augment, key, ((info.width, info.height), crop), focus);
        let mut shown = self.render_labels(request, &geometry, labels)?;
        if let Some(balance) = ClassBalanceDraw::draw(&augment.extra.class_balanced_crop, key) {
            for other in balance.other_crops(&augment, geometry, (crop, focus)) {
                if balance.accepts(labels, ignore_id) {
                    break;
                }
                geometry = other;
                shown = self.render_labels(request, &geometry, labels)?;
            }
        }
        Ok((geometry, shown))
    }

    /// The labels of one crop alone.
    fn render_labels(
        &mut self,
        request: &Request<'_>,
        geometry: &Geometry,
        labels: &mut [u8],
    ) -> Result<CropLabels, ReadError> {
        let window = self.label_warp.aim(geometry);
        let damaged = request.read_labels(window, &mut self.decoder, &mut self.train_ids)?;
        let ignore_id = request.dataset.index().dataset.ignore_id;
        let (source, target) = ((&self.train_ids[..], window), (labels, self.crop_width));
        self.label_warp.run(self.level, geometry, source, target, ignore_id);
        Ok(CropLabels { window, damaged })
    }
}

/// The part of a label map that a crop shows.
struct CropLabels {
    window: Window,
    /// Tiles that are ignored in it.
    damaged: Vec<DamagedTile>,
}
