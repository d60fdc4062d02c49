//! A trained network, ready to predict.

use burn::tensor::{Device, Tensor};
use kernels::{PixelIds, upsampled_argmax};
use models::image;
use models::memory::{self, Noise, ReadOptions};
use models::mode::{BatchStatistics, Plain};
use models::network::Network;
use models::pass::{Normalization, Pass};
use models::random::Stream;
use models::resize::resize_bilinear;

use crate::protocol::InferenceProtocol;
use crate::stitched::Stitched;

/// How the memory is read in evaluation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReadSettings {
    /// Divides the scores before the softmax.
    pub temperature: f64,
    /// Seed of Gumbel noise (the released code reads with noise in evaluation too).
    pub gumbel_seed: Option<u64>,
}

/// A network with its weights on a device.
#[derive(Clone, Debug)]
pub struct Predictor {
    /// Sizes and names.
    pub network: Network,
    /// Parameters in the layout's order.
    pub parameters: Vec<Tensor<1>>,
    /// Running statistics in the layout's order.
    pub statistics: Vec<BatchStatistics>,
    /// The memory, if the network has one.
    pub memory: Option<Tensor<2>>,
    /// How it is read.
    pub read: ReadSettings,
    /// Where the weights are.
    pub device: Device,
}

impl Predictor {
    /// Train ids of an image, `[1, H, W]`; `pixels` is `[H, W, 3]` interleaved.
    ///
    /// `index` numbers the image for the noise of a Gumbel read.
    ///
    /// # Panics
    /// If `pixels` is not of that size, or the device fails.
    #[must_use]
    pub fn predict(
        &self,
        pixels: &[u8],
        [height, width]: [usize; 2],
        (protocol, index): (InferenceProtocol, u64),
    ) -> PixelIds {
        assert_eq!(pixels.len(), 3 * height * width, "RGB levels of [{height}, {width}]");
        let (corners, window) = protocol.windows([height, width]);
        // Windows are cut on the host: a whole image can be more than the device binds at once.
        let windows = |mirrored: bool, noise_index| -> Vec<Tensor<4>> {
            let parts = corners.iter().enumerate().map(|(number, &[top, left])| {
                let left = if mirrored { width - window[1] - left } else { left };
                let levels =
                    image::planes_from_interleaved(&cut(pixels, width, [top, left], window));
                let image = image::upload(&levels, [1, window[0], window[1]], &self.device);
                let image = if mirrored { image.flip([3]) } else { image };
                let noise = Stream::new(number as u64, noise_index, "read noise");
                self.coarse_logits(image, noise)
            });
            parts.collect()
        };
        let mut logits = windows(false, 2 * index);
        if logits.len() == 1 && !protocol.flip {
            return upsampled_argmax(logits.remove(0), [height, width]);
        }
        let mirrored = protocol.flip.then(|| windows(true, 2 * index + 1));
        Stitched { size: [height, width], corners, window, logits, mirrored }.predict()
    }

    /// Logits of `[B, 3, H, W]` at its own resolution, `[B, K, H, W]`.
    #[must_use]
    pub fn logits(&self, image: Tensor<4>, noise: Stream) -> Tensor<4> {
        let [_, _, height, width] = image.dims();
        resize_bilinear::<Plain>(self.coarse_logits(image, noise), [height, width])
    }

    /// Logits of `[B, 3, H, W]` at the resolution of the network's last layer, `[B, K, h, w]`.
    fn coarse_logits(&self, image: Tensor<4>, noise: Stream) -> Tensor<4> {
        let mut pass = Pass::<Plain>::new(
            &self.network.layout,
            self.parameters.clone(),
            &self.statistics,
            Normalization::Running,
        );
        let encoded = self.network.encode(&mut pass, image);
        let feature = match &self.memory {
            None => encoded.feature,
            Some(slots) => {
                let options = self.read_options(noise);
                memory::read(&mut pass, encoded.feature, slots.clone(), &options).feature
            }
        };
        self.network.decode(&mut pass, encoded.skips, feature)
    }

    fn read_options(&self, stream: Stream) -> ReadOptions {
        let noise = match self.read.gumbel_seed {
            Some(seed) => Stream::new(seed, stream.bits(0), "evaluation").read_noise(),
            None => Noise::None,
        };
        ReadOptions { temperature: self.read.temperature, noise }
    }
}

/// A window of interleaved pixels of rows of `width`.
fn cut(
    pixels: &[u8],
    width: usize,
    [top, left]: [usize; 2],
    [height, window_width]: [usize; 2],
) -> Vec<u8> {
    let rows = pixels.chunks_exact(3 * width.max(1)).skip(top).take(height);
    rows.flat_map(|row| &row[3 * left..3 * (left + window_width)]).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_cut_row_by_row() {
        // Rows of four pixels, whose number all three channels hold.
        let pixels: Vec<u8> = (0..12).flat_map(|pixel| [pixel; 3]).collect();
        let expected: Vec<u8> = [5, 6, 9, 10].into_iter().flat_map(|pixel| [pixel; 3]).collect();
        assert_eq!(cut(&pixels, 4, [1, 1], [2, 2]), expected);
        assert_eq!(cut(&pixels, 4, [0, 0], [3, 4]), pixels);
    }
}
