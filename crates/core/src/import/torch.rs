//! A PyTorch checkpoint, as `torch.save` of 1.6 and later writes it, as named arrays: a ZIP archive of a pickle
//! that describes tensors, and a file for each storage they lie in.

use std::collections::{BTreeMap, HashMap};

use super::error::Error;
use super::pickle::{Id, Node, Pickle, Tensor};
use super::{archive, is_counter, pickle};
use crate::spec::Array;

/// The arrays of a checkpoint: of the `state_dict` that it is, or of the one `state_dict` that it holds beside
/// other things, such as the epoch.
pub(super) fn read(bytes: &[u8]) -> Result<BTreeMap<String, Array>, Error> {
    let files = archive::files(bytes)?;
    let folder =
        files.keys().find_map(|name| name.strip_suffix("data.pkl").filter(|folder| is_folder(folder)));
    let folder = folder.ok_or_else(|| Error::Archive("it holds no data.pkl".into()))?;
    if files.contains_key(format!("{folder}constants.pkl").as_str()) {
        return Err(Error::Code("a TorchScript program".into()));
    }
    if files.get(format!("{folder}byteorder").as_str()).is_some_and(|order| *order != b"little") {
        return Err(Error::Archive("its numbers have their bytes in big-endian order".into()));
    }
    let pickle = pickle::read(files[format!("{folder}data.pkl").as_str()])?;
    let tensors = tensors(&pickle)?;
    // Any number of names may share one storage, and each becomes an array of its own.
    let values =
        tensors.iter().map(|(_, tensor)| tensor.shape.iter().fold(1, |n: usize, m| n.saturating_mul(*m)));
    let values = values.fold(0, usize::saturating_add);
    if values > bytes.len() {
        return Err(Error::Archive(format!(
            "its arrays hold {values} numbers together, more than a file of {} bytes can need",
            bytes.len()
        )));
    }
    let mut arrays = BTreeMap::new();
    for (name, tensor) in tensors {
        let file = files.get(format!("{folder}data/{}", tensor.storage.key).as_str());
        let file = file.ok_or_else(|| Error::Archive(format!("the numbers of `{name}` are missing")))?;
        arrays.insert(name.to_owned(), array(name, tensor, file)?);
    }
    Ok(arrays)
}

fn is_folder(path: &str) -> bool {
    path.ends_with('/') && path.matches('/').count() == 1
}

/// The tensors of the dictionary of weights, which the pickle is or holds.
fn tensors(pickle: &Pickle) -> Result<Vec<(&str, &Tensor)>, Error> {
    let Node::Dict(top) = &pickle.nodes[pickle.root] else {
        return Err(Error::Content("the checkpoint is no dictionary of weights".into()));
    };
    let own: Vec<_> = named(pickle, top).collect();
    if !own.is_empty() {
        return Ok(own);
    }
    let inner = top.iter().filter_map(|&(key, value)| match (&pickle.nodes[key], &pickle.nodes[value]) {
        (Node::Text(key), Node::Dict(dict)) => Some((&**key, value, dict)),
        _ => None,
    });
    // Many keys may name one dictionary, which is searched once.
    let mut searched = HashMap::new();
    let mut holds = |id: Id, dict: &[(Id, Id)]| {
        *searched.entry(id).or_insert_with(|| named(pickle, dict).next().is_some())
    };
    let inner: Vec<_> = inner.filter(|(_, id, dict)| holds(*id, dict)).collect();
    match inner.as_slice() {
        [(_, _, dict)] => Ok(named(pickle, dict).collect()),
        [] => Err(Error::Content("the checkpoint holds no weights".into())),
        _ => {
            let names: Vec<&str> = inner.iter().map(|(key, ..)| *key).collect();
            Err(Error::Content(format!(
                "the checkpoint holds several sets of weights ({}); save one of them alone",
                names.join(", ")
            )))
        }
    }
}

fn named<'a>(pickle: &'a Pickle, dict: &'a [(Id, Id)]) -> impl Iterator<Item = (&'a str, &'a Tensor)> {
    let entries = dict.iter().map(|&(key, value)| (&pickle.nodes[key], &pickle.nodes[value]));
    let tensors = entries.filter_map(|entry| match entry {
        (Node::Text(name), Node::Tensor(tensor)) => Some((&**name, tensor)),
        _ => None,
    });
    tensors.filter(|(name, _)| !is_counter(name))
}

fn array(name: &str, tensor: &Tensor, file: &[u8]) -> Result<Array, Error> {
    let Tensor { storage, offset, shape, strides } = tensor;
    let element = storage.element.clone().map_err(|dtype| Error::Dtype { name: name.into(), dtype })?;
    let damaged = || Error::Archive(format!("the shape of `{name}` does not fit its numbers"));
    if storage.length.checked_mul(element.size()) != Some(file.len()) || shape.len() != strides.len() {
        return Err(damaged());
    }
    let count =
        shape.iter().try_fold(1usize, |count, &length| count.checked_mul(length)).ok_or_else(damaged)?;
    let reach = shape.iter().zip(strides).try_fold(*offset, |reach, (&length, &stride)| {
        reach.checked_add(length.saturating_sub(1).checked_mul(stride)?)
    });
    // A view that repeats numbers could be far larger than the file.
    let fits = count <= storage.length && reach.is_some_and(|last| last < storage.length);
    if count > 0 && !fits {
        return Err(damaged());
    }
    if count == 0 {
        return Ok(Array { shape: shape.clone(), values: Vec::new() });
    }
    let mut places = vec![*offset];
    for (&length, &stride) in shape.iter().zip(strides) {
        places = places.iter().flat_map(|&place| (0..length).map(move |i| place + i * stride)).collect();
    }
    let size = element.size();
    let values = places.iter().map(|&place| element.value(&file[place * size..(place + 1) * size])).collect();
    Ok(Array { shape: shape.clone(), values })
}

#[cfg(test)]
mod tests {
    use super::super::archive::tests::archive;
    use super::*;

    /// A checkpoint of a thousand numbers under so many names.
    fn tied(names: usize) -> Vec<u8> {
        let text = |text: &str| [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat();
        let mut pickle = b"\x80\x02}(".to_vec();
        for name in 0..names {
            pickle.extend(text(&format!("n{name}")));
            match name {
                0 => {
                    pickle.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
                    pickle.extend(text("storage"));
                    pickle.extend(b"ctorch\nFloatStorage\n");
                    pickle.extend([text("0"), text("cpu")].concat());
                    pickle.extend(b"M\xe8\x03tQK\x00M\xe8\x03\x85K\x01\x85tRq\x00");
                }
                _ => pickle.extend(b"h\x00"),
            }
        }
        pickle.extend(b"u.");
        archive(&[("a/data.pkl", &pickle, None), ("a/data/0", &[0; 4000], None)])
    }

    #[test]
    fn weights_that_are_tied_are_read_and_a_small_file_of_many_names_is_refused() {
        assert_eq!(read(&tied(2)).unwrap().len(), 2);
        let error = read(&tied(20)).unwrap_err().to_string();
        assert!(error.contains("20000 numbers"), "{error}");
    }

    #[test]
    fn files_that_lie_over_each_other_are_refused() {
        let bytes = archive(&[("a/data.pkl", &[0; 4000], None), ("a/more", &[0; 4000], Some(0))]);
        let error = read(&bytes).unwrap_err().to_string();
        assert!(error.contains("together are longer"), "{error}");
    }
}
