//! `cleave compose`.

use clap::ValueEnum;

use super::context::Context;
use super::error::Failure;
use super::extract;
use super::output;
use crate::backend::Choice;
use crate::reuse;
use crate::reuse::Composition;

/// Compose several modules into one network.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cleave compose digits-1/3-8 digits-1/0-1 --name four
  cleave compose digits-1/3-8 digits-2/0-1 --name mixed
  cleave compose mnist/odd fashion/shoes --name both --licence MIT

Modules of the same run and checkpoint become one module of all their classes: the union of their kernels with a new
head, fine-tuned (--join union). Modules of different runs run in parallel; a scale and a shift per module, fitted on
the validation split, make their logits comparable (--join logits).")]
pub(super) struct Args {
    /// Modules: a name, a unique prefix of it, RUN/MODULE, or a path
    #[arg(required = true, num_args = 2.., value_name = "MODULE")]
    modules: Vec<String>,
    /// Name of the result, which is stored in the run of the first module
    #[arg(long)]
    name: String,
    /// How the modules are joined
    #[arg(long, value_enum, default_value_t = Join::Auto)]
    join: Join,
    /// Fine-tuning epochs of a union; default: the preset's
    #[arg(long, value_name = "N")]
    fine_tune: Option<usize>,
    /// Licence to state on the module's card, such as an SPDX expression
    #[arg(long, alias = "license", value_name = "TEXT")]
    licence: Option<String>,
    /// Device: auto, cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: Choice,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Join {
    /// union for modules of one run and checkpoint, logits otherwise
    Auto,
    /// Extract the union of their kernels from their run again
    Union,
    /// Run the modules in parallel and concatenate their logits
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
