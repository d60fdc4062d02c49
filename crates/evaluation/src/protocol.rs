//! How an image becomes a prediction: whole, or by sliding windows, with or without flip.

use std::collections::BTreeMap;

use crate::scores;

/// The protocols' names, for messages.
pub const NAMES: &str = "\"whole\", \"sliding\" or \"sliding-flip\"";

/// Share of a window that its neighbour does not overlap: the reference overlaps by a third.
const STRIDE_SHARE: f64 = 2.0 / 3.0;

/// One way to evaluate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InferenceProtocol {
    /// Window `[height, width]` in pixels, shrunk to smaller images; `None` takes the whole image.
    pub window: Option<[u32; 2]>,
    /// Whether the logits of the mirrored image are added.
    pub flip: bool,
}

impl InferenceProtocol {
    /// The protocol of that name, with `window` where it slides.
    #[must_use]
    pub fn named(name: &str, window: [u32; 2]) -> Option<Self> {
        match name {
            // The reference's validation during training.
            "whole" => Some(Self { window: None, flip: false }),
            "sliding" => Some(Self { window: Some(window), flip: false }),
            // The reference's evaluation script, with a window of 768.
            "sliding-flip" => Some(Self { window: Some(window), flip: true }),
            _ => None,
        }
    }

    /// The name that [`InferenceProtocol::named`] takes.
    #[must_use]
    pub fn name(self) -> &'static str {
        match (self.window, self.flip) {
            (None, _) => "whole",
            (Some(_), false) => "sliding",
            (Some(_), true) => "sliding-flip",
        }
    }

    /// What `eval.json` and the report say of it.
    #[must_use]
    pub fn describe(self) -> scores::Protocol {
        let mut parameters = BTreeMap::from([
            ("flip".to_owned(), self.flip.into()),
            ("scales".to_owned(), vec![1.0].into()),
        ]);
        let how = match self.window {
            None => "The whole image in one forward pass, at scale 1.".to_owned(),
            Some([height, width]) => {
                parameters.insert("window".to_owned(), vec![height, width].into());
                parameters.insert("overlap".to_owned(), (1.0 - STRIDE_SHARE).into());
                format!(
                    "Windows of {width} x {height} pixels that overlap by a third; the logits of \
                     overlapping windows are averaged."
                )
            }
        };
        let flip =
            if self.flip { " Logits are averaged with those of the mirrored image." } else { "" };
        let description = format!(
            "{how}{flip} mIoU is the mean over the classes that occur in truth or prediction; \
             pixels with the ignore id do not count."
        );
        scores::Protocol { name: self.name().to_owned(), description, parameters }
    }

    /// Top left corners and size of the windows of an image, in pixels.
    ///
    /// The last window of a row or column is shifted inside. Source: `sliding` in `eval.py`.
    #[must_use]
    pub fn windows(self, [height, width]: [usize; 2]) -> (Vec<[usize; 2]>, [usize; 2]) {
        let size = match self.window {
            None => [height, width],
            Some([h, w]) => [(h as usize).min(height), (w as usize).min(width)],
        };
        let rows = offsets(height, size[0]);
        let columns = offsets(width, size[1]);
        let corners = rows.iter().flat_map(|&y| columns.iter().map(move |&x| [y, x])).collect();
        (corners, size)
    }
}

fn offsets(length: usize, window: usize) -> Vec<usize> {
    let stride = ((window as f64 * STRIDE_SHARE).ceil() as usize).max(1);
    let count = (length - window).div_ceil(stride) + 1;
    (0..count).map(|i| (i * stride).min(length - window)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_cover_a_frame_as_in_the_reference() {
        let protocol = InferenceProtocol::named("sliding", [768, 768]).unwrap();
        let (corners, size) = protocol.windows([1024, 2048]);
        assert_eq!(size, [768, 768]);
        // Stride 512: rows 0 and 256, columns 0, 512, 1024 and 1280.
        assert_eq!(corners.len(), 8);
        assert_eq!(corners[0], [0, 0]);
        assert_eq!(corners[7], [256, 1280]);
    }

    #[test]
    fn a_window_larger_than_the_image_is_the_image() {
        let protocol = InferenceProtocol::named("sliding-flip", [768, 768]).unwrap();
        assert_eq!(protocol.windows([100, 800]).1, [100, 768]);
    }

    #[test]
    fn every_name_names_its_protocol() {
        for name in ["whole", "sliding", "sliding-flip"] {
            assert_eq!(InferenceProtocol::named(name, [8, 8]).unwrap().name(), name);
        }
        assert_eq!(InferenceProtocol::named("pooling", [8, 8]), None);
    }
}
