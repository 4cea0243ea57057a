//! `cleave data fetch`.

use std::io::IsTerminal;

use indicatif::{BinaryBytes, ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::error::Failure;
use crate::cli::output;
use crate::data::{Progress, Stage, fetch, find_set};

const TEMPLATE: &str =
    "{prefix} {bar:24} {binary_bytes}/{binary_total_bytes}, {binary_bytes_per_sec}, {eta} left";

/// Download a published data set, verify and unpack it; resumes an interrupted download.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cleave data fetch cifar10
  cleave data fetch mnist --from http://mirror.example/data")]
pub(super) struct Args {
    /// Data set, see `cleave data`
    name: String,
    /// Base URL of a mirror; files are fetched from URL/NAME
    #[arg(long, value_name = "URL")]
    from: Option<String>,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    name: &'static str,
    /// The directory of its files; null for the embedded set.
    directory: Option<String>,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let set = find_set(&args.name)?;
    let mut display = Display::new();
    let directory =
        fetch(set, args.from.as_deref(), &context.archives(), &mut |progress| display.update(progress))?;
    let directory = (!set.archives.is_empty()).then(|| directory.display().to_string());
    match &directory {
        Some(directory) => output::note(&format!("data set {} is in {directory}", set.name)),
        None => output::note(&format!("data set {} is embedded: nothing to fetch", set.name)),
    }
    if args.json {
        output::json(&Report { name: set.name, directory })?;
    }
    Ok(())
}

/// Progress on stderr: a bar on a terminal; elsewhere one line per stage and per tenth of a download.
struct Display {
    terminal: bool,
    bar: Option<ProgressBar>,
    last: Option<(Stage, u64)>,
}

impl Display {
    fn new() -> Self {
        Display { terminal: std::io::stderr().is_terminal(), bar: None, last: None }
    }

    fn update(&mut self, progress: Progress<'_>) {
        if self.terminal && progress.stage == Stage::Downloading {
            return self.bar.get_or_insert_with(|| bar(&progress)).set_position(progress.done);
        }
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        let tenth = 10 * progress.done / progress.total.max(1);
        if self.last.replace((progress.stage, tenth)) != Some((progress.stage, tenth)) {
            output::note(&format!("{}: {}", progress.file, text(&progress)));
        }
    }
}

fn bar(progress: &Progress<'_>) -> ProgressBar {
    let bar = ProgressBar::new(progress.total).with_prefix(progress.file.to_owned());
    if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
        bar.set_style(style.progress_chars("━━─"));
    }
    bar
}

fn text(progress: &Progress<'_>) -> String {
    match progress.stage {
        Stage::Present => "already present".into(),
        Stage::Downloading => {
            format!("{} of {}", BinaryBytes(progress.done), BinaryBytes(progress.total))
        }
        Stage::Verifying => "verifying".into(),
        Stage::Unpacking => "unpacking".into(),
        Stage::Done => "done".into(),
    }
}
