//! Tells network file systems from local ones.

use std::path::Path;

use shard_format::Access;

use crate::options::AccessMode;

/// File systems whose files may vanish or fail under a memory map, by the magic number that
/// `statfs` gives. Source: `linux/magic.h`, and for the file systems outside the kernel the table
/// of `stat -f` in GNU coreutils.
#[cfg(any(target_os = "linux", test))]
const NETWORK_FILE_SYSTEMS: [(u32, &str); 20] = [
    (0x0000_517B, "smb"),
    (0x0000_564C, "ncp"),
    (0x0000_6969, "nfs"),
    (0x00C3_6400, "ceph"),
    (0x0102_1997, "9p"),
    (0x0116_1970, "gfs2"),
    (0x0BD0_0BD0, "lustre"),
    (0x1983_0326, "beegfs"),
    (0x2003_0528, "orangefs"),
    (0x4750_4653, "gpfs"),
    (0x5346_414F, "afs"),
    (0x6165_676C, "stornext"),
    (0x6573_5546, "fuse"),
    (0x6B41_4653, "kafs"),
    (0x7375_7245, "coda"),
    (0x7461_636F, "ocfs2"),
    (0x786F_4256, "vboxsf"),
    (0xAAD7_AAEA, "panfs"),
    (0xFE53_4D42, "smb2"),
    (0xFF53_4D42, "cifs"),
];

/// How to read the shards in `dir` under `mode`.
pub(crate) fn access(mode: AccessMode, dir: &Path) -> Access {
    match mode {
        AccessMode::Map => Access::Map,
        AccessMode::Read => Access::Read,
        AccessMode::Auto => match network_file_system(dir) {
            Some(name) => {
                tracing::debug!(dir = %dir.display(), file_system = name, "reading by pread");
                Access::Read
            }
            None => Access::Map,
        },
    }
}

/// Name of the network file system that holds `dir`; `None` for a local one, and for a folder
/// that cannot be asked, because opening it then gives the better error.
#[cfg(target_os = "linux")]
fn network_file_system(dir: &Path) -> Option<&'static str> {
    let found = rustix::fs::statfs(dir).ok()?;
    // The kernel's word differs in width and sign between architectures, the magic number is
    // 32 bits in all of them.
    named(found.f_type as u32)
}

/// Other systems have no magic numbers; there the user chooses with `PINMEM_READ=pread`.
#[cfg(not(target_os = "linux"))]
fn network_file_system(_dir: &Path) -> Option<&'static str> {
    None
}

#[cfg(any(target_os = "linux", test))]
fn named(magic: u32) -> Option<&'static str> {
    let place = NETWORK_FILE_SYSTEMS.binary_search_by_key(&magic, |(number, _)| *number).ok()?;
    Some(NETWORK_FILE_SYSTEMS[place].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_file_system_is_found_by_its_number() {
        for (magic, name) in NETWORK_FILE_SYSTEMS {
            assert_eq!(named(magic), Some(name));
        }
    }

    #[test]
    fn disks_and_memory_are_local() {
        for (magic, name) in [
            (0xEF53, "ext4"),
            (0x5846_5342, "xfs"),
            (0x9123_683E, "btrfs"),
            (0x0102_1994, "tmpfs"),
            (0x794C_7630, "overlayfs"),
        ] {
            assert_eq!(named(magic), None, "{name}");
        }
    }

    #[test]
    fn a_stated_mode_is_obeyed_and_a_missing_folder_is_left_to_the_reader() {
        let missing = Path::new("no such folder");
        assert_eq!(access(AccessMode::Read, missing), Access::Read);
        assert_eq!(access(AccessMode::Map, missing), Access::Map);
        assert_eq!(access(AccessMode::Auto, missing), Access::Map);
    }
}
