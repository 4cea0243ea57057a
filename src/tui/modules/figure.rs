//! The chart in sight, as a file.

use std::path::Path;

use super::forms::format_of;
use super::overlap::Overlap;
use super::{Modules, View, sizes};
use crate::plot::{Bars, HeatMap};
use crate::tui::shared::Shared;
use crate::tui::theme::Charset;

/// Pixels of a PNG for each unit of its drawing.
const SCALE: f32 = 2.0;

enum Figure<'a> {
    Map(HeatMap<'a>),
    Bars(Bars),
}

impl Modules {
    fn figure(&self, shared: &Shared) -> Option<(&'static str, Figure<'_>)> {
        let subject = self.subject.as_ref()?;
        let charset = Charset::default();
        Some(match self.seen(shared) {
            View::Sizes => ("kernels-kept", Figure::Bars(sizes::chart(subject)?)),
            View::Overlap => {
                let matrix = Overlap { detail: false, ..self.overlap.clone() };
                ("overlap", Figure::Map(matrix.map(subject, charset)?))
            }
            View::Retention => ("retention", Figure::Map(self.retention.map(subject, self.layer, charset)?)),
            View::Kernels => ("kernels", Figure::Map(self.kernels.map(subject, self.layer)?)),
            View::Card | View::Trial => return None,
        })
    }

    /// What a file of the chart in sight is called, without ending.
    pub(super) fn chart_name(&self, shared: &Shared) -> Option<String> {
        let (name, _) = self.figure(shared)?;
        Some(format!("{}-{name}", self.run.as_deref()?))
    }

    /// The chart in sight in the format that the file's ending names.
    pub(super) fn chart_bytes(&self, to: &Path, shared: &Shared) -> Result<Vec<u8>, String> {
        let Some((_, figure)) = self.figure(shared) else {
            return Err("there is no chart in this view".into());
        };
        match (figure, format_of(to)) {
            (Figure::Map(map), Some("svg")) => Ok(map.selected(None).to_svg().into_bytes()),
            (Figure::Bars(bars), Some("svg")) => Ok(bars.to_svg().into_bytes()),
            (Figure::Map(map), Some("png")) => {
                map.selected(None).to_png(SCALE).map_err(|error| error.to_string())
            }
            (Figure::Bars(bars), Some("png")) => bars.to_png(SCALE).map_err(|error| error.to_string()),
            (Figure::Map(map), _) => Ok(map.to_csv().into_bytes()),
            (Figure::Bars(bars), _) => Ok(bars.to_csv().into_bytes()),
        }
    }
}
