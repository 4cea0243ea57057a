//! Export of the shown chart.

use std::path::PathBuf;

use super::forms::format_of;
use super::overlap::Overlap;
use super::{Modules, View, sizes};
use crate::plot::{Bars, HeatMap};
use crate::tui::message::Job;
use crate::tui::theme::Charset;

enum Figure<'a> {
    Map(HeatMap<'a>),
    Bars(Bars),
}

impl Modules {
    /// The chart of the focused view.
    fn figure(&self) -> Option<(&'static str, Figure<'_>)> {
        let model = self.model.as_ref()?;
        let charset = Charset::default();
        Some(match self.view {
            View::Sizes => ("kernels-kept", Figure::Bars(sizes::chart(model)?)),
            View::Overlap => {
                let matrix = Overlap { detail: false, ..self.overlap.clone() };
                ("overlap", Figure::Map(matrix.map(model, charset)?.selected(None)))
            }
            View::Retention => {
                let map = self.retention.map(model, self.layer, charset)?;
                ("retention", Figure::Map(map.selected(None)))
            }
            View::Kernels => ("kernels", Figure::Map(self.kernels.map(model, self.layer)?.selected(None))),
            View::Card | View::Image => return None,
        })
    }

    /// Default file name of the shown chart, without extension.
    pub(super) fn chart_name(&self) -> Option<String> {
        let (name, _) = self.figure()?;
        Some(format!("{}-{name}", self.run.as_deref()?))
    }

    /// The job that writes the shown chart in the format of the file's extension.
    pub(super) fn save_chart(&self, to: PathBuf) -> Option<Job> {
        let (_, figure) = self.figure()?;
        let text = match (format_of(&to)?, &figure) {
            ("png", Figure::Map(map)) => return Some(Job::SavePng { to, picture: map.print() }),
            ("png", Figure::Bars(bars)) => return Some(Job::SavePng { to, picture: bars.print() }),
            ("svg", Figure::Map(map)) => map.to_svg(),
            ("svg", Figure::Bars(bars)) => bars.to_svg(),
            (_, Figure::Map(map)) => map.to_csv(),
            (_, Figure::Bars(bars)) => bars.to_csv(),
        };
        Some(Job::SaveFile { to, bytes: text.into_bytes() })
    }
}
