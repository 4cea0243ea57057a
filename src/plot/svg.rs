//! Building blocks of standalone SVG pictures.
//!
//! Colours are CSS variables of the class `cleave-plot`, with values for light and for dark themes, so that a page can
//! embed the picture as it is, or set the variables itself. There are no external references; fonts are those of the
//! reader.

use std::fmt::Write;

/// What the colours of a picture follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ground {
    /// The reader's preference, through variables.
    Reader,
    /// White, written out: for programs that know no variables.
    White,
}

/// Names of the variables, and their colours on a light and on a dark ground. Series are Okabe and Ito's
/// colours, darkened for white paper and lightened for a dark ground.
const COLOURS: [(&str, &str, &str); 13] = [
    ("ground", "#ffffff", "#14171c"),
    ("text", "#24292f", "#d7dce2"),
    ("quiet", "#57606a", "#9aa4b0"),
    ("axis", "#8c959f", "#6b7480"),
    ("grid", "#e4e8ec", "#272d35"),
    ("mark", "#7a5c00", "#e8d44d"),
    ("0", "#0072b2", "#56b4e9"),
    ("1", "#c26200", "#e69f00"),
    ("2", "#00795a", "#2bbd92"),
    ("3", "#b0508a", "#e09bc4"),
    ("4", "#857000", "#f0e442"),
    ("5", "#a83c00", "#ff8a55"),
    ("6", "#4a55c8", "#97a6ff"),
];

/// Colours of series before they begin anew.
const SERIES: usize = 7;

const RULES: &str = "\
.cleave-plot{font-family:system-ui,sans-serif;font-size:12px;background:@ground}\
.cleave-plot text{fill:@text}\
.cleave-plot .quiet{fill:@quiet}\
.cleave-plot .heading{font-weight:600;font-size:14px}\
.cleave-plot .axis{stroke:@axis;fill:none}\
.cleave-plot .grid{stroke:@grid;fill:none}\
.cleave-plot .mark{stroke:@mark;stroke-dasharray:2 3;fill:none}\
.cleave-plot .mark-label{fill:@mark}\
.cleave-plot .line{fill:none;stroke-width:1.6;stroke-linejoin:round;stroke-linecap:round}\
.cleave-plot .faint{opacity:.3;stroke-width:1}\
.cleave-plot .dashed{stroke-dasharray:7 4}\
.cleave-plot .dotted{stroke-dasharray:1.5 4}\
.cleave-plot .points{stroke-width:8;opacity:.8}\
.cleave-plot .area{stroke:none;opacity:.75}\
.cleave-plot .track{fill:@grid}\
.cleave-plot text.light{fill:#fff;font-size:10px}\
.cleave-plot text.dark{fill:#111;font-size:10px}\
.cleave-plot .chosen{fill:none;stroke:@text;stroke-width:2}";

/// The class of a series' lines and, with `fill`, of its areas.
pub(super) fn series_class(series: usize) -> String {
    format!("s{}", series % SERIES)
}

/// A picture that is being written.
pub(super) struct Svg {
    width: f64,
    height: f64,
    title: String,
    body: String,
}

/// Which end of a text stands at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Svg {
    /// An empty picture with its name for readers that do not see it.
    pub fn new(width: f64, height: f64, title: &str) -> Svg {
        Svg { width, height, title: title.to_owned(), body: String::new() }
    }

    /// A straight line.
    pub fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let [x1, y1, x2, y2] = [from.0, from.1, to.0, to.1].map(short);
        self.put(format_args!(r#"<line class="{class}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>"#));
    }

    /// A rectangle.
    pub fn rectangle(&mut self, class: &str, (x, y): (f64, f64), (width, height): (f64, f64)) {
        let [x, y, width, height] = [x, y, width, height].map(short);
        self.put(format_args!(
            r#"<rect class="{class}" x="{x}" y="{y}" width="{width}" height="{height}"/>"#
        ));
    }

    /// A disc.
    pub fn disc(&mut self, class: &str, at: (f64, f64), radius: f64) {
        let [x, y, radius] = [at.0, at.1, radius].map(short);
        self.put(format_args!(r#"<circle class="{class}" cx="{x}" cy="{y}" r="{radius}"/>"#));
    }

    /// A path, with its data as SVG writes it and other attributes.
    pub fn path(&mut self, class: &str, data: &str, attributes: &str) {
        self.put(format_args!(r#"<path class="{class}" d="{data}"{attributes}/>"#));
    }

    /// A text on its base line; `turned` by these degrees around its place.
    pub fn text(&mut self, class: &str, (x, y): (f64, f64), anchor: Anchor, turned: f64, text: &str) {
        let [x, y] = [x, y].map(short);
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => r#" text-anchor="middle""#,
            Anchor::End => r#" text-anchor="end""#,
        };
        let turned = match turned {
            0.0 => String::new(),
            degrees => format!(r#" transform="rotate({} {x} {y})""#, short(degrees)),
        };
        let text = escape(text);
        self.put(format_args!(r#"<text class="{class}" x="{x}" y="{y}"{anchor}{turned}>{text}</text>"#));
    }

    /// Confines what follows to a rectangle, until [`Svg::release`].
    pub fn confine(&mut self, (x, y): (f64, f64), (width, height): (f64, f64)) {
        // A nested picture clips without a name, which would have to be unique in a page of many pictures.
        let [x, y, width, height] = [x, y, width, height].map(short);
        self.put(format_args!(
            r#"<svg x="{x}" y="{y}" width="{width}" height="{height}" viewBox="{x} {y} {width} {height}">"#
        ));
    }

    /// Ends what [`Svg::confine`] began.
    pub fn release(&mut self) {
        self.put(format_args!("</svg>"));
    }

    fn put(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = writeln!(self.body, "{element}");
    }

    /// The whole document.
    pub fn finish(self, ground: Ground) -> String {
        let [width, height] = [self.width, self.height].map(short);
        let backdrop = match ground {
            Ground::Reader => String::new(),
            Ground::White => format!("<rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n"),
        };
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"cleave-plot\" role=\"img\" \
             viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\">\n\
             <title>{}</title>\n<style>{}</style>\n{backdrop}{}</svg>\n",
            escape(&self.title),
            style(ground),
            self.body
        )
    }
}

/// The style sheet of a picture.
fn style(ground: Ground) -> String {
    let mut rules = RULES.to_owned();
    for series in 0..SERIES {
        let colour = format!("@{series}");
        rules += &format!(
            ".cleave-plot .s{series}{{stroke:{colour}}}.cleave-plot .fill.s{series}{{fill:{colour};stroke:none}}\
             .cleave-plot text.s{series}{{fill:{colour};stroke:none}}"
        );
    }
    for (name, light, _) in COLOURS {
        let value = match ground {
            Ground::Reader => format!("var(--plot-{name},{light})"),
            Ground::White => light.to_owned(),
        };
        rules = rules.replace(&format!("@{name}"), &value);
    }
    if ground == Ground::White {
        return rules;
    }
    let set = |dark: bool| -> String {
        let one = |(name, on_light, on_dark): &(&str, &str, &str)| {
            format!("--plot-{name}:{};", if dark { on_dark } else { on_light })
        };
        format!(".cleave-plot{{{}}}", COLOURS.iter().map(one).collect::<String>())
    };
    format!("{}@media screen and (prefers-color-scheme:dark){{{}}}{rules}", set(false), set(true))
}

/// A number with at most two decimals.
pub(super) fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".into() } else { text.into() }
}

/// Text as it stands in XML; characters that XML does not hold are left out.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\t' | '\n' | '\r' => escaped.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => escaped.push(c),
        }
    }
    escaped
}
