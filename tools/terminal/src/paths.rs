//! Where results are to lie, looked at before any work.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};

/// Checks that a folder for results is new or empty and can be written; leaves nothing behind.
///
/// # Errors
/// If it holds something, is a file or cannot be made or written.
pub fn require_new_folder(path: &Path) -> anyhow::Result<()> {
    let shown = path.display();
    if path.exists() {
        ensure!(
            path.is_dir(),
            "{shown}: found a file, expected a folder that is new or empty; hint: choose another \
             --out"
        );
        let mut entries = fs::read_dir(path).with_context(|| format!("{shown}: cannot be read"))?;
        ensure!(
            entries.next().is_none(),
            "{shown}: already exists and is not empty; hint: choose another --out"
        );
    }
    // The folders between are made with it.
    let absolute =
        std::path::absolute(path).with_context(|| format!("{shown}: expected a path"))?;
    match absolute.ancestors().find(|folder| folder.exists()) {
        Some(folder) => require_writable(path, folder),
        None => Ok(()),
    }
}

/// Checks that a file of results can be written and is none of `inputs`, files that are read, each
/// with what it is; leaves nothing behind. `option` is what named the file, such as `--out`.
///
/// # Errors
/// If it is one of the inputs, in whatever spelling or through whatever link; if it is a folder or
/// a device; if its folder is missing or cannot be written.
pub fn require_output_file(
    option: &str,
    path: &Path,
    inputs: &[(&str, &Path)],
) -> anyhow::Result<()> {
    let shown = path.display();
    for (what, input) in inputs {
        ensure!(
            !is_same_file(path, input),
            "{shown}: {option} is {what} {}, expected another file; hint: it would be \
             overwritten, choose another {option}",
            input.display()
        );
    }
    if path.exists() && !path.is_file() {
        let found = if path.is_dir() { "a folder" } else { "no regular file" };
        bail!("{shown}: {option} is {found}, expected the name of a file");
    }
    ensure!(path.file_name().is_some(), "{shown}: {option} ends in no name of a file");
    let folder = folder_of(path);
    ensure!(
        folder.exists(),
        "{shown}: found no folder {}, expected one for {option}; hint: make it first",
        folder.display()
    );
    require_writable(path, folder)
}

/// As [`require_output_file`], of a file that is not there yet.
///
/// # Errors
/// Those, and if the file exists, be it as a link that leads nowhere.
pub fn require_new_file(option: &str, path: &Path, inputs: &[(&str, &Path)]) -> anyhow::Result<()> {
    require_output_file(option, path, inputs)?;
    ensure!(
        fs::symlink_metadata(path).is_err(),
        "{}: {option} already exists, expected a new file; hint: remove it or choose another \
         {option}",
        path.display()
    );
    Ok(())
}

/// Whether both paths are one file, or would be if it were there.
fn is_same_file(one: &Path, other: &Path) -> bool {
    let [one_place, other_place] = [one, other].map(resolved);
    one_place == other_place || is_hard_link(one, other)
}

#[cfg(unix)]
fn is_hard_link(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    let number = |path| fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    number(one).is_some() && number(one) == number(other)
}

#[cfg(not(unix))]
fn is_hard_link(_: &Path, _: &Path) -> bool {
    false
}

/// The path without links and dots, as far as it is there.
fn resolved(path: &Path) -> PathBuf {
    let in_folder = || {
        let folder = fs::canonicalize(folder_of(path)).ok()?;
        Some(folder.join(path.file_name()?))
    };
    fs::canonicalize(path).ok().or_else(in_folder).unwrap_or_else(|| path.to_owned())
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Makes a file in `folder`, for `path`, and removes it.
fn require_writable(path: &Path, folder: &Path) -> anyhow::Result<()> {
    let probe = folder.join(format!(".{}.probe", std::process::id()));
    let made = File::create_new(&probe).and_then(|_| fs::remove_file(&probe));
    made.with_context(|| {
        format!("{}: the folder {} cannot be written", path.display(), folder.display())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(result: anyhow::Result<()>) -> String {
        format!("{:#}", result.unwrap_err())
    }

    #[test]
    fn a_folder_that_holds_something_is_refused_and_a_new_or_empty_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        assert!(require_new_folder(folder.path()).is_ok());
        assert!(require_new_folder(&folder.path().join("new/inner")).is_ok());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
        let file = folder.path().join("file");
        fs::write(&file, "x").unwrap();
        assert!(message(require_new_folder(folder.path())).contains("is not empty"));
        assert!(message(require_new_folder(&file)).contains("found a file, expected a folder"));
        let beneath = message(require_new_folder(&file.join("inner")));
        assert!(beneath.contains("file cannot be written: "), "{beneath}");
    }

    #[test]
    fn an_output_may_be_no_input_in_any_spelling() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let input = path("weights.pth");
        fs::write(&input, "x").unwrap();
        fs::create_dir(path("inner")).unwrap();
        fs::hard_link(&input, path("hard.pth")).unwrap();
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(&input, path("soft.pth")).unwrap();
            std::os::unix::fs::symlink(folder.path(), path("inner/up")).unwrap();
        }
        let same = ["weights.pth", "./weights.pth", "inner/../weights.pth", "hard.pth"];
        let links = if cfg!(unix) { &["soft.pth", "inner/up/weights.pth"][..] } else { &[] };
        for name in same.iter().chain(links) {
            let error =
                message(require_output_file("--out", &path(name), &[("the weights", &input)]));
            assert!(error.contains("--out is the weights") && error.contains("hint"), "{error}");
        }
        // Neither of these is there yet.
        let new = [path("new.onnx"), path("inner/../new.onnx")];
        let error = message(require_output_file("--with-example", &new[1], &[("--out", &new[0])]));
        assert!(error.contains("--with-example is --out"), "{error}");
        for other in ["new.onnx", "weights", "inner/weights.pth"] {
            let inputs = [("the weights", &*input)];
            require_output_file("--out", &path(other), &inputs).unwrap();
        }
        assert_eq!(fs::read(&input).unwrap(), b"x");
    }

    #[test]
    fn a_file_that_must_be_new_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let [old, link, new] = ["old", "link", "new"].map(|name| folder.path().join(name));
        fs::write(&old, "x").unwrap();
        let mut there = vec![&old];
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("nowhere", &link).unwrap();
            there.push(&link);
        }
        for path in there {
            let error = message(require_new_file("--out", path, &[]));
            let expected = "--out already exists, expected a new file; hint: remove it or choose";
            assert!(error.contains(expected), "{error}");
        }
        require_new_file("--out", &new, &[("the weights", &old)]).unwrap();
        let error = message(require_new_file("--out", &old, &[("the weights", &old)]));
        assert!(error.contains("--out is the weights"), "{error}");
        assert!(!new.exists() && fs::read(&old).unwrap() == b"x");
    }

    #[test]
    fn an_output_needs_a_folder_and_replaces_no_folder_and_no_device() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |path: &Path| message(require_output_file("--out", path, &[]));
        let missing = refused(&folder.path().join("no/n.onnx"));
        assert!(missing.contains("n.onnx: found no folder"), "{missing}");
        assert!(refused(folder.path()).contains("--out is a folder"));
        if cfg!(unix) {
            assert!(refused(Path::new("/dev/null")).contains("--out is no regular file"));
        }
    }
}
