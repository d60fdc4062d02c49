//! Names of the folders and files in the disk cache.
//!
//! Whatever is called otherwise belongs to somebody else: it is neither counted nor deleted.

use std::ffi::OsStr;
use std::path::PathBuf;

use super::flights::BlockId;

/// Folder of the cache in the one that the user names, which may hold other things.
pub(crate) const CACHE_FOLDER: &str = "remote-blocks";

/// Folder of the blocks being written.
pub(crate) const INCOMING: &str = "incoming";

/// The file that holds the sum of all blocks' sizes.
pub(crate) const SIZE: &str = "size";

/// Where a block lies in the cache.
pub(crate) fn block((object, block): BlockId) -> PathBuf {
    let object = blake3::Hash::from_bytes(object).to_hex();
    [object.as_str(), &block.to_string()].iter().collect()
}

/// Whether a folder of this name holds blocks: 64 lower-case hexadecimal digits.
pub(crate) fn is_object(folder: &OsStr) -> bool {
    let name = folder.as_encoded_bytes();
    name.len() == 64 && name.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether a file of this name in such a folder is a block: a decimal number.
pub(crate) fn is_block(file: &OsStr) -> bool {
    file.to_str().is_some_and(is_number)
}

/// The file in which a process writes its block `number`.
pub(crate) fn incoming(process: u32, number: u64) -> String {
    format!("{process}-{number}.block")
}

/// Whether a file in `incoming` has a name that [`incoming`] gives.
pub(crate) fn is_incoming(file: &OsStr) -> bool {
    let numbers = file.to_str().and_then(|name| name.strip_suffix(".block")?.split_once('-'));
    numbers.is_some_and(|(process, number)| is_number(process) && is_number(number))
}

/// Whether `text` is a number as [`u64`] is written.
fn is_number(text: &str) -> bool {
    text.parse::<u64>().is_ok_and(|number| number.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_written_are_told_from_all_others() {
        let path = block(([0xc7; 32], 12));
        assert!(is_object(path.parent().unwrap().as_os_str()));
        assert!(is_block(path.file_name().unwrap()));
        assert!(is_incoming(incoming(41, 0).as_ref()));
        for other in [&"c7".repeat(31), &"C7".repeat(32), &"g7".repeat(32), INCOMING, "toy"] {
            assert!(!is_object(other.as_ref()), "{other}");
        }
        for other in ["", "007", "+7", "7.shard", "index.json", "18446744073709551616"] {
            assert!(!is_block(other.as_ref()), "{other}");
        }
        for other in ["2026-07", "2026-07.block", "a-1.block", "1.block", "1-2-3.block", "1-2"] {
            assert!(!is_incoming(other.as_ref()), "{other}");
        }
    }
}
