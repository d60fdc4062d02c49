//! `--set`: keys that a command line changes or adds.

use training::method::{EmptyBatch, Method, Order};

use crate::recipes::{parse, pin};

#[test]
fn a_preset_can_be_changed_key_by_key() {
    let recipe = parse(&pin(), &["method.order=first", "method.losses.cohesion=0.5"]).unwrap();
    let mut expected = Method::paper();
    expected.order = Order::First;
    expected.losses.cohesion = 0.5;
    assert_eq!(recipe.method, expected);
    let other = parse(&pin(), &["method.order=second", "method.preset=released"]).unwrap();
    assert_eq!(other.method, Method { order: Order::Second, ..Method::released() });
    let resolved = other.to_toml().unwrap();
    let failure = parse(&resolved, &["method.preset=paper"]).unwrap_err();
    assert!(failure.contains("has no preset"), "{failure}");
}

#[test]
fn an_override_must_name_an_existing_key() {
    for (key, expected) in [
        ("stesp=1", "no key stesp"),
        ("model.size=1", "known keys are"),
        ("modle.memory=true", "no table modle"),
        ("steps", "expected key=value"),
        ("steps=99999999999999999999", "99999999999999999999"),
    ] {
        let failure = parse(&pin(), &[key]).unwrap_err();
        assert!(failure.contains(expected) && failure.contains(key), "{failure}");
    }
}

#[test]
fn an_override_of_a_style_may_list_only_what_differs() {
    let whole = parse(&pin(), &["augmentation.extra.fog={ probability = 0.25 }"]).unwrap();
    let single = parse(&pin(), &["augmentation.extra.fog.probability=0.25"]).unwrap();
    assert_eq!(whole, single);
    assert_eq!(whole.augmentation.extra.fog.probability, 0.25);
}

#[test]
fn an_override_can_add_every_optional_key_and_the_hint_knows_them() {
    let bare = pin().replace("blocks = [1, 1, 1, 1]\n", "");
    assert_eq!(parse(&bare, &[]).unwrap().model.blocks, None);
    let keys = [
        "model.blocks=[1, 1, 1, 1]",
        "model.weights=../weights.safetensors",
        "schedule.first_inner_rate=0.001",
        "gradient_checkpointing=true",
    ];
    let recipe = parse(&bare, &keys).unwrap();
    assert_eq!(recipe.model.blocks, Some([1; 4]));
    assert!(recipe.model.weights.is_some() && recipe.gradient_checkpointing);
    assert_eq!(recipe.schedule.first_inner_rate, Some(0.001));
    let failure = parse(&bare, &["model.block=[1]"]).unwrap_err();
    for key in ["blocks", "isw", "weights"] {
        assert!(failure.contains(&format!(" {key}")), "{key}: {failure}");
    }
    let failure = parse(&bare, &["model.blocks=[1, 1"]).unwrap_err();
    assert!(failure.starts_with("--set model.blocks=[1, 1: "), "{failure}");
    let failure = parse(&bare, &["schedule.first=1"]).unwrap_err();
    assert!(failure.contains("first_inner_rate"), "{failure}");
}

#[test]
fn a_key_of_words_takes_words_that_toml_reads_as_numbers() {
    let recipe = parse(&pin(), &["method.empty_batch=nan", "name=2026"]).unwrap();
    assert_eq!((recipe.method.empty_batch, recipe.name.as_str()), (EmptyBatch::Nan, "2026"));
}
