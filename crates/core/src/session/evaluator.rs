//! Extraction beside training: a thread that works on copies of the weights.

use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;

use super::error::Error;
use super::trainer::Trainer;
use crate::backend::Training;
use crate::backend::fault::Watch;
use crate::data::Dataset;
use crate::learn::count_usage;
use crate::method::MethodState;
use crate::network::Network;
use crate::reuse::{self, Request, Trained, splitter};
use crate::run::{Applied, Event, Run};
use crate::spec::{Spec, State};

/// Extracts modules on a thread named `evaluator`, one at a time.
pub(super) struct Evaluator<B: Training> {
    dataset: Arc<Dataset>,
    device: B::Device,
    events: Sender<Event>,
    thread: Option<JoinHandle<()>>,
    backend: PhantomData<B>,
}

/// A copy of what the trainer has at a step.
struct Snapshot {
    run: Run,
    step: u64,
    spec: Spec,
    state: State,
    /// What the method remembers.
    memory: MethodState,
}

impl<B: Training> Evaluator<B> {
    pub(super) fn new(dataset: Arc<Dataset>, device: B::Device, events: Sender<Event>) -> Self {
        Evaluator { dataset, device, events, thread: None, backend: PhantomData }
    }

    /// Starts an extraction from the trainer's weights as they are; says why not otherwise.
    pub(super) fn extract(
        &mut self,
        trainer: &Trainer<B>,
        revision: u64,
        request: Request,
    ) -> Result<Applied, String> {
        if self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return Err("another module is being extracted: wait for it".into());
        }
        let snapshot = Snapshot::of(trainer, &request).map_err(|error| error.to_string())?;
        let change = Applied::Extracting(request.name.clone());
        let (dataset, device, events) = (self.dataset.clone(), self.device.clone(), self.events.clone());
        let body = move || {
            let step = snapshot.step;
            let extract = || snapshot.extract::<B>(&request, &dataset, &device);
            let extracted = catch_unwind(AssertUnwindSafe(extract));
            let event = match extracted.unwrap_or_else(|panic| Err(Error::of_panic(panic.as_ref()))) {
                Ok(module) => Event::Extracted { step, revision, module },
                Err(error) => Event::Refused { step, revision, why: error.to_string() },
            };
            // Without a listener the module is still on the disk.
            let _ = events.send(event);
        };
        let thread = std::thread::Builder::new().name("evaluator".into()).spawn(body);
        self.thread = Some(thread.map_err(|error| error.to_string())?);
        Ok(change)
    }
}

impl<B: Training> Drop for Evaluator<B> {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            // A module that is being extracted when training ends is finished first.
            let _ = thread.join();
        }
    }
}

impl Snapshot {
    fn of<B: Training>(trainer: &Trainer<B>, request: &Request) -> Result<Self, Error> {
        let method = &trainer.writer.run.manifest.preset.method;
        if request.wants_usage()? && !method.is_modular() {
            return Err(reuse::Error::NoMasks(method.name()).into());
        }
        Ok(Snapshot {
            run: trainer.writer.run.clone(),
            step: trainer.step,
            spec: trainer.spec().clone(),
            state: trainer.state()?,
            memory: trainer.method_state.clone(),
        })
    }

    fn extract<B: Training>(
        &self,
        request: &Request,
        dataset: &Dataset,
        device: &B::Device,
    ) -> Result<String, Error> {
        let watch = (!B::ON_HOST).then(Watch::new);
        let usage = match request.wants_usage()? {
            true => {
                let sites = self.run.manifest.preset.method.observes(&self.spec)?;
                let network = Network::<B::InnerBackend>::new(self.spec.clone(), &self.state, device)?;
                let network = network.observing(&sites);
                Some(count_usage(&self.run.manifest, &network, &self.memory, &dataset.train, device)?)
            }
            false => None,
        };
        let trained = Trained {
            manifest: &self.run.manifest,
            step: self.step,
            spec: &self.spec,
            state: &self.state,
            usage: usage.as_ref(),
            dataset,
        };
        let split = splitter(&request.provenance)?.split(&trained);
        let extracted = split.and_then(|split| trained.extract::<B>(&split, request, device));
        // A device that failed gives numbers that mean nothing.
        if let Some(fault) = watch.and_then(|watch| watch.seen()) {
            return Err(fault.into());
        }
        let mut module = extracted?;
        module.manifest.name = self.run.free_module_name(&request.name);
        self.run.save_module(&module)?;
        Ok(module.manifest.name)
    }
}
