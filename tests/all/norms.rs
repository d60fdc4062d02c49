//! Settings of norms and whitening losses as text.

use models::normalization::places::{NormKind, NormPlaces};
use models::normalization::presets::{NormPreset, WhitenedPairs, Whitening};

#[test]
fn settings_read_as_they_are_written() {
    let places: NormPlaces = toml::from_str(
        r#"
        stem = ["batch", "batch", "instance-whitening"]
        stages = ["instance-affine", "instance", "switchable", "batch"]
        ibn_a = true
        "#,
    )
    .unwrap();
    let stem = [NormKind::Batch, NormKind::Batch, NormKind::InstanceWhitening];
    let stages =
        [NormKind::InstanceAffine, NormKind::Instance, NormKind::Switchable, NormKind::Batch];
    assert_eq!(places, NormPlaces { stem, stages, ibn_a: true });

    for preset in [NormPreset::Iw, NormPreset::Irw, NormPreset::Isw] {
        let text = toml::to_string(&preset.places()).unwrap();
        assert_eq!(toml::from_str::<NormPlaces>(&text).unwrap(), preset.places());
        let text = toml::to_string(&preset.whitening().unwrap()).unwrap();
        assert_eq!(toml::from_str::<Whitening>(&text).ok(), preset.whitening(), "{text}");
    }
    let preset: std::collections::BTreeMap<String, NormPreset> =
        toml::from_str("preset = \"ibn-a\"").unwrap();
    assert_eq!(preset["preset"], NormPreset::IbnA);
}

#[test]
fn an_unknown_or_missing_key_is_refused_by_name() {
    let refused = |text: &str| toml::from_str::<Whitening>(text).unwrap_err().to_string();
    let unknown = refused("weight = 0.6\npairs = { kind = \"all\", clusters = 3 }");
    assert!(unknown.contains("unknown field `clusters`"), "{unknown}");
    let missing = refused("weight = 0.6\npairs = { kind = \"relaxed\" }");
    assert!(missing.contains("missing field `relaxation`"), "{missing}");
    let complete = "weight = 0.6\npairs = { kind = \"relaxed\", relaxation = 32.0 }";
    let pairs = WhitenedPairs::Relaxed { relaxation: 32.0 };
    assert_eq!(toml::from_str::<Whitening>(complete).unwrap(), Whitening { weight: 0.6, pairs });

    let text = toml::to_string(&NormPreset::Isw.places()).unwrap();
    let error = toml::from_str::<NormPlaces>(&format!("{text}layers = 7\n")).unwrap_err();
    assert!(error.to_string().contains("unknown field `layers`"), "{error}");
}
