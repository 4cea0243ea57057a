//! `cleave compose`.

use clap::ValueEnum;

use super::context::Context;
use super::error::Failure;
use super::extract;
use super::output;
use crate::backend::Choice;
use crate::reuse;
use crate::reuse::Composition;

/// Put modules together to one network.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cleave compose digits-1/3-8 digits-1/0-1 --name four
  cleave compose digits-1/3-8 digits-2/0-1 --name mixed
  cleave compose mnist/odd fashion/shoes --name both --licence MIT

Modules of one run and checkpoint become the module of all their classes: the union of their kernels, with a new
head, fine-tuned like any other (--join union). Modules of different runs stand side by side, and a scale and a
shift for each, fitted on the validation split, make their logits comparable (--join logits).")]
pub(super) struct Args {
    /// Modules: a name, a unique prefix of it, RUN/MODULE, or a path
    #[arg(required = true, num_args = 2.., value_name = "MODULE")]
    modules: Vec<String>,
    /// What to call the result, which is kept with the run of the first module
    #[arg(long)]
    name: String,
    /// How they are joined
    #[arg(long, value_enum, default_value_t = Join::Auto)]
    join: Join,
    /// Epochs of fine-tuning of a union, in place of the preset's
    #[arg(long, value_name = "N")]
    fine_tune: Option<usize>,
    /// Terms of use to state on the card
    #[arg(long, value_name = "TEXT")]
    licence: Option<String>,
    /// Where to work: auto, cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: Choice,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Join {
    /// A union where the modules are of one run and checkpoint, logits otherwise
    Auto,
    /// The union of their kernels, cut out of their run anew
    Union,
    /// Side by side, logits one after the other
    Logits,
}

pub(super) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let (device, _) = args.device.resolve()?;
    let modules = args.modules.iter().map(|query| context.module(query));
    let composition = Composition {
        modules: modules.collect::<Result<_, _>>()?,
        name: args.name,
        join: args.join.into(),
        fine_tune_epochs: args.fine_tune,
        licence: args.licence,
    };
    let archives = context.archives();
    let (module, path) = context.place(&archives, device).compose(composition, extract::counting)?;
    output::note(&format!("module {} in {}", module.name, path.display()));
    extract::print(&module, args.json)
}

impl From<Join> for reuse::Join {
    fn from(join: Join) -> Self {
        match join {
            Join::Auto => reuse::Join::Auto,
            Join::Union => reuse::Join::Union,
            Join::Logits => reuse::Join::Logits,
        }
    }
}
