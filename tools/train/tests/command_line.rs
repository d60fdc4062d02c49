//! The program as a user calls it: the whole demo at toy length, then its run evaluated again.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use clap::Parser;
use eval::cli::Cli;
use evaluation::EvalScores;
use terminal::Outcome;
use training::metrics::MetricsLine;

fn train(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_train")).args(arguments).output().expect("train runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn assert_fails_with(output: &Output, expected: &[&str]) {
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{message}");
    for expected in expected {
        assert!(message.contains(expected), "{expected:?} is not in: {message}");
    }
    assert!(output.stdout.is_empty(), "results of a failed command: {}", text(&output.stdout));
}

#[test]
fn the_demo_ends_with_table_and_report_and_its_runs_can_be_resumed_and_evaluated() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("demo");
    let out = root.to_str().expect("UTF-8");
    let demo = ["demo", "--out", out, "--device", "cpu", "--steps", "2", "--frames", "8"];
    let output = train(&demo);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));

    let stdout = text(&output.stdout);
    let lines: Vec<&str> = stdout.lines().collect();
    let last = lines.last().expect("output");
    assert_eq!(*last, format!("report: {}", root.join("report.html").display()));
    let table_ends = lines[lines.len() - 2];
    assert!(table_ends.starts_with("mIoU"), "{stdout}");
    for file in [
        "data/gtav/labels/00001.png",
        "data/synthia/GT/LABELS/0000000.png",
        "shards/idd/index.json",
        "baseline/recipe.toml",
        "baseline/metrics.jsonl",
        "pin_the_memory/checkpoint.safetensors",
        "pin_the_memory/run.json",
    ] {
        assert!(root.join(file).is_file(), "{file} is missing");
    }
    check_report(&root);

    assert_fails_with(&train(&demo), &["already exists and is not empty", "hint"]);
    let run = root.join("pin_the_memory");
    let run = run.to_str().expect("UTF-8");
    let output = train(&["resume", run, "--device", "cpu"]);
    assert_eq!(output.status.code(), Some(0));
    let remarks = text(&output.stderr);
    assert!(remarks.contains("all 2 steps are done, nothing is left to train"), "{remarks}");
    assert!(!remarks.contains("training: "), "{remarks}");

    check_preview(&root);
    check_export(&root);
    check_interrupt(&root);
    check_beginning_anew(&root);
    check_lost_remarks(&root);

    let shards = root.join("shards/cityscapes");
    let scores = root.join("again");
    let words = ["eval", run, "--device", "cpu", "--shards"].into_iter();
    let words = words.chain([shards.to_str().expect("UTF-8"), "--out"]);
    let cli =
        Cli::try_parse_from(words.chain([scores.to_str().expect("UTF-8")])).expect("arguments");
    let mut table = Vec::new();
    assert_eq!(eval::commands::run(&cli, &mut table).expect("scores"), Outcome::Done);
    let read = |dir: &Path| EvalScores::read(&dir.join("eval.json")).expect("eval.json");
    assert_eq!(read(&scores), read(&root.join("pin_the_memory")), "the same run and target");
    assert!(text(&table).contains("report: "));
    let again = eval::commands::run(&cli, &mut Vec::new()).expect_err("the folder exists");
    assert!(again.to_string().contains("choose another --out"), "{again}");
}

/// The sheet shows every sample of the step that it names, each domain in the role that the
/// training of that step gave it.
fn check_preview(root: &Path) {
    let recipe = root.join("pin_the_memory/recipe.toml");
    let page = root.join("batch.html");
    let arguments = ["preview-batch", recipe.to_str().expect("UTF-8"), "--step", "1", "--out"];
    let preview = |out: &Path| train(&[&arguments[..], &[out.to_str().expect("UTF-8")]].concat());
    let output = preview(&page);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let page = fs::read_to_string(page).expect("a page");
    assert_eq!(page.matches("<figcaption>").count(), 6, "two samples of three domains");
    assert_eq!(page.matches("class=\"samples\"").count(), 3, "one row for each");

    let log = fs::read_to_string(root.join("pin_the_memory/metrics.jsonl")).expect("a log");
    let line = log.lines().last().expect("a line");
    let line: MetricsLine = serde_json::from_str(line).expect("JSON");
    assert_eq!(line.step, 2, "the step that began at 1");
    for (role, domains) in [("meta-train", line.meta_train), ("meta-test", line.meta_test)] {
        for domain in domains {
            assert_eq!(page.matches(&format!("<b>{domain} ({role}): ")).count(), 2, "{domain}");
        }
    }

    let sheet = root.join("batch.png");
    assert_eq!(preview(&sheet).status.code(), Some(0));
    assert!(fs::read(sheet).expect("a sheet").starts_with(b"\x89PNG"));
    assert_fails_with(&preview(&root.join("batch.gif")), &["batch.gif", ".png or .html"]);
}

/// A trained network goes to both formats, whole or not at all.
fn check_export(root: &Path) {
    let path = |name: &str| root.join(name).to_str().expect("UTF-8").to_owned();
    let export = |words: &[&str]| {
        train(&[&["export", &path("pin_the_memory"), "--device", "cpu"], words].concat())
    };
    let (weights, checkpoint) =
        (path("w.safetensors"), path("pin_the_memory/checkpoint.safetensors"));
    let output = export(&["--format", "safetensors", "--out", &weights]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let read = |path: &str| models::weights::read(Path::new(path)).expect("safetensors");
    let ((weights, metadata), (mut state, _)) = (read(&weights), read(&checkpoint));
    let is_kept = |name: &str| !name.starts_with("momentum.") && !name.starts_with("history.");
    state.retain(|name, _| is_kept(name));
    assert!(weights == state, "the checkpoint without optimiser and history");
    assert!(weights.contains_key("memory.m_items"));
    let facts: serde_json::Value = serde_json::from_str(&metadata["pinmem.run"]).expect("JSON");
    assert_eq!((&facts["run"], &facts["step"]), (&"Pin the Memory".into(), &"2".into()));

    let (file, example) = (path("n.onnx"), path("n.safetensors"));
    let onnx = ["--format", "onnx", "--size", "50x37", "--out"];
    let output = export(&[&onnx[..], &[&file, "--with-example", &example]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).starts_with(&format!("{file}: images of 50x37")));
    let bytes = fs::read(&file).expect("an ONNX file");
    // What is read from the file itself is tested where it is made.
    assert!(bytes.windows(14).any(|part| part == b"memory.m_items"));
    let (example, _) = read(&example);
    assert_eq!(example["image"].shape, [3, 3, 37, 50]);
    assert_eq!(example["logits"].shape, [3, 19, 37, 50]);

    let before = fs::read(&checkpoint).expect("a checkpoint");
    let over = export(&["--format", "safetensors", "--out", &checkpoint]);
    assert_fails_with(&over, &["--out is a file of the run", "hint: it would be overwritten"]);
    let of_another = path("baseline/checkpoint.safetensors");
    let over = export(&["--format", "safetensors", "--out", &of_another]);
    assert_fails_with(&over, &["--out already exists, expected a new file", "hint: remove it"]);
    let over = [&path("m.onnx"), "--with-example", &of_another];
    let over = export(&[&onnx[..], &over].concat());
    assert_fails_with(&over, &["--with-example already exists", "choose another --with-example"]);
    assert!(before == fs::read(&checkpoint).expect("a checkpoint"));
    let onto = [&path("m.onnx"), "--with-example", &path("shards/../m.onnx")];
    let onto = export(&[&onnx[..], &onto].concat());
    assert_fails_with(&onto, &["--with-example is the same file as --out"]);
    assert!(!root.join("m.onnx").exists());
    let missing = export(&[&onnx[..], &[&path("no/n.onnx")]].concat());
    assert_fails_with(&missing, &["no/n.onnx: found no folder", "hint"]);
    let sized = ["--format", "safetensors", "--size", "8x8", "--out", &path("x.safetensors")];
    assert_fails_with(&export(&sized), &["--size belongs to --format onnx"]);
    assert!(!root.join("x.safetensors").exists());
    let nothing = ["export", &path("data"), "--format", "onnx", "--out", &path("x.onnx")];
    assert_fails_with(&train(&nothing), &["not a run folder"]);
}

#[test]
fn a_summary_needs_a_recipe_alone_and_says_what_a_mac_is() {
    let recipe = concat!(env!("CARGO_MANIFEST_DIR"), "/../../recipes/demo_baseline.toml");
    let full = ["model.width_divisor=1", "model.blocks=[3,4,6,3]", "model.aspp_rates=[6,12,18]"];
    let sets = full.iter().flat_map(|key| ["--set", key]);
    let words: Vec<&str> =
        ["summary", recipe, "--size", "2048x1024"].into_iter().chain(sets).collect();
    let table = text(&train(&words).stdout);
    for expected in [
        "image 2048x1024: 553.716 GMAC = 1107.432 GFLOPs",
        "parameters: 45.082 M",
        "peak of activations: 384.0 MiB at f32, at layer1.0.downsample.1",
        "One MAC is two FLOPs",
    ] {
        assert!(table.contains(expected), "{expected:?} is not in: {table}");
    }
    let block = |line: &&str| line.starts_with("decoder ") && line.ends_with('%');
    let decoder = table.lines().find(block).expect("the decoder's sums");
    let words_of: Vec<&str> = decoder.split_whitespace().collect();
    assert_eq!(words_of, ["decoder", "1", "308", "531", "171.362", "30.9", "%"]);

    let json = train(&[&words[..], &["--json", "--classes", "2"]].concat()).stdout;
    let json: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
    assert_eq!(json["input"], serde_json::json!([1, 3, 1024, 2048]));
    // 17 classes less: a classifier of 256 channels at a quarter of the size.
    let expected = 553_715_761_152_u64 - 17 * 256 * 256 * 512;
    assert_eq!(json["multiply_accumulates"], expected);

    let wrong = train(&["summary", recipe, "--size", "2048"]);
    assert_fails_with(&wrong, &["--size", "2048x1024"]);
}

#[test]
fn a_summary_needs_no_recipe_where_flags_name_the_network() {
    let table = text(&train(&["summary", "--model", "deeplab_v3_plus", "--no-memory"]).stdout);
    for expected in ["image 2048x1024: 553.716 GMAC", "parameters: 45.082 M"] {
        assert!(table.contains(expected), "{expected:?} is not in: {table}");
    }
    let flags = ["--backbone", "shufflenet_v2_x1_0", "--normalization", "ibn"];
    let words = ["summary", "--model", "fcn8s", "--size", "64x32"];
    let output = train(&[&words[..], &flags].concat());
    let table = text(&output.stdout);
    let is_norm = |line: &str| line.starts_with("instance norm") && line.contains("1x24x16x32");
    assert!(table.lines().any(is_norm), "{table}");
    let wrong = train(&["summary", "--model", "fcn8s", "--backbone", "vgg16"]);
    assert_fails_with(&wrong, &["--backbone", "unknown variant `vgg16`", "`mobilenet_v2`"]);
    let wrong = train(&["summary", "--model", "fcn8s", "--width-divisor", "3"]);
    assert_fails_with(&wrong, &["--width-divisor is 3, expected 1, 2, 4, 8, 16 or 32"]);
    let both = train(&["summary", "recipe.toml", "--model", "fcn8s"]);
    assert_fails_with(&both, &["cannot be used with"]);
}

/// Ctrl-C ends a run at once, and it goes on from its last checkpoint.
#[cfg(unix)]
fn check_interrupt(root: &Path) {
    use std::os::unix::process::ExitStatusExt;
    use std::time::{Duration, Instant};

    let (recipe, out) = (root.join("pin_the_memory/recipe.toml"), root.join("stopped"));
    let [recipe, run] = [&recipe, &out].map(|path| path.to_str().expect("UTF-8"));
    let mut child = Command::new(env!("CARGO_BIN_EXE_train"))
        .args(["run", recipe, "--device", "cpu", "--out", run, "--set", "steps=12"])
        .args(["--set", "schedule.decay.steps=12", "--set", "log_every_steps=1"])
        .args(["--set", "checkpoint_every_steps=1"])
        .spawn()
        .expect("train starts");
    let steps = || {
        let log = fs::read_to_string(out.join("metrics.jsonl")).unwrap_or_default();
        log.lines().count()
    };
    let since = Instant::now();
    while steps() < 3 {
        assert!(since.elapsed() < Duration::from_secs(60), "no step in a minute");
        std::thread::sleep(Duration::from_millis(5));
    }
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().expect("kill runs").success());
    let since = Instant::now();
    let status = child.wait().expect("train ends");
    assert_eq!(status.signal(), Some(2), "{status}");
    // Measured: 0.02 s. A busy machine may take longer.
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    assert!(steps() < 12, "the run was over before it was interrupted");

    check_unfinished_export(root, run);
    let output = train(&["resume", run, "--device", "cpu"]);
    assert_eq!(output.status.code(), Some(0));
    let remarks = text(&output.stderr);
    assert!(remarks.contains("goes on after step ") && remarks.contains(" of 12"), "{remarks}");
    for file in ["metrics.jsonl", "loading.jsonl"] {
        let log = fs::read_to_string(out.join(file)).expect("a log");
        let numbers: Vec<u64> = log
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
            .map(|line| line["step"].as_u64().expect("a step"))
            .collect();
        assert_eq!(numbers, Vec::from_iter(1..=12), "{file}");
    }
}

/// Whoever exports a run before its end is told.
#[cfg(unix)]
fn check_unfinished_export(root: &Path, run: &str) {
    let file = root.join("early.onnx");
    let words = ["export", run, "--device", "cpu", "--format", "onnx", "--size", "64x64", "--out"];
    let output = train(&[&words[..], &[file.to_str().expect("UTF-8")]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let expected = "the run is not finished: its checkpoint is of step ";
    assert!(text(&output.stderr).contains(expected), "{}", text(&output.stderr));
}

/// A run without a checkpoint begins anew, and says so.
fn check_beginning_anew(root: &Path) {
    let anew = begun(root, "anew");
    let output = train(&["resume", anew.to_str().expect("UTF-8"), "--device", "cpu"]);
    let remarks = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{remarks}");
    assert!(remarks.contains("found no checkpoint.safetensors"), "{remarks}");
    assert!(remarks.contains("begins anew at step 0"), "{remarks}");
}

/// A run as the baseline, without a step.
fn begun(root: &Path, name: &str) -> PathBuf {
    let (run, begun) = (root.join("baseline"), root.join(name));
    fs::create_dir(&begun).expect("a folder");
    for file in ["recipe.toml", "run.json"] {
        fs::copy(run.join(file), begun.join(file)).expect("a copy");
    }
    begun
}

/// Standard errors that take nothing: a pipe whose reader left, and a full disk.
fn unwritable() -> Vec<Stdio> {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let full = cfg!(target_os = "linux").then(|| {
        Stdio::from(File::options().write(true).open("/dev/full").expect("a full device"))
    });
    [writer.into()].into_iter().chain(full).collect()
}

/// A run whose remarks nobody can read trains to the same end, and is exported.
fn check_lost_remarks(root: &Path) {
    let status = |words: &[&str], lost: Stdio| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_train"));
        command.args(words).args(["--device", "cpu"]).stdout(Stdio::null()).stderr(lost);
        command.status().expect("train runs").code()
    };
    let checkpoint = |run: &Path| fs::read(run.join("checkpoint.safetensors")).expect("a file");
    for (number, [lost, also_lost]) in
        unwritable().into_iter().zip(unwritable()).map(<[Stdio; 2]>::from).enumerate()
    {
        let run = begun(root, &format!("unheard {number}"));
        let folder = run.to_str().expect("UTF-8");
        assert_eq!(status(&["resume", folder], lost), Some(0));
        assert!(checkpoint(&run) == checkpoint(&root.join("baseline")));
        let out = root.join(format!("unheard {number}.onnx"));
        let out = out.to_str().expect("UTF-8");
        let export = ["export", folder, "--format", "onnx", "--size", "64x64", "--out", out];
        assert_eq!(status(&export, also_lost), Some(0));
        assert!(Path::new(out).is_file());
    }
}

#[cfg(not(unix))]
fn check_interrupt(_: &Path) {}

fn check_report(root: &Path) {
    let report = fs::read_to_string(root.join("report.html")).expect("a report");
    for expected in ["baseline", "Pin the Memory", "mIoU", "data:image/png;base64,", "<svg"] {
        assert!(report.contains(expected), "{expected}");
    }
    assert!(!report.contains("src=\"http"), "the page needs a network");
}

#[test]
fn what_users_get_wrong_ends_with_code_2_and_a_hint() {
    let folder = tempfile::tempdir().expect("a folder");
    let recipe = folder.path().join("my.toml");
    let demo = include_str!("../../../recipes/demo_baseline.toml");
    fs::write(&recipe, demo.replace("seed = 304", "seed = 304\ncolour = 1")).expect("a recipe");
    let recipe = recipe.to_str().expect("UTF-8");
    let out = folder.path().join("run");
    let out = out.to_str().expect("UTF-8");
    let run = |recipe: &str| train(&["run", recipe, "--out", out, "--device", "cpu"]);
    assert_fails_with(&run(recipe), &["my.toml", "unknown field `colour`", "hint"]);
    assert_fails_with(&run("no.toml"), &["no.toml", "cannot be read"]);
    fs::write(recipe, demo).expect("a recipe");
    assert_fails_with(&run(recipe), &["shards/gtav", "hint"]);
    assert!(!Path::new(out).exists(), "a failed run leaves no folder");
    assert_fails_with(&train(&["resume", out]), &["run: not a run folder: nothing of that name"]);
    assert_fails_with(&train(&["demo", "--device", "quantum"]), &["auto, cpu, gpu or gpu:N"]);
}

#[test]
fn a_gpu_that_is_not_there_is_an_error_with_a_hint() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = Command::new(env!("CARGO_BIN_EXE_train"))
        .args(["demo", "--device", "gpu", "--out"])
        .arg(folder.path().join("demo"))
        // A Vulkan loader that finds no driver, whatever this machine has.
        .env("VK_DRIVER_FILES", "/nonexistent.json")
        .env("VK_ICD_FILENAMES", "/nonexistent.json")
        .output()
        .expect("train runs");
    assert_fails_with(&output, &["no GPU found", "--device cpu"]);
    assert!(!folder.path().join("demo").exists());
}
