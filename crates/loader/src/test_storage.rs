//! A dataset of one sample whose reads can be held up.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};

use shard_format::{
    Access, Dataset, DatasetInfo, DatasetWriter, Folder, LabelMap, Preset, RgbImage, SampleMeta,
    ShardFile, Storage, WriterOptions, encode_sample,
};
use shard_store::StoreCounters;

use crate::domain::Domain;
use crate::options::StreamSource;

/// Shut, it holds up whoever reads a shard.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    is_shut: Mutex<bool>,
    changed: Condvar,
}

impl Gate {
    pub(crate) fn set_shut(&self, is_shut: bool) {
        *self.is_shut.lock().unwrap() = is_shut;
        self.changed.notify_all();
    }

    fn pass(&self) {
        let is_shut = self.is_shut.lock().unwrap();
        drop(self.changed.wait_while(is_shut, |is_shut| *is_shut).unwrap());
    }
}

/// A domain "one" with the sample "a", 8x8 pixels large.
pub(crate) fn one_sample_domain() -> (Arc<Domain>, StreamSource, Arc<Gate>) {
    let folder = tempfile::tempdir().unwrap();
    pack(folder.path());
    let gate = Arc::<Gate>::default();
    let storage = GatedStorage {
        folder: Folder { dir: folder.path().to_owned(), access: Access::Read },
        gate: Arc::clone(&gate),
    };
    // Open files outlive the folder.
    let dataset = Dataset::open_in(Arc::new(storage)).unwrap();
    let path = PathBuf::from("far/away");
    let datasets = vec![(path.clone(), dataset, StoreCounters::default())];
    let domain = Arc::new(Domain::new("one".to_owned(), datasets));
    (domain, StreamSource::new("one", vec![path], 1), gate)
}

fn pack(folder: &Path) {
    let info = DatasetInfo {
        name: "one".to_owned(),
        split: "train".to_owned(),
        domain: "one".to_owned(),
        class_names: vec!["road".to_owned()],
        ignore_id: 255,
        mapping: "none".to_owned(),
        license: "none".to_owned(),
    };
    let mut writer = DatasetWriter::create(folder, info, WriterOptions::default()).unwrap();
    let image = RgbImage { width: 8, height: 8, pixels: (0..8 * 8 * 3).collect() };
    let labels = LabelMap { width: 8, height: 8, train_ids: vec![0; 8 * 8] };
    let meta = SampleMeta { id: "a".into(), domain: "one".into(), ..SampleMeta::default() };
    writer.push(encode_sample(&meta, &image, &labels, Preset::Fast).unwrap()).unwrap();
    writer.finish().unwrap();
}

#[derive(Debug)]
struct GatedStorage {
    folder: Folder,
    gate: Arc<Gate>,
}

impl Storage for GatedStorage {
    fn location(&self, file: &str) -> PathBuf {
        self.folder.location(file)
    }

    fn read(&self, file: &str, limit: u64) -> io::Result<Vec<u8>> {
        self.folder.read(file, limit)
    }

    fn open(&self, file: &str) -> io::Result<Box<dyn ShardFile>> {
        let (file, gate) = (self.folder.open(file)?, Arc::clone(&self.gate));
        Ok(Box::new(GatedFile { file, gate }))
    }
}

#[derive(Debug)]
struct GatedFile {
    file: Box<dyn ShardFile>,
    gate: Arc<Gate>,
}

impl ShardFile for GatedFile {
    fn length(&self) -> u64 {
        self.file.length()
    }

    fn mapped(&self) -> Option<&[u8]> {
        None
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.gate.pass();
        self.file.read_at(offset, buffer)
    }
}
