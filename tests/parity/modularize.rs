use crate::compare::Report;
use crate::fixture::Fixture;
use burn::tensor::backend::AutodiffBackend;
pub fn check<B: AutodiffBackend>(_f: &Fixture, _d: &B::Device, _r: &mut Report) {}
