//! The way through a [`Spec`]: shapes, names of layers, and whether the stages fit together.

use super::error::SpecError;
use super::sites::{Site, SiteKind};
use super::stages::{Conv, Join, Residual, Spec, Stage};

/// What a stage hands to the next one, for one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `[channels, height, width]`.
    Map([usize; 3]),
    /// `[features]`.
    Flat(usize),
}

/// A layer with weights, found on the way through a [`Spec`].
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Prefix of its parameters' names, such as `conv3` or `residual1.shortcut`.
    pub name: String,
    /// Index of its stage.
    pub stage: usize,
    /// What it computes.
    pub kind: LayerKind,
}

/// The two kinds of layers that have weights.
#[derive(Clone, Debug, PartialEq)]
pub enum LayerKind {
    /// A convolution from `input` to `output`, both `[channels, height, width]`.
    Conv {
        /// Its settings.
        conv: Conv,
        /// Shape read.
        input: [usize; 3],
        /// Shape written.
        output: [usize; 3],
    },
    /// A linear layer.
    Linear {
        /// Features read.
        inputs: usize,
        /// Features written.
        outputs: usize,
    },
}

impl Spec {
    /// Checks every stage against what reaches it.
    ///
    /// # Errors
    ///
    /// Names the first stage that does not fit, with the shape that reaches it.
    pub fn check(&self) -> Result<(), SpecError> {
        self.walk().map(|_| ())
    }

    /// Every layer with weights, in the order in which an image meets them (a residual's shortcut after its
    /// body, which is also the order of masks).
    ///
    /// # Errors
    ///
    /// As [`Spec::check`].
    pub fn layers(&self) -> Result<Vec<Layer>, SpecError> {
        self.walk().map(|walk| walk.layers)
    }

    /// What each stage hands on; entry 0 is the input, entry `i + 1` the output of stage `i`.
    ///
    /// # Errors
    ///
    /// As [`Spec::check`].
    pub fn shapes(&self) -> Result<Vec<Shape>, SpecError> {
        self.walk().map(|walk| walk.shapes)
    }

    /// Number of logits.
    ///
    /// # Errors
    ///
    /// As [`Spec::check`].
    pub fn outputs(&self) -> Result<usize, SpecError> {
        self.walk().map(|walk| walk.flat())
    }

    /// Every place whose units can be observed, kept or cut, in the order in which an image meets them: the
    /// convolutions of a residual's body, its shortcut, its sum. Networks side by side give theirs branch by branch.
    ///
    /// # Errors
    ///
    /// As [`Spec::check`].
    pub fn sites(&self) -> Result<Vec<Site>, SpecError> {
        self.walk().map(|walk| walk.sites)
    }

    /// Every map that a global average pool reads, `[channels, height, width]`.
    pub(super) fn pooled(&self) -> Result<Vec<[usize; 3]>, SpecError> {
        self.walk().map(|walk| walk.pooled)
    }

    fn walk(&self) -> Result<Walk, SpecError> {
        let mut walk = Walk::new(Shape::Map(self.input));
        if self.input.contains(&0) {
            return Err(walk.error(0, "input", format!("the input shape {:?} has a zero", self.input)));
        }
        for (index, stage) in self.stages.iter().enumerate() {
            walk.stage = index;
            walk.pass(stage).map_err(|problem| walk.error(index, stage.kind(), problem))?;
            walk.shapes.push(walk.shape);
        }
        match (self.stages.last(), walk.shape) {
            (Some(_), Shape::Flat(_)) => Ok(walk),
            (last, shape) => Err(walk.error(
                self.stages.len().saturating_sub(1),
                last.map_or("none", Stage::kind),
                format!("the network ends with {shape}; end it with a linear stage that gives the logits"),
            )),
        }
    }
}

impl Stage {
    /// What it hands on when this reaches it; `None` if it does not fit.
    pub fn output(&self, input: Shape) -> Option<Shape> {
        let mut walk = Walk::new(input);
        walk.pass(self).ok().map(|()| walk.shape)
    }
}

/// What reaches each of the stages of a branch that reads `input`.
pub fn branch_shapes(stages: &[Stage], input: Shape) -> Result<Vec<Shape>, SpecError> {
    let mut walk = Walk::new(input);
    for stage in stages {
        walk.pass(stage).map_err(|problem| walk.error(0, stage.kind(), problem))?;
        walk.shapes.push(walk.shape);
    }
    Ok(walk.shapes)
}

/// Shapes and names gathered on the way through a spec.
struct Walk {
    /// What reaches the next stage.
    shape: Shape,
    /// Index of the stage under way.
    stage: usize,
    shapes: Vec<Shape>,
    layers: Vec<Layer>,
    sites: Vec<Site>,
    pooled: Vec<[usize; 3]>,
    /// The linear layer that the stage before ended with: a ReLU here makes it a site.
    linear: Option<usize>,
    convs: usize,
    residuals: usize,
    linears: usize,
}

impl Walk {
    fn new(shape: Shape) -> Self {
        Walk {
            shape,
            stage: 0,
            shapes: vec![shape],
            layers: Vec::new(),
            sites: Vec::new(),
            pooled: Vec::new(),
            linear: None,
            convs: 0,
            residuals: 0,
            linears: 0,
        }
    }

    fn error(&self, stage: usize, kind: &'static str, problem: String) -> SpecError {
        SpecError { stage, kind, problem }
    }

    fn flat(&self) -> usize {
        match self.shape {
            Shape::Flat(features) => features,
            Shape::Map([channels, height, width]) => channels * height * width,
        }
    }

    fn map(&self) -> Result<[usize; 3], String> {
        match self.shape {
            Shape::Map(map) => Ok(map),
            flat => Err(format!("it needs a [channels, height, width] input and gets {flat}")),
        }
    }

    fn pass(&mut self, stage: &Stage) -> Result<(), String> {
        let linear = self.linear.take();
        let next = match stage {
            Stage::Conv(conv) => {
                let name = format!("conv{}", self.convs);
                self.convs += 1;
                Shape::Map(self.conv(name, conv, self.map()?)?)
            }
            Stage::MaxPool { size } => Shape::Map(pooled(self.map()?, *size)?),
            Stage::Residual(residual) => Shape::Map(self.residual(residual, self.map()?)?),
            Stage::GlobalAvgPool => {
                let map = self.map()?;
                self.pooled.push(map);
                Shape::Flat(map[0])
            }
            Stage::Flatten => Shape::Flat(self.map()?.iter().product()),
            Stage::Relu => {
                if let Some(layer) = linear {
                    self.site(self.layers[layer].name.clone(), self.flat(), SiteKind::Linear { layer });
                }
                self.shape
            }
            Stage::Dropout { probability } if (0.0..1.0).contains(probability) => self.shape,
            Stage::Dropout { probability } => {
                return Err(format!("probability {probability} is not in [0, 1)"));
            }
            Stage::Linear { outputs } => Shape::Flat(self.linear(*outputs)?),
            Stage::Parallel { branches } => Shape::Flat(self.parallel(branches)?),
        };
        self.shape = next;
        Ok(())
    }

    fn parallel(&mut self, branches: &[Vec<Stage>]) -> Result<usize, String> {
        let input = self.shape;
        let mut outputs = 0;
        for (index, branch) in branches.iter().enumerate() {
            (self.shape, self.linear) = (input, None);
            for stage in branch {
                let within = |problem| format!("branch {index}, {}: {problem}", stage.kind());
                self.pass(stage).map_err(within)?;
            }
            match self.shape {
                Shape::Flat(features) => outputs += features,
                map => return Err(format!("branch {index} ends with {map}; end it with a linear stage")),
            }
        }
        self.linear = None;
        match branches.len() {
            0 => Err("it has no branches".into()),
            _ => Ok(outputs),
        }
    }

    fn site(&mut self, name: String, units: usize, kind: SiteKind) {
        self.sites.push(Site { name, units, kind });
    }

    fn conv(&mut self, name: String, conv: &Conv, input: [usize; 3]) -> Result<[usize; 3], String> {
        let output = conv.output(input)?;
        let kind = LayerKind::Conv { conv: conv.clone(), input, output };
        let layer = self.layers.len();
        let site = SiteKind::Conv { layer, masked: conv.masked, relu: conv.relu };
        self.site(name.clone(), conv.kernels, site);
        self.layers.push(Layer { name, stage: self.stage, kind });
        Ok(output)
    }

    fn residual(&mut self, residual: &Residual, input: [usize; 3]) -> Result<[usize; 3], String> {
        let prefix = format!("residual{}", self.residuals);
        self.residuals += 1;
        let mut body = input;
        for (index, conv) in residual.body.iter().enumerate() {
            body = self.conv(format!("{prefix}.conv{index}"), conv, body)?;
        }
        let shortcut = match &residual.shortcut {
            Some(conv) => self.conv(format!("{prefix}.shortcut"), conv, input)?,
            None => input,
        };
        if body[1..] != shortcut[1..] {
            return Err(format!("its body gives {body:?} and its shortcut {shortcut:?}"));
        }
        match &residual.join {
            Some(join) => join.check(body[0], shortcut[0])?,
            None if body[0] == shortcut[0] => {}
            None => return Err(format!("its body gives {body:?} and its shortcut {shortcut:?}")),
        }
        let channels = residual.join.as_ref().map_or(body[0], |join| join.channels);
        self.site(format!("{prefix}.sum"), channels, SiteKind::Sum { relu: residual.relu });
        Ok([channels, body[1], body[2]])
    }

    fn linear(&mut self, outputs: usize) -> Result<usize, String> {
        let Shape::Flat(inputs) = self.shape else {
            return Err(format!("it gets {}; put flatten or global-avg-pool before it", self.shape));
        };
        if outputs == 0 {
            return Err("outputs must be at least 1".into());
        }
        let name = format!("linear{}", self.linears);
        self.linears += 1;
        self.linear = Some(self.layers.len());
        self.layers.push(Layer { name, stage: self.stage, kind: LayerKind::Linear { inputs, outputs } });
        Ok(outputs)
    }
}

impl Join {
    fn check(&self, body: usize, shortcut: usize) -> Result<(), String> {
        for (path, map, channels) in [("body", &self.body, body), ("shortcut", &self.shortcut, shortcut)] {
            if map.len() != channels {
                return Err(format!("its join maps {} {path} channels of {channels}", map.len()));
            }
            let ascending = map.windows(2).all(|pair| pair[0] < pair[1]);
            if !ascending || map.last().is_some_and(|&last| last >= self.channels) {
                return Err(format!(
                    "its join's {path} map must ascend and stay below {} channels",
                    self.channels
                ));
            }
        }
        Ok(())
    }
}

fn pooled([channels, height, width]: [usize; 3], size: usize) -> Result<[usize; 3], String> {
    if size == 0 || height < size || width < size {
        return Err(format!("a {size}x{size} window does not fit its {height}x{width} input"));
    }
    Ok([channels, height / size, width / size])
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Shape::Map(map) => write!(f, "{map:?} (channels, height, width)"),
            Shape::Flat(features) => write!(f, "{features} features"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::stages::Init;
    use super::*;

    fn spec(input: [usize; 3], stages: Vec<Stage>) -> Spec {
        Spec { input, init: Init::default(), stages }
    }

    #[test]
    fn a_stage_that_does_not_fit_is_named_with_what_reaches_it() {
        let stages = vec![Stage::Conv(Conv::new(4)), Stage::MaxPool { size: 2 }, Stage::MaxPool { size: 8 }];
        let error = spec([1, 8, 8], stages).check().unwrap_err();
        assert_eq!(error.to_string(), "stage 2 (max-pool): a 8x8 window does not fit its 4x4 input");
    }

    #[test]
    fn a_network_must_end_with_logits() {
        let error = spec([1, 8, 8], vec![Stage::Conv(Conv::new(4))]).check().unwrap_err();
        assert!(error.to_string().contains("end it with a linear stage"), "{error}");
    }

    #[test]
    fn a_linear_stage_wants_flat_input() {
        let error = spec([1, 8, 8], vec![Stage::Linear { outputs: 2 }]).check().unwrap_err();
        assert!(error.to_string().contains("flatten"), "{error}");
    }

    #[test]
    fn a_residual_whose_paths_differ_is_refused() {
        let body = vec![Conv::new(6), Conv::new(6)];
        let residual = Residual { body, shortcut: None, join: None, relu: true };
        let stages = vec![Stage::Conv(Conv::new(4)), Stage::Residual(residual)];
        let error = spec([1, 8, 8], stages).check().unwrap_err();
        assert!(error.to_string().contains("[6, 8, 8]") && error.to_string().contains("[4, 8, 8]"));
    }

    #[test]
    fn masks_go_on_every_convolution_but_the_first() {
        let stages = vec![Stage::Conv(Conv::new(4)), Stage::Conv(Conv::new(4)), Stage::Flatten];
        let masked = spec([1, 2, 2], stages).with_masks();
        assert_eq!(masked.convs().map(|conv| conv.masked).collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn a_spec_is_the_same_after_toml() {
        let body = vec![Conv::new(4), Conv { relu: false, ..Conv::new(4) }];
        let join = Join { channels: 5, body: vec![0, 1, 2, 4], shortcut: vec![1, 2, 3, 4] };
        let residual = Residual { body, shortcut: None, join: Some(join), relu: true };
        let stages = vec![
            Stage::Conv(Conv::new(4)),
            Stage::Residual(residual),
            Stage::GlobalAvgPool,
            Stage::Dropout { probability: 0.5 },
            Stage::Linear { outputs: 3 },
        ];
        let spec = spec([3, 8, 8], stages);
        spec.check().unwrap();
        assert_eq!(toml::from_str::<Spec>(&toml::to_string(&spec).unwrap()).unwrap(), spec);
    }
}
