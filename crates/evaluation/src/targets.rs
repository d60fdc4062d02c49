//! A predictor on the shards of one target: scores and some pictures.

use std::path::{Path, PathBuf};

use kernels::PixelIds;
use shard_format::{Dataset, Decoder, ReadError};
use shard_store::{StoreError, StoreOptions};

use crate::device_counts::{DeviceCounts, NotFinite};
use crate::device_limit::{DeviceLimit, TooLarge};
use crate::predictor::Predictor;
use crate::protocol::InferenceProtocol;
use crate::report::SamplePicture;
use crate::scores::TargetScore;
use crate::view::View;

/// What can go wrong while evaluating.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluationError {
    /// The target cannot be opened.
    #[error(transparent)]
    Open(#[from] StoreError),
    /// A shard cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The target has other classes than the model.
    #[error(
        "{}: classes are [{}], the model was trained on [{}]; hint: pack the target with the same \
         class list", path.display(), found.join(", "), expected.join(", ")
    )]
    Classes {
        /// The target.
        path: PathBuf,
        /// Its classes.
        found: Vec<String>,
        /// The model's.
        expected: Vec<String>,
    },
    /// The network's scores of an image are no numbers to choose a class by.
    #[error(
        "{}: image {image}: {pixels} of {of} pixels have a score that is NaN or infinite, expected \
         finite scores; hint: the run diverged or its weights are damaged: train it with a lower \
         schedule.learning_rate, or take another checkpoint", path.display()
    )]
    NotFinite {
        /// The target.
        path: PathBuf,
        /// The first such image.
        image: String,
        /// How many of its pixels have such a score.
        pixels: usize,
        /// How many pixels it has.
        of: usize,
    },
    /// A map of the network on an image, or on a window of it, is more than the device can hold.
    #[error(
        "{}: image {image}: on {} x {} pixels the network has a map of {found} bytes, expected at \
         most {limit}, which the device binds at once; hint: a protocol with windows, or smaller \
         ones (eval --protocol sliding --window PIXELS), or --device cpu",
        path.display(), window[1], window[0]
    )]
    TooLarge {
        /// The target.
        path: PathBuf,
        /// The first such image.
        image: String,
        /// Height and width of what the network sees at once.
        window: [usize; 2],
        /// Bytes of the map.
        found: u64,
        /// What the device binds.
        limit: u64,
    },
    /// The target holds no sample.
    #[error("{}: no sample to evaluate on", path.display())]
    Empty {
        /// The target.
        path: PathBuf,
    },
}

/// One opened target.
pub struct Target {
    /// Name in tables: domain and split.
    pub name: String,
    path: PathBuf,
    dataset: Dataset,
    classes: usize,
    view: View,
}

impl Target {
    /// Opens the dataset at `dir`, a folder or a URL, and checks that its classes are `classes`.
    ///
    /// # Errors
    /// If it is not a dataset, is empty or has other classes.
    pub fn open(
        dir: &Path,
        classes: &[String],
        store: &StoreOptions,
    ) -> Result<Self, EvaluationError> {
        let dataset = shard_store::open(dir, store)?;
        let info = &dataset.index().dataset;
        if info.class_names != classes {
            return Err(EvaluationError::Classes {
                path: dir.to_owned(),
                found: info.class_names.clone(),
                expected: classes.to_vec(),
            });
        }
        if dataset.len() == 0 {
            return Err(EvaluationError::Empty { path: dir.to_owned() });
        }
        let name = format!("{} {}", info.domain, info.split);
        let (path, classes) = (dir.to_owned(), classes.len());
        Ok(Self { name, path, dataset, classes, view: View::default() })
    }

    /// The same target, `view` of each of whose images is scored.
    #[must_use]
    pub fn with_view(self, view: View) -> Self {
        Self { view, ..self }
    }

    /// What of each of its images is scored.
    #[must_use]
    pub fn view(&self) -> View {
        self.view
    }

    /// Number of images.
    #[must_use]
    pub fn len(&self) -> usize {
        self.dataset.len()
    }

    /// Whether there is no image; never, for an opened target.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.dataset.len() == 0
    }

    /// Positions of `count` images spread evenly over the target.
    #[must_use]
    pub fn spread(&self, count: usize) -> Vec<usize> {
        let count = count.min(self.len());
        (0..count).map(|i| (2 * i + 1) * self.len() / (2 * count)).collect()
    }

    /// Scores of `predictor` over all images.
    ///
    /// `on_prediction` is called after each image with its position and prediction, whose pixels
    /// with a score that is not finite have the id [`kernels::NO_CLASS`]. That there are such pixels
    /// is noticed some images later, when counts are fetched from the device.
    ///
    /// # Errors
    /// If a shard cannot be read, a map of the network is more than the device can hold, or a score of
    /// an image is NaN or infinite.
    pub fn score(
        &self,
        predictor: &Predictor,
        protocol: InferenceProtocol,
        on_prediction: &mut dyn FnMut(usize, &PixelIds),
    ) -> Result<TargetScore, EvaluationError> {
        let ignore_id = self.dataset.index().dataset.ignore_id;
        let mut decoder = Decoder::new();
        let mut counts = DeviceCounts::new(self.classes, &predictor.device);
        let mut limit = DeviceLimit::new(kernels::binding_bytes(&predictor.device));
        for index in 0..self.len() {
            let (image, labels) = self.view.read(&self.dataset, index, &mut decoder)?;
            let size = [image.height as usize, image.width as usize];
            let (_, window) = protocol.windows(size);
            limit
                .check(&predictor.network, window)
                .map_err(|found| self.too_large(index, window, found))?;
            let prediction = predictor.predict(&image.pixels, size, (protocol, index as u64));
            counts
                .add(index, &labels.train_ids, &prediction, ignore_id)
                .map_err(|found| self.not_finite(found))?;
            on_prediction(index, &prediction);
        }
        let confusion = counts.finish().map_err(|found| self.not_finite(found))?;
        Ok(TargetScore::new(self.name.clone(), self.len() as u64, confusion))
    }

    fn too_large(
        &self,
        index: usize,
        window: [usize; 2],
        TooLarge { found, limit }: TooLarge,
    ) -> EvaluationError {
        let (path, image) = (self.path.clone(), self.dataset.sample(index).id.clone());
        EvaluationError::TooLarge { path, image, window, found, limit }
    }

    fn not_finite(&self, NotFinite { index, pixels, of }: NotFinite) -> EvaluationError {
        let (path, image) = (self.path.clone(), self.dataset.sample(index).id.clone());
        EvaluationError::NotFinite { path, image, pixels, of }
    }

    /// The picture of one image, without predictions.
    ///
    /// # Errors
    /// If a shard cannot be read.
    pub fn picture(&self, index: usize) -> Result<SamplePicture, EvaluationError> {
        let (image, labels) = self.view.read(&self.dataset, index, &mut Decoder::new())?;
        Ok(SamplePicture {
            id: self.dataset.sample(index).id.clone(),
            target: self.name.clone(),
            width: image.width,
            height: image.height,
            rgb: image.pixels,
            truth: labels.train_ids,
            predictions: Vec::new(),
        })
    }
}
