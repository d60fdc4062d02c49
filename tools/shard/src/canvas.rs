//! A picture that grows: rectangles, other pictures and text on a plain ground.

use std::sync::Once;

use plotters::element::{Drawable, PointCollection};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, register_font};
use shard_format::RgbImage;

use crate::png_file;

const FONT: &str = "Ubuntu Light";

/// A colour, red, green and blue.
pub(crate) type Colour = [u8; 3];

/// Where text lies against its point.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Anchor {
    /// The point is the left end of the line's middle.
    Left,
    /// The point is the right end of the line's middle.
    Right,
    /// The point is the middle.
    Centre,
}

/// A picture under construction; what lies outside it is not drawn.
pub(crate) struct Canvas {
    image: RgbImage,
}

impl Canvas {
    /// A ground of one colour.
    pub(crate) fn new(width: u32, height: u32, ground: Colour) -> Self {
        static FONT_KNOWN: Once = Once::new();
        FONT_KNOWN.call_once(|| {
            let known = register_font(FONT, FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT);
            assert!(known.is_ok(), "the built-in font is a font");
        });
        let pixels = ground.repeat(width as usize * height as usize);
        Self { image: RgbImage { width, height, pixels } }
    }

    /// Fills a rectangle, with `opacity` from 0 to 1.
    pub(crate) fn fill(&mut self, [x, y, width, height]: [u32; 4], colour: Colour, opacity: f64) {
        let corners = [at(x, y), at(x + width, y + height)];
        self.draw(&Rectangle::new(corners, rgb(colour).mix(opacity).filled()));
    }

    /// Lays a picture down with its top left corner at `x`, `y`.
    pub(crate) fn paste(&mut self, picture: &RgbImage, x: u32, y: u32) {
        let columns = picture.width.min(self.image.width.saturating_sub(x)) as usize * 3;
        let rows = picture.pixels.chunks_exact(picture.width as usize * 3);
        let below = rows.zip(y..self.image.height);
        for (row, line) in below {
            let start = (line as usize * self.image.width as usize + x as usize) * 3;
            self.image.pixels[start..start + columns].copy_from_slice(&row[..columns]);
        }
    }

    /// Writes one line of text of `size` pixels.
    pub(crate) fn text(&mut self, text: &str, (x, y): (u32, u32), size: u32, style: TextStyle) {
        let across = match style.anchor {
            Anchor::Left => HPos::Left,
            Anchor::Right => HPos::Right,
            Anchor::Centre => HPos::Center,
        };
        let font = (FONT, size).into_font().color(&rgb(style.colour));
        let font = font.pos(Pos::new(across, VPos::Center));
        // plotters centres ascenders and descenders; the eye centres small letters.
        self.draw(&Text::new(text.to_owned(), at(x, y + size / 7), font));
    }

    fn draw<'a, E>(&'a mut self, element: &'a E)
    where
        for<'b> &'b E: PointCollection<'b, (i32, i32)>,
        E: Drawable<BitMapBackend<'a>>,
    {
        let size = (self.image.width, self.image.height);
        let area = BitMapBackend::with_buffer(&mut self.image.pixels, size).into_drawing_area();
        area.draw(element).expect("drawing into memory in a font that is known cannot fail");
    }

    /// The picture as a PNG file.
    pub(crate) fn into_png(self) -> Vec<u8> {
        png_file::rgb(&self.image)
    }

    /// The picture itself.
    #[cfg(test)]
    pub(crate) fn image(&self) -> &RgbImage {
        &self.image
    }
}

/// How text looks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TextStyle {
    /// Its colour.
    pub(crate) colour: Colour,
    /// Where it lies.
    pub(crate) anchor: Anchor,
}

/// Width of a line of text of `size` pixels, in pixels.
pub(crate) fn text_width(text: &str, size: u32) -> u32 {
    // A canvas makes the font known.
    _ = Canvas::new(1, 1, [0; 3]);
    let font = (FONT, size).into_font();
    font.box_size(text).expect("the font is known").0
}

/// `text` without its beginning, as far as needed to fit into `width` pixels: the ends of ids and
/// paths tell them apart.
pub(crate) fn fitted(text: &str, size: u32, width: u32) -> String {
    if text_width(text, size) <= width {
        return text.into();
    }
    let ends = text.char_indices().skip(1).map(|(start, _)| format!("…{}", &text[start..]));
    ends.into_iter().find(|end| text_width(end, size) <= width).unwrap_or_default()
}

fn at(x: u32, y: u32) -> (i32, i32) {
    (x as i32, y as i32)
}

fn rgb([red, green, blue]: Colour) -> RGBColor {
    RGBColor(red, green, blue)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rectangle_covers_its_pixels_and_no_more() {
        let mut canvas = Canvas::new(4, 3, [9, 9, 9]);
        canvas.fill([1, 1, 2, 1], [200, 0, 0], 1.0);
        let red = |x: usize, y: usize| canvas.image().pixels[(y * 4 + x) * 3] == 200;
        let covered: Vec<(usize, usize)> =
            (0..12).map(|i| (i % 4, i / 4)).filter(|&(x, y)| red(x, y)).collect();
        assert_eq!(covered, [(1, 1), (2, 1)]);
    }

    #[test]
    fn a_picture_that_reaches_out_is_cut() {
        let mut canvas = Canvas::new(2, 2, [0; 3]);
        canvas.paste(&RgbImage { width: 2, height: 3, pixels: vec![7; 18] }, 1, 1);
        assert_eq!(canvas.image().pixels, [[0; 9].as_slice(), &[7; 3]].concat());
    }

    #[test]
    fn text_leaves_ink_of_about_its_width() {
        let mut canvas = Canvas::new(200, 40, [255; 3]);
        let style = TextStyle { colour: [0; 3], anchor: Anchor::Left };
        canvas.text("sidewalk", (10, 20), 20, style);
        let inked: Vec<usize> =
            (0..200 * 40).filter(|i| canvas.image().pixels[i * 3] < 100).map(|i| i % 200).collect();
        let (first, last) = (inked.iter().min().unwrap(), inked.iter().max().unwrap());
        let width = text_width("sidewalk", 20) as usize;
        assert!((10..14).contains(first), "{first}");
        assert!((6 + width..=11 + width).contains(last), "{last} for a width of {width}");
    }

    #[test]
    fn a_long_id_keeps_its_end() {
        let fitted = fitted("frankfurt/frankfurt_000000_000294", 16, 100);
        assert!(fitted.starts_with('…') && fitted.ends_with("_000294"), "{fitted}");
        assert_eq!(super::fitted("short", 16, 100), "short");
    }
}
