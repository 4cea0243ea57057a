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
    /// The directory that `cleave data fetch` stores data sets in.
    cache: String,
    /// The data sets that can be fetched, and the embedded one.
    sets: Vec<Entry>,
    /// Possible values of a preset's `data.source`.
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
            (None, _) => ("embedded", "-".into()),
            (Some(_), true) => ("present", BinaryBytes(set.download_bytes).to_string()),
            (Some(_), false) => ("not fetched", BinaryBytes(set.download_bytes).to_string()),
        };
        let cells = [set.name, state, &download, set.licence, set.description];
        table.row(cells.map(str::to_owned));
    }
    let folder =
        "your images in train|valid|test/<class>/*.png, jpg ...; set the folder with --set data.path=DIR";
    table.row([Source::Folder.name(), "yours", "-", "-", folder].map(str::to_owned));
    Ok(table.print()?)
}
