//! The shipped recipes, and what is said of wrong ones.

use std::path::Path;

use loader::{Augment, Mode};
use models::network::NetworkConfig;
use training::method::{Method, Order};
use training::recipe::{IswRecipe, Recipe};
use training::schedule::Decay;

use crate::toy::{project, recipe_text};

/// MLDG: the paper's preset without a memory.
const MLDG: &str = "model.memory=false";

pub(crate) fn parse(text: &str, overrides: &[&str]) -> Result<Recipe, String> {
    let overrides: Vec<String> = overrides.iter().map(|&key| key.to_owned()).collect();
    Recipe::parse(text, Path::new("my.toml"), Path::new("/recipes"), &overrides)
        .map_err(|error| error.to_string())
}

pub(crate) fn pin() -> String {
    recipe_text("demo_pin_the_memory.toml")
}

#[test]
fn every_shipped_recipe_is_complete_and_survives_being_resolved() {
    let mut count = 0;
    for entry in std::fs::read_dir(project().join("recipes")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let recipe = Recipe::load(&path, &[]).unwrap_or_else(|e| panic!("{e}"));
        let resolved = recipe.to_toml().unwrap();
        let again = Recipe::parse(&resolved, &path, Path::new("/elsewhere"), &[]).unwrap();
        assert_eq!(again, recipe, "{}", path.display());
        count += 1;
    }
    assert!(count >= 4, "{count} recipes");
}

#[test]
fn the_demos_two_recipes_differ_in_name_memory_and_method_alone() {
    let baseline = parse(&recipe_text("demo_baseline.toml"), &[]).unwrap();
    let mut pin = parse(&pin(), &[]).unwrap();
    assert_eq!(pin.method, Method::paper());
    assert_eq!(pin.method.order, Order::Second);
    pin.name.clone_from(&baseline.name);
    pin.method = baseline.method;
    pin.model = baseline.model.clone();
    assert_eq!(pin, baseline);
}

#[test]
fn an_unknown_key_a_missing_field_and_a_wrong_type_are_named_with_the_file() {
    for (text, expected) in [
        (pin().replace("seed = 304", "seed = 304\nsede = 1"), "unknown field `sede`"),
        (pin().replace("seed = 304", ""), "missing field `seed`"),
        (pin().replace("seed = 304", "seed = \"x\""), "invalid type: string"),
        (pin().replace("preset = \"paper\"", "preset = \"papr\""), "\"paper\", \"released\""),
        (pin().replace("[model]", "[model"), "my.toml"),
    ] {
        let failure = parse(&text, &[]).unwrap_err();
        assert!(failure.contains(expected) && failure.contains("my.toml"), "{failure}");
    }
}

#[test]
fn colours_on_the_gpu_exclude_cutout_and_wide_blurs() {
    let keys = ["augmentation.extra.cutout.probability=0.5", "augmentation.colours_on=gpu"];
    let failure = parse(&pin(), &keys).unwrap_err();
    assert!(failure.contains("augmentation.colours_on is gpu"), "{failure}");
    for key in keys {
        parse(&pin(), &[key]).unwrap();
    }
    let keys = ["augmentation.blur_sigma_max=2.125", "augmentation.colours_on=gpu"];
    let failure = parse(&pin(), &keys).unwrap_err();
    assert!(failure.contains("blur_sigma_max is 2.125, expected below 2.125"), "{failure}");
    parse(&pin(), &["augmentation.blur_sigma_max=2.12", keys[1]]).unwrap();
}

#[test]
fn a_key_that_would_have_no_effect_is_refused_with_the_reason() {
    let aggregated = "method.preset=aggregated";
    let no_episode = "no inner step and no meta-test write";
    let no_memory = "without model.memory nothing is read or written";
    for (with, key, expected, reason) in [
        (aggregated, "method.order=second", "method.order is second", no_episode),
        (aggregated, "method.outer_gradient=sum", "is sum, expected \"alone\"", no_episode),
        (aggregated, "method.classifier_step=inner", "expected \"outer\"", no_episode),
        (
            aggregated,
            "method.strong_augmentation=meta-test-of-single-source",
            "method.strong_augmentation is meta-test",
            "has no meta-test stream",
        ),
        (aggregated, "method.meta_write_freezes_encoder=false", "expected true", no_episode),
        (aggregated, "method.meta_write_freezes_update_network=true", "is true", no_episode),
        (aggregated, "schedule.first_inner_rate=0.001", "expected no such key", no_episode),
        (MLDG, "method.meta_write_freezes_encoder=false", "is false, expected true", no_memory),
        (MLDG, "method.meta_write_freezes_update_network=true", "expected false", no_memory),
        (MLDG, "method.update_network=none", "update_network is none", no_memory),
        (MLDG, "method.normalize_slots=false", "method.normalize_slots is false", no_memory),
        (MLDG, "method.divergence_reduction=sum", "reduction is sum, expected", no_memory),
        (MLDG, "method.read_temperature=2.0", "temperature is 2, expected 1:", no_memory),
        (MLDG, "method.memory_momentum=0.5", "is 0.5, expected 0.8:", no_memory),
        (MLDG, "method.losses.cohesion=0.5", "is 0.5, expected 0.02 or 0:", no_memory),
        (MLDG, "method.losses.divergence=0.5", "is 0.5, expected 0.4 or 0:", no_memory),
        (MLDG, "method.losses.classification=0.5", "is 0.5, expected 0.2 or 0:", no_memory),
        (
            "method.update_network=none",
            "method.meta_write_freezes_update_network=true",
            "is true, expected false",
            "as method.update_network is \"none\"",
        ),
        (
            "method.order=first",
            "method.classifier_step=outer",
            "method.classifier_step is outer, expected \"inner\"",
            "nothing else moves the memory classifier",
        ),
        (
            "method.order=first",
            "method.meta_write_freezes_update_network=true",
            "method.meta_write_freezes_update_network is true, expected false",
            "nothing else moves the update network",
        ),
        (
            "method.classifier_step=inner",
            "schedule.inner_ratio=0.0",
            "schedule.inner_ratio is 0, expected above 0",
            "as method.order is \"second\"",
        ),
        (
            "method.order=first",
            "schedule.inner_ratio=0.0",
            "schedule.inner_ratio is 0, expected above 0",
            "as method.classifier_step is \"inner\"",
        ),
    ] {
        let failure = parse(&pin(), &[with, key]).unwrap_err();
        assert!(failure.contains(expected) && failure.contains(reason), "{key}: {failure}");
    }
}

#[test]
fn a_memory_without_losses_of_its_own_needs_no_update_network_where_nothing_is_episodic() {
    let keys = ["method.preset=aggregated", "method.losses.divergence=0.0"];
    parse(&pin(), &keys).unwrap();
    let keys = [keys[0], keys[1], "method.losses.classification=0.0"];
    let failure = parse(&pin(), &keys).unwrap_err();
    assert!(failure.contains("method.update_network is conv, expected \"none\""), "{failure}");
    parse(&pin(), &[keys[0], keys[1], keys[2], "method.update_network=none"]).unwrap();
}

#[test]
fn the_released_recipe_is_the_authors_network_for_the_epochs_that_their_code_trains() {
    let recipe = parse(&recipe_text("released.toml"), &[]).unwrap();
    assert_eq!(recipe.method, Method::released());
    let network =
        NetworkConfig { blocks: None, ..NetworkConfig::deeplab_v3_plus_resnet50(19, true) };
    assert_eq!(recipe.network(19), network);
    // `DomainUniformConcatDataset` calls 2975 images an epoch; an incomplete batch is dropped.
    let epoch = 2975 / recipe.data.samples_per_domain as u64;
    assert_eq!(recipe.steps, 41 * epoch, "epochs 0 to 40");
    assert_eq!(recipe.model.memory_init_batches, 2 * epoch);
    let augment = Augment { mode: Mode::Reference, ..Augment::reference() };
    assert_eq!(recipe.augmentation.augment(), augment);

    // GTAV alone, as recipes/README.md has it.
    let keys = [
        "data.sources=[{ name = \"gtav\", shards = [\"../shards/gtav-train\"] }]",
        "data.streams_per_domain=2",
        "steps=23033",
    ];
    let single = parse(&recipe_text("released.toml"), &keys).unwrap();
    assert_eq!((single.data.streams(), single.steps), (2, 31 * epoch));
}

#[test]
fn every_ablation_of_the_paper_is_a_key_or_two_away_from_its_preset() {
    for keys in [
        &["model.memory=false"][..],   // Table 7: episodes alone
        &["method.preset=aggregated"], // Table 7: memory alone
        &["method.preset=aggregated", "model.memory=false"], // Table 7: neither
        &["method.meta_write_freezes_encoder=false"], // Table 6
        &["method.meta_write_freezes_update_network=true"], // Table 6
        &["method.update_network=none"], // Table 9
        &["method.losses.divergence=0.0", "method.losses.classification=0.0"], // Table 5
        &["method.losses.cohesion=0.0"], // Table 5
        &["method.preset=released", "model.memory=false"], // MLDG as released
        &["method.preset=released", "schedule.first_inner_rate=0.001"],
    ] {
        let recipe = parse(&pin(), keys).unwrap_or_else(|error| panic!("{keys:?}: {error}"));
        let resolved = recipe.to_toml().unwrap();
        assert_eq!(parse(&resolved, &[]).unwrap(), recipe, "{keys:?}");
        assert_eq!(recipe.network(19).update_network, recipe.method.update_network, "{keys:?}");
    }
}

#[test]
fn a_memory_needs_a_layer_of_features() {
    let keys = ["model.name=deeplab_v2_original", "model.aspp_rates=[6, 12, 18, 24]"];
    let failure = parse(&pin(), &keys).unwrap_err();
    assert!(failure.contains("model.memory is true, expected false"), "{failure}");
    parse(&pin(), &[keys[0], keys[1], "model.memory=false"]).unwrap();
}

#[test]
fn isw_has_the_references_values_where_it_lists_no_others() {
    let keys = ["model.normalization=isw", "model.isw.statistics_after_steps=20"];
    let recipe = parse(&pin(), &keys).unwrap();
    let expected = IswRecipe {
        statistics_after_steps: 20,
        trials: 10,
        images_per_trial: 500,
        clusters: 3,
        weight: 0.6,
    };
    assert_eq!(recipe.model.isw, Some(expected));
    assert_eq!(recipe.network(19).whitening.map(|whitening| whitening.weight), Some(0.6));
    let in_file = pin().replace("normalization = \"batch\"", "normalization = \"isw\"")
        + "\n[model.isw]\nstatistics_after_steps = 20\n";
    assert_eq!(parse(&in_file, &[]).unwrap(), recipe);
    assert_eq!(parse(&recipe.to_toml().unwrap(), &[]).unwrap(), recipe);
    assert_eq!(parse(&pin(), &[]).unwrap().model.isw, None);
}

#[test]
fn statistics_that_no_run_can_take_are_refused_by_key() {
    for (key, expected) in [
        ("trials=0", "trials is 0, expected 1 to 1000"),
        ("images_per_trial=0", "images_per_trial is 0, expected 1 to 1000000"),
        ("clusters=1", "clusters is 1, expected 2 to 1000"),
        ("weight=-0.5", "weight is -0.5, expected 0 to 1000000"),
        ("weight=nan", "weight is NaN"),
        ("statistics_after_steps=700", "statistics_after_steps is 700, expected fewer than"),
    ] {
        let first = ["model.normalization=isw", "model.isw.statistics_after_steps=0"];
        let key = format!("model.isw.{key}");
        let failure = parse(&pin(), &[first[0], first[1], &key]).unwrap_err();
        assert!(failure.contains(&format!("model.isw.{expected}")), "{failure}");
    }
    let keys = ["model.normalization=isw", "model.isw=3"];
    let failure = parse(&pin(), &keys).unwrap_err();
    assert!(failure.contains("model.isw is 3, expected a table"), "{failure}");
}

#[test]
fn mobile_backbones_take_the_norms_that_fit_them() {
    let text = pin().replace("blocks = [1, 1, 1, 1]\n", "");
    let with = |backbone: &str, norms: &str| {
        let keys = [format!("model.backbone={backbone}"), format!("model.normalization={norms}")];
        parse(&text, &keys.each_ref().map(String::as_str))
    };
    for backbone in ["mobilenet_v2", "shufflenet_v2_x1_0"] {
        for norms in ["ibn", "iw", "irw"] {
            with(backbone, norms).unwrap_or_else(|failure| panic!("{failure}"));
        }
        let failure = with(backbone, "ibn-a").unwrap_err();
        assert!(failure.contains("model.normalization is \"ibn-a\", expected another one with"));
        assert!(failure.contains("residual blocks of resnet18"), "{failure}");
    }
    with("mobilenet_v2", "switchable").unwrap();
    let failure = with("shufflenet_v2_x1_0", "switchable").unwrap_err();
    assert!(failure.contains("\"switchable\" over 28 channels at stages[1]"), "{failure}");
}

#[test]
fn contradictions_name_key_value_and_what_is_expected() {
    for (key, expected) in [
        ("model.width_divisor=3", "model.width_divisor is 3, expected 1, 2, 4, 8, 16 or 32"),
        ("model.output_stride=4", "model.output_stride is 4"),
        ("model.name=fcn8s", "model.aspp_rates is [1, 2, 3], expected 0 dilations"),
        ("model.name=unet", "model.name: unknown variant `unet`"),
        (
            "model.normalization=isw",
            "model.isw.statistics_after_steps is 4458, expected fewer than the run's 700 steps",
        ),
        ("model.isw.trials=2", "model.isw is a table, expected none where model.normalization"),
        (
            "model.isw.trails=2",
            "no key trails there; hint: known keys are clusters, images_per_trial",
        ),
        ("model.normalization=group", "model.normalization: unknown variant `group`"),
        ("model.backbone=vgg16", "model.backbone: unknown variant `vgg16`"),
        ("model.backbone=mobilenet_v2", "model.blocks is [1, 1, 1, 1], expected no such key"),
        ("data.samples_per_domain=1", "needs two images"),
        ("data.sources=[]", "data.sources is an empty list, expected at least 2 domains"),
        (
            "data.sources=[{ name = \"a\", shards = [\"s\"] }]",
            "data.sources is a list of one domain, expected at least 2 domains",
        ),
        ("evaluation.protocol=pooling", "evaluation.protocol is pooling"),
        ("steps=0", "steps is 0"),
        ("method.read_temperature=0.0", "method.read_temperature"),
        ("method.read_temperature=nan", "method.read_temperature is NaN"),
        ("schedule.learning_rate=-0.1", "schedule.learning_rate is -0.1"),
        (
            "schedule.first_inner_rate=-1.0",
            "schedule.first_inner_rate is -1, expected 0 to 1000000",
        ),
        ("method.update_network=norm", "method.update_network: unknown variant `norm`"),
        ("schedule.learning_rate=inf", "schedule.learning_rate is inf"),
        ("schedule.decay.steps=10", "schedule.decay.steps is 10, expected at least 700"),
        ("optimizer.momentum=5.0", "optimizer.momentum is 5"),
        ("optimizer.clip_gradient_norm=-1.0", "optimizer.clip_gradient_norm is -1"),
        ("method.losses.cohesion=nan", "method.losses.cohesion is NaN"),
        ("data.crop_width=100000", "data.crop_width is 100000, expected 32 to 8192"),
        ("data.workers=0", "data.workers is 0"),
        ("data.samples_per_domain=20000000", "data.samples_per_domain is 20000000"),
        ("evaluation.window=[0, 0]", "evaluation.window is 0, expected 32 to 8192"),
        ("augmentation.scale_min=0.0", "augmentation.scale_min is 0, expected"),
        ("augmentation.jitter_probability=2.0", "augmentation.jitter_probability is 2, expected 0"),
        ("augmentation.hue=0.7", "augmentation.hue is 0.7, expected 0 to 0.5"),
        ("data.streams_per_domain=3", "data.streams_per_domain is 3, expected 1 or 2"),
        ("data.sampling=domain-uniform", "data.sampling is domain-uniform, expected \"quotas\""),
        (
            "data.sources=[{ name = \"a\", shards = [\"s\"], samples = 1 }, \
             { name = \"b\", shards = [\"t\"] }]",
            "data.sources.a.samples is 1, expected at least 2",
        ),
        ("data.class_uniform=1.5", "data.class_uniform is 1.5, expected 0 to 1"),
        ("data.samples_per_domain=5000", "is 5000, expected at most 4096"),
        (
            "data.sources=[{ name = \"a\", shards = [\"s\"] }, { name = \"a\", shards = [\"t\"] }]",
            "two sources named a",
        ),
        (
            "data.sources=[{ name = \"a\", shards = [] }, { name = \"b\", shards = [\"t\"] }]",
            "data.sources.a.shards is empty",
        ),
        ("data.on_damage=ignore", "`strict`, `substitute`, `mask-tile`"),
        ("augmentation.mode=quick", "`fast` or `reference`"),
        ("augmentation.colours_on=cpu", "`loader` or `gpu`"),
        ("augmentation.extra.fog.probability=2.0", "extra.fog.probability is 2, expected 0 to 1"),
        ("augmentation.extra.fog.thickness=2.0", "augmentation.extra.fog.thickness"),
        ("augmentation.extra.fogg.probability=1.0", "no table fogg; hint: known keys are channel"),
        (
            "augmentation.extra.cutout={ fill = \"white\" }",
            "augmentation.extra.cutout.fill: unknown",
        ),
        ("data.sources.0.weight=2", "sources is a list; hint: give all of it"),
        ("steps=\"many\"", "steps: invalid type: string \"many\", expected a whole number"),
        ("model.memory=2", "model.memory: invalid type"),
        ("model.memory_init_batches=0", "model.memory_init_batches is 0, expected 1 to 1000000"),
        ("model.auxiliary_dropout=0.995", "is 0.995, expected 0 to 0.99"),
        ("schedule.decay={ kind = \"constant\", gamma = 1 }", "decay: unknown field `gamma`"),
        ("schedule.decay={ kind = \"poly\", power = 1, steps = 700, gamma = 1 }", "field `gamma`"),
        ("name=", "name is \"\", expected a name of one line"),
        (
            "data.sources=[{ name = \"a\\nb\", shards = [\"s\"] }, { name = \"c\", shards = [\"t\"] }]",
            "data.sources.name is \"a\\nb\", expected a name of one line",
        ),
    ] {
        let failure = parse(&pin(), &[key]).unwrap_err();
        assert!(failure.contains(expected), "{failure}");
    }
}

#[test]
fn a_constant_rate_and_a_run_without_a_memory_need_no_more_keys() {
    let constant = parse(&pin(), &["schedule.decay={ kind = \"constant\" }"]).unwrap();
    assert_eq!(constant.schedule.decay, Decay::Constant {});
    assert_eq!(parse(&constant.to_toml().unwrap(), &[]).unwrap(), constant);
    parse(&pin(), &[MLDG, "model.memory_init_batches=0"]).unwrap();
}

#[test]
fn numbers_that_no_key_can_have_are_refused_in_words_of_toml() {
    for (steps, expected) in [
        ("-1", "steps: invalid value: integer `-1`, expected a whole number, 0 or more"),
        ("9223372036854775808", "too large, expected at most 9223372036854775807"),
        ("99999999999999999999", "too large, expected at most 9223372036854775807"),
        ("999999999999999999999999999999999999999999", "too large, expected at most"),
    ] {
        let given = format!("steps={steps}");
        let in_file = pin().replacen("steps = 700", &format!("steps = {steps}"), 1);
        for failure in [parse(&pin(), &[&given]), parse(&in_file, &[])].map(Result::unwrap_err) {
            assert!(failure.contains(expected), "{failure}");
            for odd in ["u64", "i64", "i128", "u128"] {
                assert!(!failure.contains(odd), "{failure}");
            }
        }
    }
    let failure = parse(&pin(), &["optimizer.momentum=1.0"]).unwrap_err();
    assert!(failure.ends_with("optimizer.momentum is 1, expected 0 to 0.9999"), "{failure}");
    let failure = parse(&pin(), &["schedule.learning_rate=0.0"]).unwrap_err();
    assert!(
        failure.ends_with("schedule.learning_rate is 0, expected 1e-12 to 1000000"),
        "{failure}"
    );
}
