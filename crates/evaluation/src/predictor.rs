//! A trained network, ready to predict.

use burn::tensor::{Device, Tensor};
use kernels::{PixelIds, upsampled_argmax};
use models::image;
use models::layout::tensor_from;
use models::memory::{self, Noise, ReadOptions};
use models::mode::{BatchStatistics, Plain};
use models::network::Network;
use models::pass::{Normalization, Pass};
use models::random::Stream;
use models::resize::resize_bilinear;

use crate::protocol::InferenceProtocol;

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
        let levels = image::planes_from_interleaved(pixels);
        let image = image::upload(&levels, [1, height, width], &self.device);
        if protocol.windows([height, width]).0.len() == 1 && !protocol.flip {
            let logits = self.coarse_logits(image, whole_image_noise(2 * index));
            return upsampled_argmax(logits, [height, width]);
        }
        let mut logits = self.window_logits(image.clone(), protocol, 2 * index);
        if protocol.flip {
            let mirrored = self.window_logits(image.flip([3]), protocol, 2 * index + 1);
            logits = logits + mirrored.flip([3]);
        }
        upsampled_argmax(logits, [height, width])
    }

    /// Averaged logits of all windows, `[1, K, H, W]`.
    fn window_logits(
        &self,
        image: Tensor<4>,
        protocol: InferenceProtocol,
        noise_index: u64,
    ) -> Tensor<4> {
        let [_, _, height, width] = image.dims();
        let (corners, [window_height, window_width]) = protocol.windows([height, width]);
        if corners.len() == 1 {
            return self.logits(image, whole_image_noise(noise_index));
        }
        let classes = self.network.config.classes;
        let mut sum = Tensor::zeros([1, classes, height, width], &self.device);
        let mut hits = vec![0.0; height * width];
        for (window, &[top, left]) in corners.iter().enumerate() {
            let (rows, columns) = (top..top + window_height, left..left + window_width);
            let part = image.clone().slice([0..1, 0..3, rows.clone(), columns.clone()]);
            let stream = Stream::new(window as u64, noise_index, "read noise");
            let region = [0..1, 0..classes, rows.clone(), columns.clone()];
            let added = sum.clone().slice(region.clone()) + self.logits(part, stream);
            sum = sum.slice_assign(region, added);
            for row in rows {
                for hit in &mut hits[row * width..][columns.clone()] {
                    *hit += 1.0;
                }
            }
        }
        let hits = tensor_from(&hits, &self.device, sum.dtype()).reshape([1, 1, height, width]);
        sum / hits
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

/// The read noise of an image that is one window.
fn whole_image_noise(noise_index: u64) -> Stream {
    Stream::new(0, noise_index, "read noise")
}
