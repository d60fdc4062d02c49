//! Fills a polygon exactly as Pillow's `ImageDraw.polygon(points, fill=value)` does.
//!
//! IDD and Cityscapes label rasters are made with Pillow, so its rule is part of the datasets:
//! vertices are truncated toward zero, the interior is even-odd, the right and bottom edges belong
//! to the shape, and every edge is drawn. Edge crossings are computed in `f32` because Pillow's
//! are, and their rounding decides border pixels.
//! Source: behaviour of Pillow 13.0.0; `tests/data` holds rasters that it made.

/// Vertices beyond this many pixels from the origin are moved to it, so that no sum overflows.
const FARTHEST: f64 = 4_000_000.0;

/// An 8-bit raster that polygons are painted on, row-major.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Canvas {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) values: Vec<u8>,
}

impl Canvas {
    /// A canvas that holds `background` everywhere.
    pub(crate) fn new(width: u32, height: u32, background: u8) -> Self {
        Self { width, height, values: vec![background; width as usize * height as usize] }
    }

    /// Paints the closed polygon; fewer than two vertices paint nothing.
    pub(crate) fn fill_polygon(&mut self, vertices: &[[f64; 2]], value: u8) {
        if vertices.len() < 2 {
            return;
        }
        let edges = edges_of(vertices);
        for edge in edges.iter().filter(|edge| edge.top == edge.bottom) {
            self.paint_row(edge.top, edge.left, edge.right, value);
        }
        let slanted: Vec<Edge> = edges.iter().copied().filter(|e| e.top != e.bottom).collect();
        let last_row = edges.iter().map(|e| e.bottom).max().unwrap_or(0).max(0);
        // One row below the canvas takes part: whether a row is the last decides its crossings.
        let last_row = last_row.min(self.height as i32);
        let first_row = edges.iter().map(|e| e.top).min().unwrap_or(0).max(0);
        let mut crossings = Vec::with_capacity(slanted.len() * 2);
        for row in first_row..=last_row {
            row_crossings(&slanted, row, last_row, &mut crossings);
            for span in crossings.chunks_exact(2) {
                let left = round_half_away_from_zero(span[0]);
                let right = round_half_toward_zero(span[1]);
                self.paint_row(row, left, right, value);
            }
        }
    }

    /// Paints columns `left..=right` of a row, as far as they lie on the canvas.
    fn paint_row(&mut self, row: i32, left: i32, right: i32, value: u8) {
        let (width, height) = (self.width as i32, self.height as i32);
        if row < 0 || row >= height || left >= width || right < 0 {
            return;
        }
        let (left, right) = (left.max(0), right.min(width - 1));
        if left <= right {
            let start = row as usize * self.width as usize;
            self.values[start + left as usize..=start + right as usize].fill(value);
        }
    }
}

/// One side of a polygon with whole-numbered ends.
#[derive(Debug, Clone, Copy)]
struct Edge {
    left: i32,
    right: i32,
    top: i32,
    bottom: i32,
    start_x: i32,
    start_y: i32,
    slope: f32, // columns per row
}

impl Edge {
    fn new([x0, y0]: [i32; 2], [x1, y1]: [i32; 2]) -> Self {
        let slope = if y0 == y1 { 0.0 } else { (x1 - x0) as f32 / (y1 - y0) as f32 };
        Self {
            left: x0.min(x1),
            right: x0.max(x1),
            top: y0.min(y1),
            bottom: y0.max(y1),
            start_x: x0,
            start_y: y0,
            slope,
        }
    }

    /// Where the edge's line meets a row.
    fn column_at(&self, row: i32) -> f32 {
        (row - self.start_y) as f32 * self.slope + self.start_x as f32
    }

    fn spans(&self, row: i32) -> bool {
        (self.top..=self.bottom).contains(&row)
    }

    fn ends_on(&self, row: i32) -> bool {
        row == self.top || row == self.bottom
    }
}

/// The sides in order, from truncated vertices; horizontal sides that run on are one side.
fn edges_of(vertices: &[[f64; 2]]) -> Vec<Edge> {
    // `as` truncates toward zero.
    let whole = |v: f64| v.clamp(-FARTHEST, FARTHEST) as i32;
    let points: Vec<[i32; 2]> = vertices.iter().map(|&[x, y]| [whole(x), whole(y)]).collect();
    let mut edges: Vec<Edge> = Vec::with_capacity(points.len());
    for i in 0..points.len() - 1 {
        let ([x0, y0], [x1, y1]) = (points[i], points[i + 1]);
        if i > 0 && y0 == y1 && points[i - 1][1] == y0 {
            let before = points[i - 1][0];
            if let Some(last) = edges.last_mut() {
                if x1 > x0 && x0 > before {
                    last.right = x1;
                    continue;
                }
                if x1 < x0 && x0 < before {
                    last.left = x1;
                    continue;
                }
            }
        }
        edges.push(Edge::new(points[i], points[i + 1]));
    }
    let (first, last) = (points[0], points[points.len() - 1]);
    if first != last {
        edges.push(Edge::new(last, first));
    }
    edges
}

/// The sorted columns where a row enters and leaves the shape, in pairs.
///
/// An edge that ends on a row counts twice, except on the polygon's last row, so that a corner
/// opens and closes its own span.
fn row_crossings(edges: &[Edge], row: i32, last_row: i32, crossings: &mut Vec<f32>) {
    crossings.clear();
    for (position, edge) in edges.iter().enumerate() {
        if !edge.spans(row) {
            continue;
        }
        let column = edge.column_at(row);
        if row == edge.bottom && row < last_row {
            crossings.extend([column, column]);
        } else if edge.ends_on(row) && edge.slope != 0.0 {
            crossings.push(corner_column(edge, column, &edges[..position], row));
        } else {
            crossings.push(column);
        }
    }
    crossings.sort_by(f32::total_cmp);
}

/// The column of an edge's end, moved toward the neighbouring row where a flat corner would
/// otherwise leave a gap in the outline.
fn corner_column(edge: &Edge, column: f32, earlier: &[Edge], row: i32) -> f32 {
    let neighbour_row = if row == edge.bottom { row - 1 } else { row + 1 };
    let partner = earlier.iter().find(|other| {
        other.ends_on(row)
            && other.slope != 0.0
            && other.column_at(row).round() == column.round()
            && other.spans(neighbour_row)
    });
    let Some(partner) = partner else { return column };
    let (own, other) = (edge.column_at(neighbour_row), partner.column_at(neighbour_row));
    if column > own + 1.0 && column > other + 1.0 {
        own.max(other).round() + 1.0
    } else if column < own - 1.0 && column < other - 1.0 {
        own.min(other).round() - 1.0
    } else {
        column
    }
}

fn round_half_away_from_zero(column: f32) -> i32 {
    column.round() as i32
}

fn round_half_toward_zero(column: f32) -> i32 {
    if column >= 0.0 { (column - 0.5).ceil() as i32 } else { (column + 0.5).floor() as i32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rasters made by Pillow; see `tests/data/README.md`.
    const REFERENCE: &str = include_str!("../tests/data/pillow_polygons.txt");

    /// A polygon of the reference and its raster.
    struct Case {
        width: u32,
        height: u32,
        points: Vec<[f64; 2]>,
        rows: Vec<String>,
    }

    fn case(line: &str) -> Case {
        let [head, points, runs] = line.split('|').collect::<Vec<_>>().try_into().unwrap();
        let size: Vec<u32> = head.split(' ').skip(1).map(|side| side.parse().unwrap()).collect();
        let number = |text: &str| text.parse::<f64>().unwrap();
        let point = |text: &str| text.split_once(',').map(|(x, y)| [number(x), number(y)]);
        let mut pixels = String::new();
        for (run, shown) in runs.split(' ').zip([".", "#"].into_iter().cycle()) {
            pixels.push_str(&shown.repeat(run.parse().unwrap()));
        }
        let rows = pixels.as_bytes().chunks(size[0] as usize);
        Case {
            width: size[0],
            height: size[1],
            points: points.split(' ').map(|text| point(text).unwrap()).collect(),
            rows: rows.map(|row| String::from_utf8_lossy(row).into_owned()).collect(),
        }
    }

    fn drawn(width: u32, height: u32, points: &[[f64; 2]]) -> Vec<String> {
        let mut canvas = Canvas::new(width, height, b'.');
        canvas.fill_polygon(points, b'#');
        let rows = canvas.values.chunks(width as usize);
        rows.map(|row| String::from_utf8_lossy(row).into_owned()).collect()
    }

    #[test]
    fn every_reference_polygon_has_exactly_the_pixels_that_pillow_gives_it() {
        let lines: Vec<&str> = REFERENCE.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(lines.len() >= 300, "only {} polygons", lines.len());
        for line in lines {
            let Case { width, height, points, rows } = case(line);
            assert_eq!(drawn(width, height, &points), rows, "{line}");
        }
    }

    #[test]
    fn right_and_bottom_edges_belong_to_a_rectangle() {
        let rectangle = [[2.0, 2.0], [5.0, 2.0], [5.0, 4.0], [2.0, 4.0]];
        let rows = drawn(8, 6, &rectangle);
        assert_eq!(rows, ["........", "........", "..####..", "..####..", "..####..", "........"]);
    }

    #[test]
    fn fractions_are_cut_toward_zero_on_both_sides_of_the_origin() {
        let whole = drawn(6, 4, &[[0.0, 0.0], [3.0, 0.0], [3.0, 2.0], [0.0, 2.0]]);
        let fractions = drawn(6, 4, &[[-0.9, -0.9], [3.9, -0.2], [3.9, 2.9], [-0.5, 2.1]]);
        assert_eq!(whole, fractions);
    }

    #[test]
    fn vertices_at_absurd_distances_neither_panic_nor_overflow() {
        let rows =
            drawn(3, 2, &[[-1e300, -1e300], [1e300, -1e300], [1e300, 1e300], [-1e300, 1e300]]);
        assert_eq!(rows, ["###", "###"]);
    }
}
