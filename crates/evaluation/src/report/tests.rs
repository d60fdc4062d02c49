use std::collections::BTreeMap;

use super::*;
use crate::confusion::ConfusionMatrix;
use crate::pictures;

fn run(name: &str, prediction: [u8; 4], curve: &[(f64, f64)]) -> RunReport {
    let mut confusion = ConfusionMatrix::new(3);
    confusion.add(&[0, 0, 0, 1], &prediction, 255);
    let curve = Curve { name: "loss".to_owned(), log_scale: false, points: curve.to_vec() };
    RunReport {
        name: name.to_owned(),
        targets: vec![TargetScore::new("city", 1, confusion)],
        curves: vec![curve],
    }
}

fn data() -> ReportData {
    ReportData {
        title: "Toy city".to_owned(),
        subtitle: "baseline against memory".to_owned(),
        facts: vec![("seed".to_owned(), "7".to_owned())],
        classes: ["road", "sidewalk", "train"].map(String::from).to_vec(),
        protocol: Protocol {
            name: "whole".to_owned(),
            description: "One pass over the whole image.".to_owned(),
            parameters: BTreeMap::from([("flip".to_owned(), false.into())]),
        },
        runs: vec![
            run("baseline", [0, 0, 1, 1], &[(0.0, 2.0), (1.0, f64::NAN), (2.0, 1.0)]),
            run("memory", [0, 0, 0, 1], &[(0.0, 2.0), (1.0, 1.0)]),
        ],
        samples: vec![SamplePicture {
            id: "<script>alert(1)</script>".to_owned(),
            target: "city".to_owned(),
            width: 2,
            height: 2,
            rgb: vec![90; 12],
            truth: vec![0, 255, 1, 1],
            predictions: vec![
                ("baseline".to_owned(), vec![0, 1, 1, 1]),
                ("memory".to_owned(), vec![0; 4]),
            ],
        }],
        notes: vec!["a note".to_owned()],
        recipes: vec![("memory".to_owned(), "name = \"<b>\"".to_owned())],
    }
}

#[test]
fn the_page_refers_to_nothing_outside_itself_and_runs_nothing() {
    let page = render(&data()).unwrap();
    assert!(!page.contains("http") && !page.contains("href") && !page.contains("@import"));
    assert!(!page.contains("<script") && !page.contains("url("));
    let sources: Vec<_> = page.split("src=\"").skip(1).collect();
    assert_eq!(sources.len(), 4);
    assert!(sources.iter().all(|source| source.starts_with("data:image/png;base64,")));
    let sample = &data().samples[0];
    let image = pictures::data_uri(&pictures::image_png(2, 2, &sample.rgb).unwrap());
    let truth = pictures::data_uri(&pictures::label_png(2, 2, &sample.truth).unwrap());
    assert!(sources[0].starts_with(&image) && sources[1].starts_with(&truth));
}

#[test]
fn text_from_outside_is_escaped() {
    let page = render(&data()).unwrap();
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(page.contains("name = &quot;&lt;b&gt;&quot;"));
}

#[test]
fn scores_differences_and_absent_classes_are_shown() {
    let page = render(&data()).unwrap();
    // IoU baseline 2/3 and 1/2, memory 1 and 1; no pixel is train.
    assert!(
        page.contains("<b>58.3</b>")
            && page.contains("<b>100.0</b><span class=\"up\">+41.7</span>")
    );
    assert!(page.contains("<td>66.7</td><td class=\"best\">100.0</td>"));
    assert!(
        page.contains(
            "train</th><td class=\"share\">\u{2013}</td><td>\u{2013}</td><td>\u{2013}</td>"
        )
    );
}

#[test]
fn points_that_are_not_drawn_are_noted() {
    let page = render(&data()).unwrap();
    assert!(page.contains(
        "Points of the curve \u{201c}loss\u{201d} that are not finite and not drawn: 1."
    ));
}

#[test]
fn a_report_of_one_evaluated_run_has_no_empty_section() {
    let mut data = data();
    data.runs.truncate(1);
    data.runs[0].curves.clear();
    data.samples.clear();
    data.notes.clear();
    data.recipes.clear();
    let page = render(&data).unwrap();
    let headings: Vec<_> =
        page.split("<h2>").skip(1).map(|rest| rest.split('<').next().unwrap()).collect();
    assert_eq!(headings, ["Mean IoU", "IoU of each class", "How it was measured"]);
    assert!(!page.contains("difference"));
}

#[test]
fn every_element_that_is_opened_is_closed() {
    let page = render(&data()).unwrap();
    for element in [
        "section",
        "table",
        "tr",
        "td",
        "th",
        "div",
        "figure",
        "figcaption",
        "details",
        "svg",
        "ul",
        "li",
        "h3",
        "text",
    ] {
        let opened = page.matches(&format!("<{element}>")).count()
            + page.matches(&format!("<{element} ")).count();
        assert_eq!(opened, page.matches(&format!("</{element}>")).count(), "{element}");
    }
}

#[test]
fn pictures_and_scores_that_do_not_fit_are_errors() {
    let mut short = data();
    short.samples[0].truth.pop();
    assert!(
        render(&short)
            .unwrap_err()
            .to_string()
            .contains("truth of 3 bytes, expected 4 for 2 x 2 pixels")
    );
    let mut unknown = data();
    unknown.samples[0].predictions[1].1[2] = 3;
    assert!(
        render(&unknown)
            .unwrap_err()
            .to_string()
            .contains("\"memory\" predicts id 3, expected less than 3")
    );
    let mut more = data();
    more.classes.push("bus".to_owned());
    assert!(render(&more).unwrap_err().to_string().contains("scores of 3 classes, expected 4"));
}

#[test]
fn a_report_is_written_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    write(&path, &data()).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), render(&data()).unwrap());
}
