//! The kernel view: firing frequency of each kernel of a layer per class, and what the threshold keeps.

use ratatui::layout::Rect;

use super::paint::{Paint, percent};
use super::preview::{ClassModules, Source};
use super::run_model::RunModel;
use crate::modular::ranges;
use crate::plot::{HeatMap, Unit};
use crate::tui::action::Action;
use crate::tui::theme::{Charset, Role, Theme};

/// State of the view; the layer is shared with other views.
#[derive(Clone, Debug, Default)]
pub(super) struct Kernels {
    /// Class under the cursor.
    pub class: usize,
    /// Kernel of the layer under the cursor.
    pub kernel: usize,
    /// Whether only kept or not kept is shown instead of the frequency.
    pub kept: bool,
}

/// The range of a layer's kernels among all tracked ones.
struct Slice<'a> {
    source: &'a Source,
    class_modules: &'a ClassModules,
    start: usize,
    kernels: usize,
}

impl Slice<'_> {
    fn frequency(&self, class: usize, kernel: usize) -> f64 {
        f64::from(self.source.usage.frequency(class, self.start + kernel))
    }

    fn is_kept(&self, class: usize, kernel: usize) -> bool {
        self.class_modules.modules.parts[class].units.contains(self.start + kernel)
    }
}

fn slice(model: &RunModel, layer: usize) -> Option<Slice<'_>> {
    let range = ranges(&model.sites).nth(layer)?;
    let (source, class_modules) = (model.source()?, model.class_modules()?);
    Some(Slice { source, class_modules, start: range.start, kernels: range.len() })
}

impl Kernels {
    /// Moves the cursor, staying within the layer.
    pub fn go(&mut self, model: &RunModel, layer: usize, down: isize, right: isize) {
        let kernels = model.sites.get(layer).map_or(0, |site| site.units);
        let within =
            |at: usize, by: isize, all: usize| at.saturating_add_signed(by).min(all.saturating_sub(1));
        self.class = within(self.class, down, model.classes.names().len());
        self.kernel = within(self.kernel, right, kernels);
    }

    /// The frequency under the cursor, as text.
    pub fn value(&self, model: &RunModel, layer: usize) -> Option<String> {
        let slice = slice(model, layer)?;
        let inside = self.kernel < slice.kernels && self.class < model.classes.names().len();
        inside.then(|| format!("{:.4}", slice.frequency(self.class, self.kernel)))
    }

    /// The heat map: rows are classes, columns kernels.
    pub fn map<'a>(&self, model: &'a RunModel, layer: usize) -> Option<HeatMap<'a>> {
        let slice = slice(model, layer)?;
        let classes = model.classes.names();
        let value = |class: usize, kernel: usize| match self.kept {
            true => f64::from(u8::from(slice.is_kept(class, kernel))),
            false => slice.frequency(class, kernel),
        };
        let cells =
            (0..classes.len()).flat_map(|class| (0..slice.kernels).map(move |kernel| (class, kernel)));
        let values: Vec<f64> = cells.map(|(class, kernel)| value(class, kernel)).collect();
        let columns: Vec<String> = (0..slice.kernels).map(|kernel| kernel.to_string()).collect();
        let map = HeatMap::new("", classes, columns, values);
        Some(map.unit(Unit::Percent).selected(Some((self.class, self.kernel))))
    }

    /// Draws the heat map and the details of the cell under the cursor.
    pub fn view(&self, model: &RunModel, layer: usize, paint: &mut Paint<'_>, area: Rect) {
        let Some(slice) = slice(model, layer) else {
            paint.note(area, &model.why_not(paint.keys).unwrap_or_default(), Role::Warn);
            return;
        };
        let foot = if area.height >= 9 { 3 } else { u16::from(area.height >= 4) };
        let body = Rect { height: area.height - foot, ..area };
        let Some(mut map) = self.map(model, layer) else { return };
        // Half blocks need colours to show two values per cell; without colours only kept or not can be shown.
        let shades = paint.look.theme == Theme::Mono && !self.kept;
        let fits = slice.kernels * 2 + 12 <= usize::from(body.width);
        if !fits && !shades && paint.look.charset != Charset::Ascii {
            map = map.dense();
        }
        let cells = map.render(body, paint.buffer, &paint.canvas);
        paint.cells(cells);
        self.foot(model, layer, &slice, paint, Rect { y: body.bottom(), height: foot, ..area });
    }

    fn foot(&self, model: &RunModel, layer: usize, slice: &Slice<'_>, paint: &mut Paint<'_>, area: Rect) {
        let name = |class: usize| model.classes.name(class);
        let kernel = self.kernel.min(slice.kernels.saturating_sub(1));
        let class = self.class.min(model.classes.names().len().saturating_sub(1));
        if slice.kernels == 0 || model.classes.names().is_empty() {
            return;
        }
        let kept = if slice.is_kept(class, kernel) { "kept" } else { "not kept" };
        let rate = percent(slice.frequency(class, kernel));
        let tracked = model.sites.get(layer).map_or("", |layer| layer.name.as_str());
        let line = format!("{tracked} kernel {kernel} fires for {rate} of {}: {kept}", name(class));
        paint.line(area, 0, &[(&line, Role::Text)]);
        let keepers: Vec<&str> = (0..model.classes.names().len())
            .filter(|&class| slice.is_kept(class, kernel))
            .map(name)
            .collect();
        let line = match keepers.len() {
            0 => "kept by no class".to_owned(),
            n => format!("kept by {n} of {} classes: {}", model.classes.names().len(), keepers.join(", ")),
        };
        paint.line(area, 1, &[(&line, Role::Text)]);
        let other = if self.kept { "firing frequency" } else { "kept or not" };
        let [back, forward, show] =
            [Action::ScrubBack, Action::ScrubForward, Action::SortMatrix].map(|of| paint.key(of));
        paint.hint(area, 2, &format!("{back} {forward} layers; {show}: {other}"), "arrows: cursor");
    }
}
