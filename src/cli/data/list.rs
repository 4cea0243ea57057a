//! `cleave data list`.

use indicatif::BinaryBytes;
use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::error::Failure;
use crate::cli::output::{self, Table};
use crate::data::{Entry, Source, catalog};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    /// Where `cleave data fetch` puts them.
    cache: String,
    /// What can be fetched, and the embedded set.
    sets: Vec<Entry>,
    /// What a preset's `data.source` may be.
    sources: Vec<&'static str>,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let cache = context.archives();
    let sets = catalog(&cache);
    if args.json {
        let sources = Source::ALL.map(Source::name).to_vec();
        return Ok(output::json(&Report { cache: cache.display().to_string(), sets, sources })?);
    }
    let mut table = Table::new(&["data", "state", "download", "licence", "description"]);
    for set in sets {
        let (state, download) = match (&set.directory, set.present) {
            (None, _) => ("in the program", "-".into()),
            (Some(_), true) => ("here", BinaryBytes(set.download_bytes).to_string()),
            (Some(_), false) => ("not fetched", BinaryBytes(set.download_bytes).to_string()),
        };
        let cells = [set.name, state, &download, set.licence, set.description];
        table.row(cells.map(str::to_owned));
    }
    let folder =
        "your images in train|valid|test/<class>/*.png, jpg ...; --set data.path=DIR names the folder";
    table.row([Source::Folder.name(), "yours", "-", "-", folder].map(str::to_owned));
    Ok(table.print()?)
}
