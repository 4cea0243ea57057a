//! The `[network]` table.

use serde::{Deserialize, Serialize};

use super::error::Error;
use crate::spec::{Architecture, Init, Spec, SpecError, Stage};

/// Which network: a published one by name, or stages of one's own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkConfig {
    /// A named architecture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<Architecture>,
    /// Every kernel count and hidden width of the named architecture is multiplied by this.
    #[serde(default = "one")]
    pub width: f64,
    /// How the weights are drawn; by default as the architecture was published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<Init>,
    /// The stages, in place of a named architecture. A modular method masks every convolution but the first,
    /// or those with `masked = true` if there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stages: Option<Vec<Stage>>,
}

/// Far beyond any sensible network.
const LARGEST_WIDTH: f64 = 16.0;

/// Classes of a network whose data have not been read: any number will do.
const SOME_CLASSES: usize = 10;

impl NetworkConfig {
    /// The named architecture at its published width.
    pub fn named(architecture: Architecture) -> Self {
        NetworkConfig { architecture: Some(architecture), width: 1.0, init: None, stages: None }
    }

    /// The network for such images; `None`: as many classes as it likes.
    pub(super) fn spec(&self, input: [usize; 3], classes: Option<usize>, masks: bool) -> Result<Spec, Error> {
        self.check()?;
        let mut spec = match (&self.stages, self.architecture) {
            (Some(stages), _) => own(input, stages.clone(), masks),
            (None, Some(name)) => name.spec(input, classes.unwrap_or(SOME_CLASSES), self.width, masks),
            (None, None) => return Err(neither()),
        };
        if let Some(init) = self.init {
            spec.init = init;
        }
        let outputs = spec.outputs().map_err(|error| self.misfit(&error, input))?;
        if let Some(fault) = spec.out_of_bounds() {
            let key = if self.stages.is_some() { "network.stages" } else { "network.architecture" };
            return Err(Error::value(key, &fault, "this is far beyond what can be trained"));
        }
        match classes {
            Some(classes) if outputs != classes => Err(self.wrong_outputs(&spec, outputs, classes)),
            _ => Ok(spec),
        }
    }

    /// Refuses values that make no sense whatever the data are.
    pub(super) fn check(&self) -> Result<(), Error> {
        match (&self.architecture, &self.stages) {
            (None, None) => return Err(neither()),
            (Some(_), Some(_)) => {
                return Err(Error::value(
                    "network.stages",
                    "`network` has both architecture and stages",
                    "keep one",
                ));
            }
            _ => {}
        }
        if !(self.width > 0.0 && self.width <= LARGEST_WIDTH) {
            let allowed = format!("above 0, at most {LARGEST_WIDTH}");
            return Err(Error::not_allowed("network.width", self.width, &allowed));
        }
        if self.stages.is_some() && self.width != 1.0 {
            let help = "write the kernels that you want into the stages";
            return Err(Error::value("network.width", "`network.width` is for a named architecture", help));
        }
        let stages = self.stages.iter().flatten().enumerate();
        stages.into_iter().try_for_each(|(index, stage)| {
            let fault = stage.out_of_bounds();
            fault.map_or(Ok(()), |allowed| {
                let message = format!("stage {index} ({}): {allowed}", stage.kind());
                Err(Error::value(&stage_key(index), &message, "this is far beyond what can be trained"))
            })
        })
    }

    fn misfit(&self, error: &SpecError, [channels, height, width]: [usize; 3]) -> Error {
        let input = format!("images are {channels}x{height}x{width} (channels, height, width)");
        if self.stages.is_some() {
            let help = format!("{input}; stages count from 0");
            return Error::value(&stage_key(error.stage), &error.to_string(), &help);
        }
        let help = format!("{input}: make them larger with data.size, or choose another architecture");
        Error::value("network.architecture", &error.to_string(), &help)
    }

    fn wrong_outputs(&self, spec: &Spec, outputs: usize, classes: usize) -> Error {
        let last = spec.stages.len().saturating_sub(1);
        let kind = spec.stages.last().map_or("none", Stage::kind);
        let message =
            format!("stage {last} ({kind}): it gives {outputs} logits and the data have {classes} classes");
        let help = format!("end the stages with {{ linear = {{ outputs = {classes} }} }}");
        Error::value(&stage_key(last), &message, &help)
    }
}

fn own(input: [usize; 3], stages: Vec<Stage>, masks: bool) -> Spec {
    let spec = Spec { input, init: Init::default(), stages };
    let chosen = spec.convs().any(|conv| conv.masked);
    match (masks, chosen) {
        (false, _) => spec.without_masks(),
        (true, true) => spec,
        (true, false) => spec.with_masks(),
    }
}

fn neither() -> Error {
    let help = "give it one of them, for example architecture = \"vgg16\"";
    Error::value("network", "`network` has neither architecture nor stages", help)
}

fn stage_key(index: usize) -> String {
    format!("network.stages.{index}")
}

fn one() -> f64 {
    1.0
}
