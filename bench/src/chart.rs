//! Two kinds of charts, drawn as SVG by hand: bars in groups, and percentiles on a logarithmic axis.
//!
//! Each stands on a light card of its own, so that it can be read on any background.

use std::fmt::Write as _;

const WIDTH: f64 = 960.0;
const MARGIN: f64 = 24.0;
/// Where names end and drawing begins.
const LEFT: f64 = 330.0;
const BAR_HEIGHT: f64 = 15.0;
const BAR_STEP: f64 = 19.0;
const GROUP_GAP: f64 = 16.0;
const HEAD: f64 = 118.0;
const FOOT: f64 = 44.0;
const TEXT: &str = "#1f2328";
const MUTED: &str = "#59636e";
const GRID: &str = "#e3e7eb";
const MARK: &str = "#c2410c";
/// Around letters, so that lines below them do not strike them through.
const HALO: &str = r##"stroke="#ffffff" stroke-width="3" paint-order="stroke""##;

/// What a chart is about.
pub struct Title {
    /// In large letters.
    pub title: &'static str,
    /// What is shown, with the unit, and how to read it.
    pub subtitle: String,
    /// Colours and what they stand for.
    pub legend: Vec<(&'static str, &'static str)>,
}

/// One bar, or one line of percentiles.
pub struct Item {
    /// Its colour.
    pub color: &'static str,
    /// One value, or several in rising order.
    pub values: Vec<f64>,
    /// What stands beside it.
    pub text: String,
}

/// Items that are compared with each other.
pub struct Group {
    /// In words.
    pub name: String,
    /// What is smaller below it.
    pub detail: String,
    /// One below the other.
    pub items: Vec<Item>,
    /// A bound, drawn across them.
    pub mark: Option<f64>,
}

/// Values to places, and the lines that help to read them.
struct Axis {
    right: f64,
    lines: Vec<(f64, String)>,
    place: Box<dyn Fn(f64) -> f64>,
}

/// Bars from zero to `max`; `line` writes the values on the axis.
pub fn bars(title: &Title, groups: &[Group], max: f64, line: impl Fn(f64) -> String) -> String {
    const RIGHT: f64 = 770.0;
    let max = if max > 0.0 { max } else { 1.0 };
    let step = nice_step(max);
    let lines = (0..).map(|at| f64::from(at) * step).take_while(|value| *value <= max * 1.001);
    let axis = Axis {
        right: RIGHT,
        lines: lines.map(|value| (value, line(value))).collect(),
        place: Box::new(move |value| LEFT + (value / max).min(1.0) * (RIGHT - LEFT)),
    };
    draw(title, groups, &axis, |svg, item, top| {
        let value = item.values.first().copied().unwrap_or_default();
        let end = (axis.place)(value).max(LEFT + 1.5);
        rectangle(svg, (LEFT, top), (end - LEFT, BAR_HEIGHT), item.color);
        text(svg, (end + 7.0, top + 12.0), (12.0, "start", TEXT), &item.text);
    })
}

/// Percentiles as dots on a line, from `min` to `max` by powers of ten.
pub fn percentiles(title: &Title, groups: &[Group], (min, max): (f64, f64)) -> String {
    const RIGHT: f64 = 660.0;
    let (low, high) = (min.log10().floor(), max.log10().ceil());
    let decades = (low as i32..=high as i32).map(|power| 10_f64.powi(power));
    let axis = Axis {
        right: RIGHT,
        lines: decades.map(|value| (value, format!("{value} ms"))).collect(),
        place: Box::new(move |value: f64| {
            let share = (value.max(min).log10() - low) / (high - low).max(1.0);
            LEFT + share.clamp(0.0, 1.0) * (RIGHT - LEFT)
        }),
    };
    draw(title, groups, &axis, |svg, item, top| {
        let middle = top + BAR_HEIGHT / 2.0;
        let places: Vec<f64> = item.values.iter().map(|value| (axis.place)(*value)).collect();
        if let (Some(first), Some(last)) = (places.first(), places.last()) {
            let width = (last - first).max(1.0);
            rectangle(svg, (*first, middle - 1.5), (width, 3.0), item.color);
        }
        for (number, place) in places.iter().enumerate() {
            let radius = 3.5 + number as f64 * 0.8;
            writeln!(
                svg,
                r#"<circle cx="{place:.1}" cy="{middle:.1}" r="{radius:.1}" fill="{}"/>"#,
                item.color
            )
            .expect("a string takes all");
        }
        text(svg, (RIGHT + 16.0, top + 12.0), (12.0, "start", TEXT), &item.text);
    })
}

/// Frame, head, axis and names; `item` draws one item at a height.
fn draw(title: &Title, groups: &[Group], axis: &Axis, item: impl Fn(&mut String, &Item, f64)) -> String {
    let rows: usize = groups.iter().map(|group| group.items.len()).sum();
    let bottom = HEAD + rows as f64 * BAR_STEP + groups.len() as f64 * GROUP_GAP;
    let mut svg = head(title, bottom + FOOT);
    for (value, name) in &axis.lines {
        let place = (axis.place)(*value);
        rectangle(&mut svg, (place - 0.5, HEAD - 8.0), (1.0, bottom - HEAD + 8.0), GRID);
        text(&mut svg, (place, bottom + 18.0), (12.0, "middle", MUTED), name);
    }
    let mut top = HEAD;
    for group in groups {
        let first = top;
        text(&mut svg, (LEFT - 14.0, first + 12.0), (13.0, "end", TEXT), &group.name);
        text(&mut svg, (LEFT - 14.0, first + 28.0), (11.0, "end", MUTED), &group.detail);
        let items_height = group.items.len() as f64 * BAR_STEP;
        if let Some(place) = group.mark.map(|mark| (axis.place)(mark)).filter(|place| *place < axis.right) {
            rectangle(&mut svg, (place - 1.0, first - 4.0), (2.0, items_height + 4.0), MARK);
        }
        for one in &group.items {
            item(&mut svg, one, top);
            top += BAR_STEP;
        }
        top += GROUP_GAP;
    }
    svg + "</svg>\n"
}

fn head(title: &Title, height: f64) -> String {
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}"
 viewBox="0 0 {WIDTH} {height}" font-family="DejaVu Sans, Verdana, sans-serif">
<rect x="0.5" y="0.5" width="{}" height="{}" rx="8" fill="#ffffff" stroke="#d0d7de"/>
"##,
        WIDTH - 1.0,
        height - 1.0
    );
    writeln!(svg, "<title>{}</title>", escaped(title.title)).expect("a string takes all");
    let large = format!(r#"<text x="{MARGIN}" y="38" font-size="20" font-weight="bold" fill="{TEXT}">"#);
    writeln!(svg, "{large}{}</text>", escaped(title.title)).expect("a string takes all");
    text(&mut svg, (MARGIN, 60.0), (13.0, "start", MUTED), &title.subtitle);
    let mut left = MARGIN;
    for (color, name) in &title.legend {
        rectangle(&mut svg, (left, 76.0), (14.0, 14.0), color);
        text(&mut svg, (left + 21.0, 88.0), (13.0, "start", TEXT), name);
        // Letters of this size are some eight wide.
        left += 21.0 + name.chars().count() as f64 * 8.0 + 22.0;
    }
    svg
}

fn rectangle(svg: &mut String, (x, y): (f64, f64), (width, height): (f64, f64), color: &str) {
    writeln!(svg, r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" fill="{color}"/>"#)
        .expect("a string takes all");
}

fn text(svg: &mut String, (x, y): (f64, f64), (size, anchor, color): (f64, &str, &str), text: &str) {
    write!(
        svg,
        r#"<text x="{x:.1}" y="{y:.1}" font-size="{size}" text-anchor="{anchor}" fill="{color}" {HALO}>"#
    )
    .expect("a string takes all");
    writeln!(svg, "{}</text>", escaped(text)).expect("a string takes all");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A round step that gives few lines: their names are wide.
fn nice_step(max: f64) -> f64 {
    const LINES_MIN: f64 = 3.0;
    let power = 10_f64.powf(max.log10().floor());
    let steps = [2.5, 2.0, 1.0, 0.5, 0.25].map(|times| times * power);
    steps.into_iter().find(|step| max / step >= LINES_MIN).unwrap_or(power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round() {
        for (max, expected) in
            [(100.0, 25.0), (400.0, 100.0), (1_180.0, 250.0), (7.0, 2.0), (0.9, 0.25), (36_000.0, 10_000.0)]
        {
            assert!((nice_step(max) - expected).abs() < 1e-9, "{max}: {}", nice_step(max));
        }
    }

    #[test]
    fn text_is_escaped() {
        assert_eq!(escaped("a < b & c"), "a &lt; b &amp; c");
    }
}
