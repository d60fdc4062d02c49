//! Commands that read a packed dataset: extract, stats, preview, bench, completions, man.

use png::ColorType;
use serde_json::Value;
use terminal::Outcome;

use crate::toy_city::{ToyCity, label, read_png, train_id};

#[test]
fn extract_takes_the_named_samples_alone() {
    let city = ToyCity::packed(7);
    let words = ["extract", "@packed", "--out", "@back", "--id", "t/05", "--id", "t/01"];
    let extracted = city.shard(&words);
    assert_eq!(extracted.output, "2 images and 2 label maps in back\n");
    let files: Vec<String> = city.packed_bytes("back").into_iter().map(|(name, _)| name).collect();
    assert_eq!(files, ["t__01.png", "t__01_label.png", "t__05.png", "t__05_label.png"]);
}

#[test]
fn an_id_may_begin_with_a_hyphen() {
    const ID: &str = "--NSVcUgfVhFd6uzkqHOOg";
    let city = ToyCity::new(0);
    let manifest = std::fs::read_to_string(city.path("toy.toml")).unwrap();
    std::fs::write(city.path("toy.toml"), manifest.replace("{town}/{stem}", "{stem}")).unwrap();
    [ID, "other"].iter().zip(1..).for_each(|(id, seed)| city.write_noise(id, 9, 9, seed));
    city.pack("packed", &[]).result.unwrap();
    let extracted = city.shard(&["extract", "@packed", "--out", "@back", "--id", ID]);
    assert_eq!(extracted.output, "1 image and 1 label map in back\n");
    assert!(city.exists(&format!("back/{ID}.png")));
    let shown = city.shard(&["preview", "@packed", "--out", "@sheet.html", "--id", ID]);
    assert_eq!(shown.output, "1 sample in sheet.html\n");
}

#[test]
fn names_of_files_give_no_orders_to_a_terminal_or_browser() {
    let city = ToyCity::new(1);
    city.write_noise("t/\u{1b}[2J\u{202e}gnp<b>é", 9, 9, 1);
    city.write_noise("t/\u{1b}[3J", 9, 9, 2);
    city.write_label("t/\u{1b}[3J", 1, 1, &[1]);
    let packed = city.pack("packed", &["--max-skipped", "0.5"]);
    let inspected = city.shard(&["inspect", "@packed"]);
    let drawn = city.shard(&["preview", "@packed", "--out", "@sheet.html"]);
    drawn.result.unwrap();
    let page = std::fs::read_to_string(city.path("sheet.html")).unwrap();
    for text in [&packed.output, &inspected.output, &page] {
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
    }
    assert!(inspected.output.contains(r"t/\u{1b}[2J\u{202e}gnp<b>é  9x9"), "{}", inspected.output);
    assert!(page.contains(r"t/\u{1b}[2J\u{202e}gnp&lt;b&gt;é"));
    let failed = shard::pack::PackOptions { max_skipped: 0.0, ..city.options("failed") };
    let error = shard::pack::pack(&failed, &|_, _| ()).unwrap_err();
    assert!(city.text(&error).contains(r"images/train/t/\u{1b}[3J.png"), "{error}");
    assert!(!error.to_string().contains('\u{1b}'), "{error}");
}

#[test]
fn stats_count_the_labels_as_packed() {
    let city = ToyCity::packed(3);
    let counted = city.shard(&["stats", "@packed", "--json", "--chart", "@chart.png"]);
    assert_eq!(counted.result, Ok(Outcome::Done));
    let json: Value = serde_json::from_str(&counted.output).unwrap();
    let maps = [label(1, 3), label(38, 64), label(75, 125)];
    let all = maps.concat();
    for stored in [1, 2] {
        let class = &json["classes"][usize::from(train_id(stored))];
        let pixels = all.iter().filter(|&&value| value == stored).count();
        assert_eq!(class["pixels"], pixels);
        assert_eq!(class["images"], maps.iter().filter(|map| map.contains(&stored)).count());
        let share = class["pixel_share"].as_f64().unwrap();
        assert!((share - pixels as f64 / all.len() as f64).abs() < 1e-12, "{share}");
    }
    assert_eq!(json["pixels"], all.len());
    let (color, (width, height), pixels) = read_png(&city.path("chart.png"));
    assert_eq!(color, ColorType::Rgb);
    // Bars in the colours of road and sky, and none for a class that does not occur.
    let inked = |colour: [u8; 3]| pixels.chunks_exact(3).filter(|&pixel| pixel == colour).count();
    assert!(inked([128, 64, 128]) > 1000 && inked([70, 130, 180]) > 1000, "{width}x{height}");
    assert_eq!(inked([0, 0, 142]), 0);
}

#[test]
fn a_preview_shows_the_same_samples_for_the_same_seed() {
    let city = ToyCity::packed(23);
    let draw = |name: &str, more: &[&str]| {
        let out = format!("@{name}");
        let words = ["preview", "@packed", "--count", "5", "--width", "64", "--out", &out];
        let drawn = city.shard(&[&words[..], more].concat());
        assert_eq!(drawn.output, format!("5 samples in {name}\n"), "{:?}", drawn.result);
        std::fs::read(city.path(name)).unwrap()
    };
    let first = draw("a.png", &[]);
    assert!(first == draw("b.png", &[]));
    assert!(first != draw("c.png", &["--seed", "1"]));
    assert!(first != draw("d.png", &["--side-by-side"]));
    assert!(first != draw("e.png", &["--first"]));
}

#[test]
fn a_preview_paints_classes_in_their_colours_and_leaves_ignored_pixels() {
    let city = ToyCity::packed(2);
    let words = ["preview", "@packed", "--out", "@sheet.png", "--id", "t/01", "--opacity", "1"];
    assert_eq!(city.shard(&words).result, Ok(Outcome::Done));
    let (_, _, pixels) = read_png(&city.path("sheet.png"));
    let count = |colour: [u8; 3]| pixels.chunks_exact(3).filter(|&pixel| pixel == colour).count();
    // 38x64 pixels, each repeated 6 times each way, and a legend with a swatch of 18x18.
    let stored = label(38, 64);
    for (value, colour) in [(1, [128, 64, 128]), (2, [70, 130, 180])] {
        let pixels = stored.iter().filter(|&&found| found == value).count();
        assert_eq!(count(colour), pixels * 36 + 18 * 18, "stored id {value}");
    }
}

#[test]
fn a_preview_page_needs_no_other_file_and_escapes_ids() {
    let city = ToyCity::packed(1);
    let words = ["preview", "@packed", "--out", "@page.html", "--side-by-side"];
    assert_eq!(city.shard(&words).output, "1 sample in page.html\n");
    let page = std::fs::read_to_string(city.path("page.html")).unwrap();
    assert_eq!(page.matches("src=\"data:image/png;base64,").count(), 3);
    assert_eq!(page.matches("src=").count(), 3);
    assert!(page.contains("<b>t/00</b><span>1x3</span>"), "{page}");
    assert!(!page.contains("http"), "{page}");
}

#[test]
fn bench_measures_every_preset_on_a_packed_dataset_and_on_source_files() {
    let city = ToyCity::packed(3);
    let quick = ["--seconds", "0", "--count", "2", "--threads", "2", "--crop", "32", "--json"];
    let source = ["--manifest", "@toy.toml", "--root", "@data", "--split", "train"];
    for (words, first, costs) in
        [(&["@packed"][..], "as packed (default)", 22), (&source, "source files", 20)]
    {
        let measured = city.shard(&[&["bench"], words, &quick].concat());
        assert_eq!(measured.result, Ok(Outcome::Done));
        let json: Value = serde_json::from_str(&measured.output).unwrap();
        assert_eq!(json["costs"][0]["what"], first);
        assert_eq!(json["costs"].as_array().unwrap().len(), costs);
        let sizes = json["sizes"].as_array().unwrap();
        let presets: Vec<&str> =
            sizes.iter().map(|size| size["preset"].as_str().unwrap()).collect();
        assert_eq!(presets, ["default", "fast", "raw"]);
        assert!(json["costs"][0]["per_second"].as_f64().unwrap() > 0.0);
    }
}

#[test]
fn completions_and_manual_pages_name_every_command() {
    let city = ToyCity::new(0);
    let commands = [
        "pack",
        "merge",
        "init-manifest",
        "verify",
        "inspect",
        "stats",
        "preview",
        "extract",
        "bench",
        "completions",
        "man",
    ];
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = city.shard(&["completions", shell]).output;
        for command in commands {
            assert!(script.contains(command), "{command} in the completions of {shell}");
        }
        assert!(script.contains("against-source"), "{shell}");
    }
    assert_eq!(city.shard(&["man", "--out", "@man"]).output, "12 manual pages in man\n");
    let program = std::fs::read_to_string(city.path("man/shard.1")).unwrap();
    for command in commands {
        let page = std::fs::read_to_string(city.path(&format!("man/shard-{command}.1"))).unwrap();
        assert!(page.contains(".SH SYNOPSIS"), "{page}");
        let name = format!("shard\\-{}(1)", command.replace('-', "\\-"));
        assert!(program.contains(&name), "{name} in {program}");
    }
}
