//! What every style promises.

use proptest::prelude::*;

use super::*;

/// All styles, each alone and always on.
fn styles() -> [(&'static str, Extra); 8] {
    let none = Extra::none();
    [
        ("night", Extra { night: Night { probability: 1.0, ..none.night }, ..none }),
        ("shadow", Extra { shadow: Shadow { probability: 1.0, ..none.shadow }, ..none }),
        ("sun_flare", Extra { sun_flare: SunFlare { probability: 1.0, ..none.sun_flare }, ..none }),
        ("fog", Extra { fog: Fog { probability: 1.0, ..none.fog }, ..none }),
        ("rain", Extra { rain: Rain { probability: 1.0, ..none.rain }, ..none }),
        ("snow", Extra { snow: Snow { probability: 1.0, ..none.snow }, ..none }),
        (
            "channel_statistics",
            Extra {
                channel_statistics: ChannelStatistics {
                    probability: 1.0,
                    ..none.channel_statistics
                },
                ..none
            },
        ),
        (
            "rand_augment",
            Extra { rand_augment: RandAugment { probability: 1.0, ..none.rand_augment }, ..none },
        ),
    ]
}

fn key(index: u64) -> SampleKey {
    SampleKey::new(9, "gtav", 1, index)
}

/// A scene of all levels: the sky bright, the ground dark, colours in stripes.
fn scene(width: u32, height: u32) -> Vec<u8> {
    let level = |channel: u32, x: u32, y: u32| {
        let sky = 200 - 120 * y / height;
        (sky + 40 * ((x / 3 + channel) % 2) + (x * 7 + y * 13) % 11) as u8
    };
    (0..3)
        .flat_map(|channel| (0..height).map(move |y| (channel, y)))
        .flat_map(|(channel, y)| (0..width).map(move |x| level(channel, x, y)))
        .collect()
}

#[test]
fn every_style_changes_pixels_alike_for_equal_keys_and_otherwise_for_others() {
    let scene = scene(96, 80);
    for (name, extra) in styles() {
        let paint = |key: SampleKey| {
            let mut planes = scene.clone();
            extra.paint(key, &mut planes, 96);
            planes
        };
        assert_ne!(paint(key(0)), scene, "{name}");
        assert_eq!(paint(key(0)), paint(key(0)), "{name}");
        assert_ne!(paint(key(0)), paint(key(1)), "{name}");
    }
}

#[test]
fn styles_are_drawn_independently_and_as_often_as_asked() {
    let mut extra = Extra::none();
    let probabilities = [0.1, 0.3, 0.5, 0.7];
    [extra.night.probability, extra.fog.probability] = [probabilities[0], probabilities[1]];
    [extra.rain.probability, extra.cutout.probability] = [probabilities[2], probabilities[3]];
    let mut counts = [0_u32; 4];
    let mut night_and_fog = 0;
    for index in 0..4000 {
        let key = key(index);
        let drawn = [
            NightDraw::draw(&extra.night, key).is_some(),
            FogDraw::draw(&extra.fog, key).is_some(),
            RainDraw::draw(&extra.rain, key).is_some(),
            CutoutDraw::draw(&extra.cutout, key).is_some(),
        ];
        for (count, drawn) in counts.iter_mut().zip(drawn) {
            *count += u32::from(drawn);
        }
        night_and_fog += u32::from(drawn[0] && drawn[1]);
        assert_eq!(SnowDraw::draw(&extra.snow, key), None);
    }
    for (count, probability) in counts.into_iter().zip(probabilities) {
        // The standard deviation is at most 31.6; five of them on either side.
        assert!((f64::from(count) - 4000.0 * f64::from(probability)).abs() < 158.0, "{counts:?}");
    }
    // 120 expected, standard deviation 10.8.
    assert!((66..174).contains(&night_and_fog), "{night_and_fog}");
}

#[test]
fn each_field_out_of_range_is_refused_by_its_name() {
    let none = Extra::none();
    none.validate().unwrap();
    let refused = |extra: Extra| extra.validate().unwrap_err().to_string();
    let mut extra = none;
    extra.rain.probability = 1.5;
    assert!(refused(extra).contains("extra.rain.probability is 1.5, expected 0 to 1"));
    let mut extra = none;
    extra.night.ambient_light_share_max = f32::NAN;
    assert!(refused(extra).contains("extra.night.ambient_light_share_max"));
    let mut extra = none;
    (extra.snow.flakes_min, extra.snow.flakes_max) = (5, 4);
    assert!(refused(extra).contains("extra.snow.flakes_max is 4, expected 5"));
    let mut extra = none;
    extra.cutout.area_share_max = 0.0;
    assert!(refused(extra).contains("extra.cutout.area_share_max"));
    let mut extra = none;
    extra.rand_augment.magnitude = 11.0;
    assert!(refused(extra).contains("extra.rand_augment.magnitude"));
    let mut extra = none;
    extra.class_balanced_crop.class_share_max = -0.1;
    assert!(refused(extra).contains("extra.class_balanced_crop.class_share_max"));
}

/// Every style on, with the ranges as wide as they may be.
fn everything_at_its_limits() -> Extra {
    let mut extra = Extra::none();
    (extra.night.probability, extra.shadow.probability) = (1.0, 1.0);
    (extra.sun_flare.probability, extra.fog.probability) = (1.0, 1.0);
    (extra.rain.probability, extra.snow.probability) = (1.0, 1.0);
    (extra.channel_statistics.probability, extra.rand_augment.probability) = (1.0, 1.0);
    (extra.night.ambient_light_share_min, extra.night.ambient_light_share_max) = (0.0, 1.0);
    (extra.night.lamps_max, extra.night.noise_levels_max) = (64, 64.0);
    (extra.shadow.light_share_min, extra.shadow.light_share_max) = (0.0, 1.0);
    (extra.sun_flare.radius_share_min, extra.sun_flare.radius_share_max) = (0.0, 10.0);
    (extra.fog.optical_depth_min, extra.fog.optical_depth_max) = (0.0, 100.0);
    (extra.rain.length_share_min, extra.rain.length_share_max, extra.rain.slant_max) =
        (0.0, 1.0, 2.0);
    (extra.snow.radius_share_max, extra.snow.slant_max, extra.snow.cover_share_max) =
        (0.1, 10.0, 1.0);
    (extra.rain.streaks_min, extra.snow.flakes_min) = (0, 0);
    (extra.channel_statistics.deviation_factor_max, extra.rand_augment.operations) = (100.0, 16);
    extra.cutout = Cutout {
        probability: 1.0,
        area_share_min: 0.0,
        area_share_max: 1.0,
        aspect_max: 1000.0,
        ..extra.cutout
    };
    extra
}

fn cut_and_painted(extra: &Extra, key: SampleKey, (width, height): (u32, u32)) -> Vec<u8> {
    let mut planes = scene(width, height);
    let mut labels = vec![0; (width * height) as usize];
    extra.paint(key, &mut planes, width);
    CutoutDraw::draw(&extra.cutout, key).unwrap().apply(&mut planes, &mut labels, width, 255);
    planes
}

#[test]
fn crops_of_a_single_pixel_row_or_column_work() {
    let extra = everything_at_its_limits();
    extra.validate().unwrap();
    for size in [(1, 1), (3, 2), (17, 5), (1, 40), (40, 1), (2, 2), (8, 8), (9, 9)] {
        for index in 0..20 {
            cut_and_painted(&extra, key(index), size);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_size_and_no_key_panics(
        width in 1_u32..70, height in 1_u32..70, seed in 0_u64..u64::MAX, index in 0_u64..u64::MAX,
    ) {
        let extra = everything_at_its_limits();
        let key = SampleKey::new(seed, "gtav", 0, index);
        let planes = cut_and_painted(&extra, key, (width, height));
        prop_assert_eq!(planes, cut_and_painted(&extra, key, (width, height)));
    }
}
