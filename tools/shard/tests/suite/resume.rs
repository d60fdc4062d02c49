//! Whatever cuts a run off, the next one goes on and gives the same bytes.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use shard::pack::{PackError, PackOptions, Space, pack};
use terminal::Outcome;

use crate::toy_city::ToyCity;

const JOURNAL: &str = ".pack-journal.jsonl";

/// Twelve noisy samples, one or two in a shard, and a bad one between them.
fn noisy_city() -> ToyCity {
    let city = ToyCity::new(0);
    for index in 0..12_u32 {
        city.write_noise(&format!("t/{index:02}"), 40 + 5 * index, 40, u64::from(index));
    }
    city.write_label("t/05", 3, 3, &[1; 9]);
    city
}

fn run(options: &PackOptions) -> Result<(), PackError> {
    pack(options, &|_, _| ()).map(drop)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// A city, what an uninterrupted run gives, and a run that was cut off before the audit.
fn cut_off_before_the_audit() -> (ToyCity, Vec<(String, Vec<u8>)>) {
    let city = noisy_city();
    run(&city.options("whole")).unwrap();
    let whole = city.packed_bytes("whole");
    assert!(whole.len() > 7, "several shards");
    // The audit cannot be written where its temporary name is taken by a folder.
    let obstacle = city.path("cut/.audit.json.partial");
    fs::create_dir_all(&obstacle).unwrap();
    assert!(run(&city.options("cut")).is_err());
    fs::remove_dir(obstacle).unwrap();
    assert!(city.exists(&format!("cut/{JOURNAL}")));
    assert!(!city.exists("cut/index.json"));
    (city, whole)
}

#[test]
fn a_run_that_is_cut_off_at_any_file_goes_on_and_gives_the_same_bytes() {
    let city = noisy_city();
    let part = |out: &str| PackOptions { part: "1/1".parse().ok(), ..city.options(out) };
    run(&part("whole")).unwrap();
    let whole = city.packed_bytes("whole");
    let shards = whole.iter().filter(|(name, _)| name.ends_with(".shard")).count();
    assert!(shards > 4);
    for (name, _) in &whole {
        let out = format!("cut-at-{name}");
        let obstacle = city.path(&format!("{out}/.{name}.partial"));
        fs::create_dir_all(&obstacle).unwrap();
        let error = run(&part(&out)).unwrap_err();
        assert!(matches!(error, PackError::Stopped { .. }), "{name}: {error}");
        assert!(!city.exists(&format!("{out}/index.json")), "{name}");
        fs::remove_dir(obstacle).unwrap();
        run(&part(&out)).unwrap();
        assert!(city.packed_bytes(&out) == whole, "{name}");
    }
}

#[test]
fn a_run_that_is_cut_off_behind_its_end_is_done() {
    let (city, whole) = cut_off_before_the_audit();
    let journal = fs::read(city.path(&format!("cut/{JOURNAL}"))).unwrap();
    run(&city.options("cut")).unwrap();
    fs::write(city.path(&format!("cut/{JOURNAL}")), &journal).unwrap();
    let report = pack(&city.options("cut"), &|_, _| ()).unwrap();
    assert!(city.packed_bytes("cut") == whole);
    assert_eq!((report.audit.packed, report.index.unwrap().samples), (11, 11));
    // Once the journal is gone, the folder is anyone's dataset.
    let error = run(&city.options("cut")).unwrap_err();
    assert!(city.text(&error).starts_with("cut/index.json: a dataset is already here"));
    // The journal of another run does not vouch for it either.
    fs::write(city.path(&format!("cut/{JOURNAL}")), &journal).unwrap();
    let other = PackOptions { domain: Some("other".into()), ..city.options("cut") };
    let error = run(&other).unwrap_err();
    assert!(city.text(&error).starts_with("cut/index.json: a dataset is already here"));
}

#[test]
fn a_journal_that_is_torn_anywhere_leads_to_the_same_bytes() {
    let (city, whole) = cut_off_before_the_audit();
    let journal = fs::read(city.path(&format!("cut/{JOURNAL}"))).unwrap();
    let line_ends = (1..=journal.len()).filter(|&end| journal[end - 1] == b'\n');
    let lengths: Vec<usize> = line_ends.flat_map(|end| [end - 1, end, end + 40]).collect();
    assert!(lengths.len() > 12);
    for length in lengths.into_iter().chain([0, 1]) {
        let out = format!("torn-{length}");
        copy(&city.path("cut"), &city.path(&out));
        let torn = &journal[..length.min(journal.len())];
        fs::write(city.path(&format!("{out}/{JOURNAL}")), torn).unwrap();
        run(&city.options(&out)).unwrap();
        assert!(city.packed_bytes(&out) == whole, "{length} bytes");
    }
}

#[test]
fn finished_shards_that_are_lost_or_altered_are_redone_and_the_others_kept() {
    let (city, whole) = cut_off_before_the_audit();
    let second = "cut/toy-00001.shard";
    let bytes = fs::read(city.path(second)).unwrap();
    let mut altered = bytes.clone();
    altered[bytes.len() / 2] ^= 1;
    let mut head = bytes.clone();
    head[70] ^= 1;
    for (name, damage) in [
        ("lost", None),
        ("cut-off", Some(&bytes[..bytes.len() - 64])),
        ("altered", Some(&altered[..])),
        ("head", Some(&head[..])),
    ] {
        copy(&city.path("cut"), &city.path(name));
        let path = city.path(second).parent().unwrap().with_file_name(name).join("toy-00001.shard");
        match damage {
            None => fs::remove_file(path).unwrap(),
            Some(bytes) => fs::write(path, bytes).unwrap(),
        }
        let first = city.path(&format!("{name}/toy-00000.shard"));
        let written = fs::metadata(&first).unwrap().modified().unwrap();
        run(&city.options(name)).unwrap();
        assert!(city.packed_bytes(name) == whole, "{name}");
        assert_eq!(fs::metadata(&first).unwrap().modified().unwrap(), written, "{name}");
    }
}

#[test]
fn an_unfinished_run_with_other_options_or_files_is_refused() {
    let (city, whole) = cut_off_before_the_audit();
    let other = PackOptions {
        domain: Some("night".into()),
        preset: shard_format::Preset::Fast,
        part: "1/2".parse().ok(),
        ..city.options("cut")
    };
    let error = run(&other).unwrap_err();
    insta::assert_snapshot!(city.text(&error), @"cut: holds an unfinished run that differs in domain (toy there, night now), preset (default there, fast now), part (none there, 1/2 now), expected the same; hint: run it again as it was to finish it, or delete the folder");
    city.write_noise("t/99", 9, 9, 0);
    let error = run(&city.options("cut")).unwrap_err();
    insta::assert_snapshot!(city.text(&error), @"cut: holds an unfinished run that differs in names or sizes of the dataset's files, times of the dataset's files, expected the same; hint: run it again as it was to finish it, or delete the folder");
    // Nothing was touched.
    for kind in ["images", "labels"] {
        fs::remove_file(city.path(&format!("data/{kind}/train/t/99.png"))).unwrap();
    }
    run(&city.options("cut")).unwrap();
    assert!(city.packed_bytes("cut") == whole);
}

#[test]
fn a_source_file_that_was_touched_is_told_as_such_and_its_old_time_goes_on() {
    let (city, whole) = cut_off_before_the_audit();
    let file = fs::File::options().write(true).open(city.path("data/images/train/t/03.png"));
    let file = file.unwrap();
    let before = file.metadata().unwrap().modified().unwrap();
    file.set_modified(before + std::time::Duration::from_secs(60)).unwrap();
    let error = run(&city.options("cut")).unwrap_err();
    assert!(
        city.text(&error).starts_with("cut: holds an unfinished run whose source files had other"),
        "{error}"
    );
    file.set_modified(before).unwrap();
    run(&city.options("cut")).unwrap();
    assert!(city.packed_bytes("cut") == whole);
}

#[test]
fn threads_and_memory_and_the_share_of_skips_may_change_on_the_way() {
    let (city, whole) = cut_off_before_the_audit();
    let options = PackOptions {
        threads: Some(7),
        memory_bytes: Some(1),
        max_skipped: 0.5,
        ..city.options("cut")
    };
    run(&options).unwrap();
    assert!(city.packed_bytes("cut") == whole);
}

#[test]
fn too_many_skips_after_a_resumption_remove_the_shards_of_both_runs() {
    let (city, _) = cut_off_before_the_audit();
    let error = run(&PackOptions { max_skipped: 0.0, ..city.options("cut") }).unwrap_err();
    assert!(matches!(error, PackError::TooManySkipped { .. }), "{error}");
    let left: Vec<String> = city.packed_bytes("cut").into_iter().map(|(name, _)| name).collect();
    assert_eq!(left, ["audit.json"]);
}

#[test]
fn a_disk_that_is_too_small_is_told_before_anything_is_written() {
    let city = noisy_city();
    let options = PackOptions { space: Space::Quota(100_000), ..city.options("out") };
    let error = run(&options).unwrap_err();
    insta::assert_snapshot!(city.text(&error), @"out: 97.7 KiB free, expected about 119.8 KiB for 12 samples; hint: free some space, choose another --out, or try all the same with --skip-space-check");
    assert!(!city.exists("out"));
    run(&PackOptions { space: Space::Unchecked, ..city.options("out") }).unwrap();
    // What is finished already needs no room again.
    let (city, whole) = cut_off_before_the_audit();
    let quota = whole.iter().map(|(_, bytes)| bytes.len() as u64).sum::<u64>() / 2;
    run(&PackOptions { space: Space::Quota(quota), ..city.options("cut") }).unwrap();
}

/// A city of noisy samples of about 600 kB each, packed by the program itself.
struct Program {
    city: ToyCity,
}

impl Program {
    fn new(samples: u32) -> Self {
        let city = ToyCity::new(0);
        for index in 0..samples {
            city.write_noise(&format!("t/{index:02}"), 448, 448, u64::from(index));
        }
        Self { city }
    }

    fn arguments(&self, out: &str) -> Vec<String> {
        let path = |name: &str| self.city.path(name).display().to_string();
        let mut words: Vec<String> = vec!["pack".into()];
        for (flag, value) in [
            ("--manifest", path("toy.toml")),
            ("--root", path("data")),
            ("--split", "train".into()),
            ("--out", path(out)),
            ("--max-shard-mib", "1".into()),
            ("--threads", "1".into()),
        ] {
            words.extend([flag.into(), value]);
        }
        words
    }

    fn command(&self, out: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shard"));
        command.args(self.arguments(out)).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, out: &str) -> Output {
        self.command(out).output().unwrap()
    }
}

/// Waits until the journal notes so many shards.
fn wait_for_shards(journal: &Path, shards: usize, child: &mut Child) {
    loop {
        let lines =
            fs::read(journal).map_or(0, |text| text.iter().filter(|&&b| b == b'\n').count());
        if lines > shards {
            return;
        }
        assert!(child.try_wait().unwrap().is_none(), "the program ended too soon");
        std::thread::yield_now();
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn after_kill_9_finished_shards_are_kept_and_the_bytes_are_the_same() {
    let program = Program::new(24);
    assert_eq!(program.run("whole").status.code(), Some(0));
    let mut child = program.command("cut").spawn().unwrap();
    wait_for_shards(&program.city.path(&format!("cut/{JOURNAL}")), 2, &mut child);
    // While it is at work, nobody else is.
    let second = program.run("cut");
    assert_eq!(second.status.code(), Some(2));
    assert!(stderr(&second).contains("another process packs into this folder"));
    child.kill().unwrap(); // SIGKILL
    child.wait().unwrap();
    assert!(!program.city.exists("cut/index.json"), "it was killed on the way");
    let first = program.city.path("cut/toy-00000.shard");
    let written = fs::metadata(&first).unwrap().modified().unwrap();

    let resumed = program.run("cut");
    assert_eq!(resumed.status.code(), Some(0), "{}", stderr(&resumed));
    assert!(stderr(&resumed).contains("resuming: "), "{}", stderr(&resumed));
    assert!(!stderr(&resumed).contains("resuming: 0 shards"), "{}", stderr(&resumed));
    assert_eq!(fs::metadata(&first).unwrap().modified().unwrap(), written);
    assert!(program.city.packed_bytes("cut") == program.city.packed_bytes("whole"));
    assert_eq!(program.city.shard(&["verify", "@cut"]).result, Ok(Outcome::Done));
}

#[test]
fn a_disk_that_fills_up_on_the_way_keeps_the_finished_shards() {
    let program = Program::new(5);
    program.city.write_noise("t/90", 900, 900, 90);
    assert_eq!(program.run("whole").status.code(), Some(0));
    // No file may grow beyond 1.5 MiB, which the shard of the last, large sample does.
    let script = "trap '' XFSZ; ulimit -f 3072; exec \"$0\" \"$@\"";
    let mut limited = Command::new("sh");
    limited.args(["-c", script, env!("CARGO_BIN_EXE_shard")]).args(program.arguments("cut"));
    let full = limited.output().unwrap();
    assert_eq!(full.status.code(), Some(2), "{}", stderr(&full));
    let message = stderr(&full);
    assert!(message.contains("toy-00005.shard.partial: cannot write: File too large"), "{message}");
    assert!(message.contains("hint: finished shards (5) are kept, free some space"), "{message}");
    assert!(program.city.exists("cut/toy-00004.shard"));
    assert_eq!(program.run("cut").status.code(), Some(0));
    assert!(program.city.packed_bytes("cut") == program.city.packed_bytes("whole"));
}

#[test]
fn a_log_that_cannot_be_written_changes_neither_shards_nor_exit_code() {
    let program = Program::new(4);
    assert_eq!(program.run("whole").status.code(), Some(0));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let full = cfg!(target_os = "linux")
        .then(|| fs::File::options().write(true).open("/dev/full").unwrap().into());
    for (number, lost) in [Stdio::from(writer)].into_iter().chain(full).enumerate() {
        let out = format!("unheard{number}");
        let unheard = program.command(&out).stderr(lost).output().unwrap();
        assert_eq!(unheard.status.code(), Some(0));
        assert!(program.city.packed_bytes(&out) == program.city.packed_bytes("whole"));
    }
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let refused = program.command("whole").stderr(writer).output().unwrap();
    assert_eq!(refused.status.code(), Some(2), "a dataset is there already");
}
