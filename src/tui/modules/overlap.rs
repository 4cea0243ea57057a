//! The overlap view: the Jaccard index of each pair of class modules.

use ratatui::layout::Rect;

use super::paint::{Paint, heads};
use super::preview::ClassModules;
use super::run_model::RunModel;
use crate::plot::HeatMap;
use crate::tui::action::Action;
use crate::tui::hits::Target;
use crate::tui::theme::{Charset, Role};
use crate::tui::widget::text;

/// The order of rows and columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum MatrixOrder {
    /// By name; numeric names by value.
    #[default]
    Name,
    /// The largest module first.
    Size,
    /// Similar modules adjacent.
    Likeness,
}

/// State of the view.
#[derive(Clone, Debug, Default)]
pub(super) struct Overlap {
    pub order: MatrixOrder,
    /// Classes of the cell under the cursor.
    pub pair: (usize, usize),
    /// Whether the shared kernels of a pair are shown instead of the matrix.
    pub detail: bool,
    /// First visible line of the details.
    pub scroll: usize,
}

impl MatrixOrder {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            MatrixOrder::Name => "by name",
            MatrixOrder::Size => "by size",
            MatrixOrder::Likeness => "by cluster",
        }
    }

    fn next(self) -> MatrixOrder {
        match self {
            MatrixOrder::Name => MatrixOrder::Size,
            MatrixOrder::Size => MatrixOrder::Likeness,
            MatrixOrder::Likeness => MatrixOrder::Name,
        }
    }

    /// The classes in this order.
    pub fn of(self, class_modules: &ClassModules, names: &[String]) -> Vec<usize> {
        let mut classes: Vec<usize> = (0..names.len()).collect();
        match self {
            MatrixOrder::Name => {
                classes.sort_by_cached_key(|&class| {
                    let name = names[class].to_lowercase();
                    (name.parse::<u64>().unwrap_or(u64::MAX), name)
                });
            }
            MatrixOrder::Size => {
                classes.sort_by_key(|&class| {
                    std::cmp::Reverse(class_modules.modules.parts[class].units.count_ones(..))
                });
            }
            MatrixOrder::Likeness => classes = class_modules.likeness().to_vec(),
        }
        classes
    }
}

impl Overlap {
    /// Switches to the next order.
    pub fn sort(&mut self) {
        self.order = self.order.next();
    }

    /// Moves the cursor in the matrix, or scrolls the details.
    pub fn go(&mut self, model: &RunModel, down: isize, right: isize) {
        if self.detail {
            let (a, b) = self.pair;
            let lines = model
                .class_modules()
                .map_or(0, |class_modules| detail(&class_modules.pair_by_layer(a, b)).count());
            self.scroll = self.scroll.saturating_add_signed(down).min(lines.saturating_sub(1));
            return;
        }
        let Some(class_modules) = model.class_modules() else { return };
        let order = self.order.of(class_modules, model.classes.names());
        let last = order.len().saturating_sub(1);
        let moved = |class: usize, by: isize| {
            let at = order.iter().position(|other| *other == class).unwrap_or(0);
            order.get(at.saturating_add_signed(by).min(last)).copied().unwrap_or(0)
        };
        self.pair = (moved(self.pair.0, down), moved(self.pair.1, right));
    }

    /// Moves the cursor to a cell of the ordered matrix.
    pub fn pick(&mut self, model: &RunModel, row: usize, column: usize) {
        let Some(class_modules) = model.class_modules() else { return };
        let order = self.order.of(class_modules, model.classes.names());
        if let (Some(&row), Some(&column)) = (order.get(row), order.get(column)) {
            self.pair = (row, column);
        }
    }

    /// The Jaccard index under the cursor, as text.
    pub fn value(&self, model: &RunModel) -> Option<String> {
        let (_, _, index) = model.class_modules()?.pair(self.pair.0, self.pair.1)?;
        Some(format!("{index:.4}"))
    }

    /// Draws the matrix or the details, and the line of the selected pair below.
    pub fn view(&self, model: &RunModel, paint: &mut Paint<'_>, area: Rect) {
        let Some(class_modules) = model.class_modules() else {
            paint.note(area, &model.why_not(paint.keys).unwrap_or_default(), Role::Warn);
            return;
        };
        // Omit the hint if the matrix (headings, rows and the line below) would not fit otherwise.
        let rows = u16::try_from(model.classes.names().len()).unwrap_or(u16::MAX).saturating_add(2);
        let foot = match area.height {
            0..4 => 0,
            height if height < 8 || !self.detail && height == rows.saturating_add(1) => 1,
            _ => 2,
        };
        let body = Rect { height: area.height - foot, ..area };
        match self.detail {
            true => self.layers(model, class_modules, paint, body),
            false => {
                if let Some(map) = self.map(model, paint.look.charset) {
                    let cells = map.render(body, paint.buffer, &paint.canvas);
                    paint.cells(cells);
                }
            }
        }
        let below = Rect { y: body.bottom(), height: foot, ..area };
        let (a, b) = self.pair;
        let (one, other) = (model.classes.name(a), model.classes.name(b));
        let line = match class_modules.pair(a, b) {
            Some((_, all, _)) if a == b => format!("{one} has {all} kernels"),
            Some((both, all, index)) => {
                format!("Jaccard index {index:.3}: {both} of {all} kernels shared by {one} and {other}")
            }
            None => String::new(),
        };
        paint.line(below, 0, &[(&line, Role::Text)]);
        let enter = paint.key(Action::Accept);
        match self.detail {
            true => paint.hint(below, 1, "", &format!("{enter}: back to the matrix")),
            false => {
                let order =
                    format!("{}: change order ({})", paint.key(Action::SortMatrix), self.order.name());
                paint.hint(below, 1, &order, &format!("{enter}: shared kernels"));
            }
        }
    }

    /// The heat map of the ordered matrix.
    pub fn map(&self, model: &RunModel, charset: Charset) -> Option<HeatMap<'static>> {
        let class_modules = model.class_modules()?;
        let order = self.order.of(class_modules, model.classes.names());
        let names: Vec<String> = order.iter().map(|&class| model.classes.name(class).to_owned()).collect();
        let matrix = class_modules.overlap();
        let values: Vec<f64> =
            order.iter().flat_map(|&row| order.iter().map(move |&column| matrix[row][column])).collect();
        let at = |class: usize| order.iter().position(|other| *other == class).unwrap_or(0);
        let heads = heads(&names, charset);
        Some(HeatMap::new("", names, heads, values).selected(Some((at(self.pair.0), at(self.pair.1)))))
    }

    /// Draws the number of kernels of each class and the shared kernels, per layer.
    fn layers(&self, model: &RunModel, class_modules: &ClassModules, paint: &mut Paint<'_>, area: Rect) {
        let (a, b) = self.pair;
        let charset = paint.look.charset;
        let name = model.sites.iter().map(|layer| text::width(&layer.name)).max().unwrap_or(0).min(20);
        let class = |class: usize| text::fit(model.classes.name(class), 8, true, charset);
        let head = format!("{} {} {}   both", " ".repeat(name), class(a), class(b));
        paint.line(area, 0, &[(&head, Role::Title)]);
        let rows = class_modules.pair_by_layer(a, b);
        let height = area.height.saturating_sub(1);
        let first = self.scroll.min(detail(&rows).count().saturating_sub(usize::from(height)));
        for (row, (layer, line)) in (1..=height).zip(detail(&rows).skip(first)) {
            match line {
                Detail::Figures(one, other, both) => {
                    let label = text::fit(&model.sites[layer].name, name, false, charset);
                    let figures = format!(" {one:>8} {other:>8} {both:>6}");
                    paint.line(area, row, &[(&label, Role::Text), (&figures, Role::Text)]);
                }
                Detail::Kernels(kernels) => {
                    let kernels: String = kernels.iter().map(|kernel| format!("{kernel:>4}")).collect();
                    paint.line(area, row, &[(&kernels, Role::Dim)]);
                }
            }
            paint.hits.add(Rect { y: area.y + row, height: 1, ..area }, Target::Pane(1));
        }
    }
}

/// A line of the details.
enum Detail<'a> {
    /// Number of kernels of each class and of both.
    Figures(usize, usize, usize),
    /// Some of the shared kernels.
    Kernels(&'a [usize]),
}

/// Kernels per line of the details. It fits the narrowest pane, so that the number of lines does not depend on the
/// width.
const ABREAST: usize = 8;

/// The lines of the details, each with its layer.
fn detail(rows: &[(usize, usize, Vec<usize>)]) -> impl Iterator<Item = (usize, Detail<'_>)> {
    rows.iter().enumerate().flat_map(|(layer, (one, other, shared))| {
        let kernels = shared.chunks(ABREAST).map(Detail::Kernels);
        let figures = Detail::Figures(*one, *other, shared.len());
        std::iter::once(figures).chain(kernels).map(move |line| (layer, line))
    })
}
