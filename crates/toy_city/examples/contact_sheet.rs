//! Writes one PNG with frames of all four cities above their coloured labels.
//!
//! Usage: `cargo run --release -p toy_city --example contact_sheet -- PATH [COLUMNS] [SEED] [WIDTH]`

use std::error::Error;
use std::fs::File;
use std::io::BufWriter;

use toy_city::{City, Frame, class_colour, draw_frame};

const GAP: usize = 4;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("expected the path of the PNG to write")?;
    let mut number = |default: u64| arguments.next().map_or(Ok(default), |text| text.parse());
    let (columns, seed, width) = (number(6)? as usize, number(1)?, number(256)? as usize);
    let height = width / 2;
    let sheet_width = columns * (width + GAP);
    let sheet_height = City::ALL.len() * 2 * (height + GAP);
    let mut sheet = vec![255u8; 3 * sheet_width * sheet_height];
    for (line, city) in City::ALL.into_iter().enumerate() {
        for column in 0..columns {
            let frame = draw_frame(city, seed, column as u32, width as u32, height as u32);
            let colours: Vec<u8> =
                frame.train_ids.iter().flat_map(|&id| class_colour(id)).collect();
            let Frame { rgb, .. } = frame;
            for (half, picture) in [rgb, colours].into_iter().enumerate() {
                let top = (2 * line + half) * (height + GAP);
                for row in 0..height {
                    let start = 3 * ((top + row) * sheet_width + column * (width + GAP));
                    sheet[start..start + 3 * width]
                        .copy_from_slice(&picture[3 * row * width..][..3 * width]);
                }
            }
        }
    }
    let file = BufWriter::new(File::create(path)?);
    let mut encoder = png::Encoder::new(file, sheet_width as u32, sheet_height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header()?.write_image_data(&sheet)?;
    Ok(())
}
