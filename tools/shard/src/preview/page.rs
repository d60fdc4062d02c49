//! The contact sheet as one HTML page that needs no other file.

use std::fmt::Write;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use shard_format::RgbImage;

use crate::png_file;

use super::{ContactSheet, Look, Picture};

const STYLE: &str = "\
:root { --labels: 0.5; color-scheme: light dark; }
body { font: 15px/1.4 system-ui, sans-serif; margin: 24px; }
h1 { font-size: 22px; font-weight: 500; margin: 0 0 12px; }
.controls, .legend { display: flex; flex-wrap: wrap; gap: 6px 18px; align-items: center; \
margin: 12px 0; }
.legend i { display: inline-block; width: 15px; height: 15px; margin-right: 6px; \
vertical-align: -2px; border: 1px solid #8888; }
.samples { display: grid; gap: 16px; margin-bottom: 16px; }
figure { margin: 0; }
.pictures { display: flex; gap: 4px; }
.pictures > * { flex: 1; min-width: 0; }
img { display: block; width: 100%; height: auto; }
.stack { position: relative; }
.stack .labels { position: absolute; inset: 0; opacity: var(--labels); }
.stack:hover .labels { opacity: 0; }
figcaption { display: flex; justify-content: space-between; gap: 12px; padding-top: 3px; }
figcaption b { font-weight: 400; overflow-wrap: anywhere; }
figcaption span { opacity: 0.65; }
";

/// The page; a slider mixes labels into the images, and an image under the pointer shows plain.
pub(super) fn page(contents: &ContactSheet, look: &Look) -> String {
    let title = escaped(&contents.title);
    let percent = (look.opacity * 100.0).round();
    let mut text = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body style=\"--labels: {opacity}\">\n\
         <h1>{title}</h1>\n<div class=\"controls\"><label>labels <input type=\"range\" min=\"0\" \
         max=\"100\" value=\"{percent}\" oninput=\"document.body.style.setProperty('--labels', \
         this.value / 100)\"></label></div>\n<div class=\"legend\">\n",
        opacity = look.opacity,
    );
    // Writing to a string cannot fail.
    for (name, [red, green, blue]) in &contents.legend.classes {
        let name = escaped(name);
        _ = writeln!(
            text,
            "<span><i style=\"background: #{red:02x}{green:02x}{blue:02x}\"></i>{name}</span>"
        );
    }
    if contents.legend.has_ignored {
        text.push_str("<span><i></i>ignored: not painted</span>\n");
    }
    let columns = look.columns;
    text.push_str("</div>\n");
    for group in &contents.groups {
        _ = writeln!(
            text,
            "<div class=\"samples\" style=\"grid-template-columns: \
             repeat({columns}, minmax(0, 1fr))\">"
        );
        for picture in group {
            write_figure(&mut text, picture, look.side_by_side);
        }
        text.push_str("</div>\n");
    }
    text.push_str("</body>\n</html>\n");
    text
}

fn write_figure(text: &mut String, picture: &Picture, side_by_side: bool) {
    let (image, overlay) = (source(&picture.image), source(&picture.overlay));
    let id = escaped(&picture.caption);
    text.push_str("<figure><div class=\"pictures\">");
    if side_by_side {
        _ = write!(text, "<div><img src=\"{image}\" alt=\"image {id}\"></div>");
    }
    let (width, height) = picture.size;
    _ = writeln!(
        text,
        "<div class=\"stack\"><img src=\"{image}\" alt=\"image {id}\">\
         <img class=\"labels\" src=\"{overlay}\" alt=\"labels of {id}\"></div></div>\
         <figcaption><b>{id}</b><span>{width}x{height}</span></figcaption></figure>"
    );
}

fn source(image: &RgbImage) -> String {
    format!("data:image/png;base64,{}", BASE64_STANDARD.encode(png_file::rgb(image)))
}

/// Text as it stands in HTML, in attributes too.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
