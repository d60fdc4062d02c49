//! Where `train import` writes to: never over what it reads, and whatever becomes of its table.

use std::fs::{self, File};
use std::io::pipe;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// The demo's recipe.
const RECIPE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../recipes/demo_baseline.toml");
/// A checkpoint in the authors' form, with five tensors of that network at a 16th of the widths.
const AUTHORS: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../crates/torch_weights/tests/data/authors.pth");
/// Everything that a backbone alone, and one tensor of it, lacks.
const REST: [&str; 5] =
    ["--backbone-only", "--allow-missing", "layer", "--set", "model.width_divisor=16"];

struct Files {
    folder: TempDir,
    weights: PathBuf,
    recipe: PathBuf,
}

impl Files {
    /// A copy of the authors' file and of a recipe.
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let (weights, recipe) = (path("weights.pth"), path("recipe.toml"));
        fs::copy(AUTHORS, &weights).expect("a copy");
        fs::copy(RECIPE, &recipe).expect("a copy");
        Self { folder, weights, recipe }
    }

    fn import(&self, out: &Path, stdout: impl Into<Stdio>) -> Output {
        self.command(out, stdout).output().expect("train runs")
    }

    fn command(&self, out: &Path, stdout: impl Into<Stdio>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_train"));
        command.arg("import").arg(&self.weights).arg("--recipe").arg(&self.recipe);
        command.arg("--out").arg(out).args(REST).stdout(stdout);
        command.current_dir(self.folder.path());
        command
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    #[track_caller]
    fn assert_untouched(&self) {
        for (copy, original) in [(&self.weights, AUTHORS), (&self.recipe, RECIPE)] {
            assert!(fs::read(copy).expect("a file") == fs::read(original).expect("a file"));
        }
    }
}

/// Standard errors that take nothing: a pipe whose reader left, and a full disk.
fn unwritable() -> Vec<Stdio> {
    let (reader, writer) = pipe().expect("a pipe");
    drop(reader);
    let full = cfg!(target_os = "linux").then(|| {
        Stdio::from(File::options().write(true).open("/dev/full").expect("a full device"))
    });
    [writer.into()].into_iter().chain(full).collect()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn no_spelling_of_an_input_is_an_output() {
    let files = Files::new();
    fs::create_dir(files.path("inner")).expect("a folder");
    fs::hard_link(&files.weights, files.path("hard.pth")).expect("a link");
    #[cfg(unix)]
    std::os::unix::fs::symlink("weights.pth", files.path("soft.pth")).expect("a link");
    let weights = ["weights.pth", "inner/../weights.pth", "hard.pth"];
    let links = if cfg!(unix) { &["soft.pth"][..] } else { &[] };
    for name in weights.iter().chain(links) {
        // As it stands, relative to the folder that the program runs in, and from the root.
        for out in [PathBuf::from(name), files.path(name)] {
            let output = files.import(&out, Stdio::piped());
            let message = stderr(&output);
            assert_eq!(output.status.code(), Some(2), "{name}: {message}");
            assert!(message.contains("--out is the file to import"), "{name}: {message}");
            assert!(message.contains("hint: it would be overwritten"), "{name}: {message}");
            assert!(output.stdout.is_empty(), "{name}: found before any work");
        }
    }
    let output = files.import(&files.path("recipe.toml"), Stdio::piped());
    assert!(stderr(&output).contains("--out is the recipe"), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(2));
    files.assert_untouched();
}

#[test]
fn a_missing_folder_is_named_before_any_work() {
    let files = Files::new();
    let output = files.import(&files.path("no/out.safetensors"), Stdio::piped());
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(message.contains("out.safetensors: found no folder"), "{message}");
    assert!(message.contains("hint: make it first"), "{message}");
    assert!(output.stdout.is_empty());
}

#[test]
fn a_reader_that_left_is_no_error_and_the_file_is_written() {
    let files = Files::new();
    let (reader, writer) = pipe().expect("a pipe");
    drop(reader);
    let out = files.path("out.safetensors");
    let output = files.import(&out, writer);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).is_empty(), "{}", stderr(&output));
    let heard = files.path("heard.safetensors");
    assert_eq!(files.import(&heard, Stdio::piped()).status.code(), Some(0));
    assert!(fs::read(out).expect("a file") == fs::read(heard).expect("a file"));
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_standard_output_is_an_error_that_names_it_once_the_file_is_written() {
    let files = Files::new();
    let full = File::options().write(true).open("/dev/full").expect("a full device");
    let out = files.path("out.safetensors");
    let output = files.import(&out, full);
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(message.contains("standard output: cannot be written: No space left"), "{message}");
    models::weights::read(&out).expect("a weights file");
}

#[test]
fn remarks_that_cannot_be_written_change_neither_file_nor_exit_code() {
    let files = Files::new();
    let heard = files.path("heard.safetensors");
    assert_eq!(files.import(&heard, Stdio::piped()).status.code(), Some(0));
    for (number, lost) in unwritable().into_iter().enumerate() {
        let out = files.path(&format!("{number}.safetensors"));
        let mut command = files.command(&out, Stdio::piped());
        // Of this there is a remark.
        let output = command.args(["--allow-missing", "lyer"]).stderr(lost).output();
        assert_eq!(output.expect("train runs").status.code(), Some(0));
        assert!(fs::read(&out).expect("a file") == fs::read(&heard).expect("a file"));
    }
    for lost in unwritable() {
        let refused = files.command(&heard, Stdio::piped()).stderr(lost).output();
        assert_eq!(refused.expect("train runs").status.code(), Some(2));
    }
}

#[test]
fn a_file_that_exists_is_refused_before_any_work_and_stays_as_it_is() {
    let files = Files::new();
    let out = files.path("checkpoint.safetensors");
    fs::write(&out, "of another run").expect("a file");
    let output = files.import(&out, Stdio::piped());
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{message}");
    let expected = "checkpoint.safetensors: --out already exists, expected a new file; hint: ";
    assert!(message.contains(expected), "{message}");
    assert!(output.stdout.is_empty());
    assert_eq!(fs::read(&out).expect("a file"), b"of another run");
}
