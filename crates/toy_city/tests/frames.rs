//! What holds of the frames of all four cities.

use toy_city::{CLASS_NAMES, City, Frame, IGNORE_ID, draw_frame};

const FRAMES: u32 = 48;

fn frames(city: City) -> impl Iterator<Item = Frame> {
    (0..FRAMES).map(move |index| draw_frame(city, 1, index, 256, 128))
}

#[test]
fn a_frame_is_a_function_of_city_seed_index_and_size() {
    let frame = draw_frame(City::Idd, 7, 3, 192, 96);
    assert_eq!(frame, draw_frame(City::Idd, 7, 3, 192, 96));
    assert_ne!(frame, draw_frame(City::Idd, 8, 3, 192, 96));
    assert_ne!(frame, draw_frame(City::Idd, 7, 4, 192, 96));
    assert_ne!(frame, draw_frame(City::Gtav, 7, 3, 192, 96));
}

#[test]
fn every_class_is_of_use_in_every_city() {
    for city in City::ALL {
        let mut pixels = [0usize; CLASS_NAMES.len()];
        let mut frames_with = [0usize; CLASS_NAMES.len()];
        for frame in frames(city) {
            for class in 0..CLASS_NAMES.len() {
                let count = frame.train_ids.iter().filter(|&&id| usize::from(id) == class).count();
                pixels[class] += count;
                // 20 pixels of 256x128 are a thing one can still make out.
                frames_with[class] += usize::from(count >= 20);
            }
        }
        let total = (FRAMES * 256 * 128) as f64;
        for (class, name) in CLASS_NAMES.iter().enumerate() {
            let share = pixels[class] as f64 / total;
            let city = city.name();
            assert!(frames_with[class] >= 4, "{city}: {name} in {} frames", frames_with[class]);
            assert!(share > 0.0012, "{city}: {name} covers {:.3} %", 100.0 * share);
        }
    }
}

#[test]
fn every_class_appears_whatever_the_seed() {
    for city in City::ALL {
        for seed in 2..6 {
            let mut is_seen = [false; 256];
            for index in 0..FRAMES {
                for id in draw_frame(city, seed, index, 192, 96).train_ids {
                    is_seen[usize::from(id)] = true;
                }
            }
            let missing: Vec<_> = (0..CLASS_NAMES.len()).filter(|&class| !is_seen[class]).collect();
            assert!(missing.is_empty(), "{} seed {seed}: no {missing:?}", city.name());
        }
    }
}

#[test]
fn cities_differ_in_colour_or_contrast() {
    let looks: Vec<(City, [f64; 4])> = City::ALL.map(|city| (city, look(city))).to_vec();
    for (place, (a, look_a)) in looks.iter().enumerate() {
        for (b, look_b) in &looks[place + 1..] {
            let distance: f64 =
                look_a.iter().zip(look_b).map(|(x, y)| (x - y).powi(2)).sum::<f64>().sqrt();
            // Levels of 255; the two closest cities are more than 20 apart.
            assert!(distance > 15.0, "{a:?} {look_a:?} {b:?} {look_b:?}");
        }
    }
}

/// Mean red, green and blue, and the mean deviation of brightness within a frame.
fn look(city: City) -> [f64; 4] {
    let mut look = [0.0; 4];
    for frame in frames(city) {
        let count = (frame.width * frame.height) as f64;
        let (mut sum, mut square) = (0.0, 0.0);
        for pixel in frame.rgb.chunks_exact(3) {
            let grey = pixel.iter().map(|&value| f64::from(value)).sum::<f64>() / 3.0;
            sum += grey;
            square += grey * grey;
            for channel in 0..3 {
                look[channel] += f64::from(pixel[channel]) / count / f64::from(FRAMES);
            }
        }
        let deviation = (square / count - (sum / count).powi(2)).sqrt();
        look[3] += deviation / f64::from(FRAMES);
    }
    look
}

#[test]
fn frames_of_any_size_are_full() {
    for (width, height) in [(16, 16), (97, 61), (192, 96), (1024, 512)] {
        for city in City::ALL {
            let frame = draw_frame(city, 5, 0, width, height);
            let pixels = (width * height) as usize;
            assert_eq!(frame.rgb.len(), 3 * pixels);
            assert_eq!(frame.train_ids.len(), pixels);
            assert_eq!(frame.label_ids.len(), pixels);
            assert_eq!(frame.instances.len(), pixels);
        }
    }
}

#[test]
fn a_larger_picture_shows_the_same_street() {
    // Of each 5x5 pixels of the large map, the one in the middle.
    let (small, large) =
        (draw_frame(City::Gtav, 1, 0, 128, 64), draw_frame(City::Gtav, 1, 0, 640, 320));
    let same = (0..128 * 64)
        .filter(|place| {
            let (row, column) = (place / 128, place % 128);
            small.train_ids[*place] == large.train_ids[(5 * row + 2) * 640 + 5 * column + 2]
        })
        .count();
    // Both show the same ray; only slim posts are widened to one pixel of the small picture.
    assert!(same as f64 > 0.97 * (128 * 64) as f64, "{same}");
}

#[test]
fn people_and_vehicles_are_numbered_and_nothing_else() {
    for frame in frames(City::Synthia).take(8) {
        for (&id, &instance) in frame.train_ids.iter().zip(&frame.instances) {
            let counts = (11..=18).contains(&id);
            assert_eq!(instance != 0, counts, "train id {id} has number {instance}");
        }
    }
}

#[test]
fn each_number_belongs_to_one_class() {
    for frame in frames(City::Synthia).take(8) {
        let mut class_of = vec![IGNORE_ID; 1 + usize::from(u16::MAX)];
        for (&id, &instance) in frame.train_ids.iter().zip(&frame.instances) {
            let class = &mut class_of[usize::from(instance)];
            if instance != 0 && *class == IGNORE_ID {
                *class = id;
            }
            assert!(instance == 0 || *class == id, "number {instance}: {class} and {id}");
        }
    }
}
