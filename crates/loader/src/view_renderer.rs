//! One sample from shard to two views of the whole image.

use shard_format::{Decoder, ReadError, Window};
use simd_level::Level;

use crate::augment::{Augment, Blur, BlurDraw, JitterDraw};
use crate::renderer::Stage;
use crate::request::{Rendered, Request, covers};

/// Renders pairs of views; one per thread, since it keeps all working memory between samples.
#[derive(Debug)]
pub(crate) struct ViewRenderer {
    decoder: Decoder,
    blur: Blur,
    level: Level,
    /// [3, H, W] of a band of the image.
    band: Vec<u8>,
}

impl ViewRenderer {
    pub(crate) fn new() -> Self {
        let (decoder, blur) = (Decoder::new(), Blur::default());
        Self { decoder, blur, level: Level::best(), band: Vec::new() }
    }

    /// Renders the image as colour jitter and blur of `augment` leave it, and as it is.
    ///
    /// Shapes: `levels` becomes [2, 3, height, width].
    pub(crate) fn run(
        &mut self,
        request: &Request<'_>,
        augment: &Augment,
        levels: &mut Vec<u8>,
        on_stage: &mut dyn FnMut(Stage),
    ) -> Result<Rendered, ReadError> {
        let info = request.dataset.sample(request.sample);
        let window = Window { x: 0, y: 0, width: info.width, height: info.height };
        let (width, height) = (window.width as usize, window.height as usize);
        let pixels = width * height;
        levels.clear();
        levels.resize(2 * 3 * pixels, 0);
        let (strong, original) = levels.split_at_mut(3 * pixels);
        let damaged =
            request.read_bands(window, &mut self.decoder, &mut self.band, |band, source| {
                let (start, len) = (band.y as usize * width, band.height as usize * width);
                let planes = original.chunks_exact_mut(pixels).zip(source.chunks_exact(len));
                for (plane, source) in planes {
                    plane[start..start + len].copy_from_slice(source);
                }
            })?;
        on_stage(Stage::Decode);
        if covers(&damaged, window) {
            return Ok(Rendered::Lost(damaged));
        }
        if request.is_stopped() {
            return Ok(Rendered::Stopped);
        }
        strong.copy_from_slice(original);
        if let Some(jitter) = JitterDraw::draw(&augment.jitter, request.key) {
            jitter.apply(self.level, strong);
        }
        on_stage(Stage::Jitter);
        if let Some(blur) = BlurDraw::draw(augment, request.key) {
            self.blur.run((self.level, augment.mode), &blur, window.width, strong);
        }
        on_stage(Stage::Blur);
        Ok(Rendered::Whole(damaged))
    }
}
