//! Keeps blocks of remote shards on the local disk, for this process and others.
//!
//! `KEY/NUMBER` holds block NUMBER of the object version KEY, `incoming/` what is being written,
//! and `size` how many bytes the blocks take. Files of other names are somebody else's and stay.
//! Reading takes no lock: a file appears by renaming, carries checksums, and may vanish at any
//! time. Adding and deleting take a lock on `size`. No failure here fails a read.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::cache_block::{self, HEADER_BYTES};
use super::cache_names;
use super::cache_size::{self, Total};
use super::flights::BlockId;
use crate::stats::Counters;

/// Blocks are marked as used no oftener than this.
const USE_MARK_INTERVAL: Duration = Duration::from_secs(30);
/// How long a block waits for its turn to be added before it is given up; only a process that was
/// stopped in its turn holds others up that long.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);

/// A folder of blocks, bounded in size.
#[derive(Debug)]
pub(crate) struct DiskCache {
    dir: PathBuf,
    /// Most bytes of all blocks together.
    limit: u64,
    /// Whether blocks are added; turned off by the first failure.
    writable: AtomicBool,
    /// Whether this process has counted the folder's bytes itself.
    counted: AtomicBool,
    written: AtomicU64,
    counters: Arc<Counters>,
}

impl DiskCache {
    /// The cache in `dir`, which is created when the first block is added.
    pub(crate) fn new(dir: PathBuf, limit: u64, counters: Arc<Counters>) -> Self {
        Self {
            dir,
            limit,
            writable: AtomicBool::new(true),
            counted: AtomicBool::new(false),
            written: AtomicU64::new(0),
            counters,
        }
    }

    /// Copies the bytes in `within` of a block of `length` bytes to `target`, as long; `false`
    /// where the cache does not hold the block unharmed.
    pub(crate) fn read(
        &self,
        id: BlockId,
        length: usize,
        within: Range<usize>,
        target: &mut [u8],
    ) -> bool {
        let path = self.path(id);
        let Ok(file) = File::open(&path) else { return false };
        if !cache_block::read(&file, length, within, target).unwrap_or(false) {
            tracing::debug!(path = %path.display(), "damaged block deleted");
            self.counters.blocks_dropped.add(1);
            fs::remove_file(&path).unwrap_or_else(|error| {
                tracing::debug!(path = %path.display(), %error, "damaged block stays");
            });
            return false;
        }
        mark_used(&file).unwrap_or_else(|error| {
            tracing::debug!(path = %path.display(), %error, "use not marked");
        });
        true
    }

    /// Whether there is a file for the block.
    pub(crate) fn contains(&self, id: BlockId) -> bool {
        fs::exists(self.path(id)).unwrap_or(false)
    }

    /// Adds a block and deletes those used longest ago where it takes that.
    pub(crate) fn store(&self, id: BlockId, block: &[u8]) {
        let bytes = HEADER_BYTES + block.len() as u64;
        if bytes > self.limit || !self.writable.load(Ordering::Relaxed) {
            return;
        }
        if let Err((path, error)) = self.add(&self.path(id), block, bytes)
            && self.writable.swap(false, Ordering::Relaxed)
        {
            tracing::warn!(
                path = %path.display(), %error,
                "the disk cache cannot be written, going on without; hint: free space, or set PINMEM_CACHE_DIR or PINMEM_CACHE_GIB"
            );
        }
    }

    fn add(&self, path: &Path, block: &[u8], bytes: u64) -> Result<(), (PathBuf, io::Error)> {
        let incoming = self.dir.join(cache_names::INCOMING);
        fs::create_dir_all(&incoming).map_err(|error| (incoming.clone(), error))?;
        let (temporary, file) = self.temporary(&incoming)?;
        let added = self.fill_and_publish(file, &temporary, path, block, bytes);
        if !matches!(added, Ok(true)) {
            fs::remove_file(&temporary).map_err(|error| (temporary, error))?;
        }
        added.map(|_| ()).map_err(|error| (path.to_owned(), error))
    }

    /// A file that no other thread, process or machine writes.
    fn temporary(&self, incoming: &Path) -> Result<(PathBuf, File), (PathBuf, io::Error)> {
        loop {
            let number = self.written.fetch_add(1, Ordering::Relaxed);
            let path = incoming.join(cache_names::incoming(process::id(), number));
            match File::create_new(&path) {
                Ok(file) => return Ok((path, file)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err((path, error)),
            }
        }
    }

    /// Whether the block was added; not where another process was quicker or holds the lock.
    fn fill_and_publish(
        &self,
        mut file: File,
        temporary: &Path,
        path: &Path,
        block: &[u8],
        bytes: u64,
    ) -> io::Result<bool> {
        // Without a sync: after a crash the checksums tell whether the block is whole.
        cache_block::write(&mut file, block)?;
        let Some(size_file) = self.lock()? else { return Ok(false) };
        if fs::exists(path)? {
            return Ok(false);
        }
        let mut total = match cache_size::load(&size_file)? {
            Some(total) if self.counted.load(Ordering::Relaxed) => total,
            _ => cache_size::count(&self.dir)?.0,
        };
        self.counted.store(true, Ordering::Relaxed);
        if total.0.saturating_add(bytes) > self.limit {
            // A tenth more than needed, because counting a large folder takes its time.
            total = cache_size::shrink(&self.dir, self.limit - bytes - (self.limit - bytes) / 10)?;
        }
        // Counted before it is there: a process killed in between leaves the cache too small
        // rather than too large.
        cache_size::save(&size_file, Total(total.0.saturating_add(bytes)))?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::rename(temporary, path)?;
        Ok(true)
    }

    /// The file `size`, locked until it is closed; `None` where others keep it locked too long.
    fn lock(&self) -> io::Result<Option<File>> {
        let path = self.dir.join(cache_names::SIZE);
        let file =
            File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        let start = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Some(file)),
                Err(TryLockError::Error(error)) => return Err(error),
                Err(TryLockError::WouldBlock) if start.elapsed() > LOCK_PATIENCE => {
                    return Ok(None);
                }
                Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    fn path(&self, id: BlockId) -> PathBuf {
        self.dir.join(cache_names::block(id))
    }
}

#[expect(clippy::disallowed_methods, reason = "the time orders the cache and decides no result")]
fn mark_used(file: &File) -> io::Result<()> {
    let now = SystemTime::now();
    let last = file.metadata()?.modified()?;
    if now.duration_since(last).is_ok_and(|age| age < USE_MARK_INTERVAL) {
        return Ok(());
    }
    file.set_modified(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OBJECT: [u8; 32] = [7; 32];
    const LENGTH: usize = 1000;
    const FILE_BYTES: u64 = HEADER_BYTES + LENGTH as u64;

    fn cache(dir: &Path, blocks: u64) -> DiskCache {
        DiskCache::new(dir.to_owned(), blocks * FILE_BYTES, Arc::default())
    }

    fn holds(cache: &DiskCache, number: u64) -> bool {
        let mut target = vec![0; LENGTH];
        let held = cache.read((OBJECT, number), LENGTH, 0..LENGTH, &mut target);
        assert!(!held || target == vec![number as u8; LENGTH]);
        held
    }

    fn store(cache: &DiskCache, number: u64) {
        cache.store((OBJECT, number), &vec![number as u8; LENGTH]);
    }

    /// Pretends that a block was used `hours` ago.
    fn age(cache: &DiskCache, number: u64, hours: u64) {
        age_file(&cache.path((OBJECT, number)), hours);
    }

    fn age_file(path: &Path, hours: u64) {
        let file = File::open(path).unwrap();
        let modified = file.metadata().unwrap().modified().unwrap();
        file.set_modified(modified - Duration::from_secs(3600 * hours)).unwrap();
    }

    #[test]
    fn the_block_used_longest_ago_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache(folder.path(), 10);
        for number in 0..10 {
            store(&cache, number);
            age(&cache, number, 20 - number);
        }
        assert!(holds(&cache, 0));
        store(&cache, 10);
        let held: Vec<u64> = (0..11).filter(|number| holds(&cache, *number)).collect();
        // Two went, one for the new block and one for the slack; 0 had just been used.
        assert_eq!(held, [0, 3, 4, 5, 6, 7, 8, 9, 10]);
    }

    #[test]
    fn the_bound_holds_over_many_blocks_and_two_caches_in_one_folder() {
        let folder = tempfile::tempdir().unwrap();
        let caches = [cache(folder.path(), 5), cache(folder.path(), 5)];
        for number in 0..40 {
            store(&caches[number as usize % 2], number);
            let (total, _) = cache_size::count(folder.path()).unwrap();
            assert!(total.0 <= 5 * FILE_BYTES && total.0 >= FILE_BYTES, "{total:?} at {number}");
        }
    }

    #[test]
    fn a_lost_or_altered_size_file_is_counted_anew() {
        let folder = tempfile::tempdir().unwrap();
        // A sum at the end of the range, with the right checksum.
        let forged = [[255; 8].as_slice(), &crc32c::crc32c(&[255; 8]).to_le_bytes()].concat();
        for damage in [&b""[..], b"0", &[0; 12], &[255; 100], &forged] {
            let cache = cache(folder.path(), 4);
            (0..4).for_each(|number| store(&cache, number));
            let (total, _) = cache_size::count(folder.path()).unwrap();
            assert!(total.0 >= FILE_BYTES, "{total:?}");
            fs::write(folder.path().join("size"), damage).unwrap();
            (4..8).for_each(|number| store(&cache, number));
            assert!(holds(&cache, 7));
            let (total, _) = cache_size::count(folder.path()).unwrap();
            assert!(total.0 <= 4 * FILE_BYTES, "{total:?}");
        }
    }

    #[test]
    fn a_damaged_block_is_deleted_and_can_be_stored_again() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache(folder.path(), 4);
        store(&cache, 1);
        File::options().write(true).open(cache.path((OBJECT, 1))).unwrap().set_len(90).unwrap();
        assert!(!holds(&cache, 1));
        assert!(!cache.contains((OBJECT, 1)));
        assert_eq!(cache.counters.stats().blocks_dropped, 1);
        store(&cache, 1);
        assert!(holds(&cache, 1));
    }

    #[test]
    fn leftovers_of_an_hour_ago_are_swept_and_younger_ones_stay() {
        let folder = tempfile::tempdir().unwrap();
        let incoming = folder.path().join("incoming");
        fs::create_dir(&incoming).unwrap();
        let [old, young] = [0, 1].map(|number| incoming.join(cache_names::incoming(1, number)));
        for (path, hours) in [(&old, 2), (&young, 0)] {
            fs::write(path, "").unwrap();
            age_file(path, hours);
        }
        store(&cache(folder.path(), 4), 1);
        assert!(!old.exists());
        assert!(young.exists());
    }

    #[test]
    fn files_of_others_in_the_folder_are_neither_counted_nor_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let object = cache_names::block((OBJECT, 0)).parent().unwrap().to_owned();
        let in_object = |name: &str| object.join(name);
        let others = [
            "7".into(),
            "index.json".into(),
            "toy/toy-00000.shard".into(),
            "toy/0".into(),
            PathBuf::from("AB".repeat(32)).join("0"),
            PathBuf::from("ab".repeat(31)).join("0"),
            in_object("notes.txt"),
            in_object("0007"),
            in_object("99/inner"),
            "incoming/2026-07".into(),
            "incoming/1/2-3.block".into(),
        ]
        .map(|path| folder.path().join(path));
        for path in &others {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, [1; 3 * FILE_BYTES as usize]).unwrap();
            // Older than every block, so that they would go first.
            age_file(path, 10_000);
        }
        let cache = cache(folder.path(), 3);
        for number in 0..20 {
            store(&cache, number);
            assert!(holds(&cache, number));
        }
        let (total, _) = cache_size::count(folder.path()).unwrap();
        assert!(total.0 <= 3 * FILE_BYTES, "{total:?}");
        for path in &others {
            let length = fs::metadata(path).map(|metadata| metadata.len()).ok();
            assert_eq!(length, Some(3 * FILE_BYTES), "{}", path.display());
        }
    }

    #[test]
    fn a_cache_that_cannot_be_written_keeps_silent() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let cache = cache(&folder.path().join("file/cache"), 4);
        store(&cache, 1);
        assert!(!holds(&cache, 1));
        assert!(!cache.writable.load(Ordering::Relaxed));
    }

    #[test]
    fn a_block_that_cannot_be_added_in_time_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache(folder.path(), 4);
        store(&cache, 1);
        let lock = cache.lock().unwrap().unwrap();
        store(&cache, 2);
        drop(lock);
        assert!(!cache.contains((OBJECT, 2)));
        assert_eq!(fs::read_dir(folder.path().join("incoming")).unwrap().count(), 0);
        store(&cache, 2);
        assert!(holds(&cache, 2));
    }
}
