//! The data sets that the program knows: addresses, lengths and checksums of their files, and terms of use.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Error;

/// A published data set, or the embedded one (which has no archives).
#[derive(Clone, Copy, Debug)]
pub struct Set<'a> {
    /// Its name: `cleave data fetch NAME`.
    pub name: &'a str,
    /// The folder of the cache that it lies in.
    pub directory: &'a str,
    /// What it holds.
    pub description: &'a str,
    /// The terms of use, in short.
    pub licence: &'a str,
    /// The page of its authors.
    pub homepage: &'a str,
    /// The files to download.
    pub archives: &'a [Archive<'a>],
}

/// A file to download.
#[derive(Clone, Copy, Debug)]
pub struct Archive<'a> {
    /// Its name in the cache and, after a slash, on a mirror.
    pub file: &'a str,
    /// Where it is published.
    pub url: &'a str,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its SHA-256, in lower-case hexadecimal.
    pub sha256: &'a str,
    /// What to unpack from it; empty for a file that is used as it is.
    pub members: &'a [Member<'a>],
}

/// A file inside an archive.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// Its path in the archive and below the set's folder.
    pub path: &'a str,
    /// Its length in bytes where that is known.
    pub bytes: Option<u64>,
}

/// A line of the catalog, for lists and JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// The set's name.
    pub name: &'static str,
    /// What it holds.
    pub description: &'static str,
    /// The terms of use, in short.
    pub licence: &'static str,
    /// The page of its authors.
    pub homepage: &'static str,
    /// Bytes to download; 0 for the embedded set.
    pub download_bytes: u64,
    /// Whether all its files exist with the right lengths. [`super::check`] also compares checksums.
    pub present: bool,
    /// Where its files are or will be; none for the embedded set.
    pub directory: Option<PathBuf>,
}

/// Every known set, and whether it is in `cache`.
pub fn catalog(cache: &Path) -> Vec<Entry> {
    let entry = |set: &'static Set<'static>| Entry {
        name: set.name,
        description: set.description,
        licence: set.licence,
        homepage: set.homepage,
        download_bytes: set.archives.iter().map(|archive| archive.bytes).sum(),
        present: set.is_present(cache),
        directory: (!set.archives.is_empty()).then(|| cache.join(set.directory)),
    };
    SETS.iter().map(entry).collect()
}

/// The set called `name`.
///
/// # Errors
///
/// [`Error::UnknownSet`], which lists the names that there are.
pub fn find_set(name: &str) -> Result<&'static Set<'static>, Error> {
    SETS.iter().find(|set| set.name == name).ok_or_else(|| Error::UnknownSet {
        name: name.to_string(),
        known: SETS.iter().map(|set| set.name).collect::<Vec<_>>().join(", "),
    })
}

impl Set<'_> {
    fn is_present(&self, cache: &Path) -> bool {
        let directory = cache.join(self.directory);
        self.archives.iter().flat_map(|archive| archive.files()).all(|(path, bytes, _)| {
            let length = directory.join(path).metadata().ok().filter(|metadata| metadata.is_file());
            length.is_some_and(|metadata| bytes.is_none_or(|bytes| metadata.len() == bytes))
        })
    }
}

impl<'a> Archive<'a> {
    /// The files that should be there once the archive is fetched: path, length and published SHA-256.
    pub(super) fn files(&self) -> Vec<(&'a str, Option<u64>, Option<&'a str>)> {
        if self.members.is_empty() {
            return vec![(self.file, Some(self.bytes), Some(self.sha256))];
        }
        self.members.iter().map(|member| (member.path, member.bytes, None)).collect()
    }
}

const fn file(url: &'static str, file: &'static str, bytes: u64, sha256: &'static str) -> Archive<'static> {
    Archive { file, url, bytes, sha256, members: &[] }
}

const fn member(path: &'static str, bytes: u64) -> Member<'static> {
    Member { path, bytes: Some(bytes) }
}

/// The embedded set and the published ones.
pub static SETS: &[Set<'static>] = &[
    Set {
        name: "digits",
        directory: "digits",
        description: "handwritten digits, 8x8 grey, 10 classes, 1,437 + 360 images; embedded in the program",
        licence: "CC BY 4.0",
        homepage: "https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits",
        archives: &[],
    },
    Set {
        name: "cifar10",
        directory: "cifar10",
        description: "photos of animals and vehicles, 32x32 RGB, 10 classes, 50,000 + 10,000 images",
        licence: "no licence stated; cite Krizhevsky 2009",
        homepage: "https://www.cs.toronto.edu/~kriz/cifar.html",
        archives: &[Archive {
            file: "cifar-10-binary.tar.gz",
            url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
            bytes: 170_052_171,
            sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            members: &[
                member("cifar-10-batches-bin/batches.meta.txt", 61),
                member("cifar-10-batches-bin/data_batch_1.bin", 30_730_000),
                member("cifar-10-batches-bin/data_batch_2.bin", 30_730_000),
                member("cifar-10-batches-bin/data_batch_3.bin", 30_730_000),
                member("cifar-10-batches-bin/data_batch_4.bin", 30_730_000),
                member("cifar-10-batches-bin/data_batch_5.bin", 30_730_000),
                member("cifar-10-batches-bin/test_batch.bin", 30_730_000),
            ],
        }],
    },
    Set {
        name: "cifar100",
        directory: "cifar100",
        description: "photos of things, plants and animals, 32x32 RGB, 100 classes, 50,000 + 10,000 images",
        licence: "no licence stated; cite Krizhevsky 2009",
        homepage: "https://www.cs.toronto.edu/~kriz/cifar.html",
        archives: &[Archive {
            file: "cifar-100-binary.tar.gz",
            url: "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
            bytes: 168_513_733,
            sha256: "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
            members: &[
                Member { path: "cifar-100-binary/fine_label_names.txt", bytes: None },
                member("cifar-100-binary/train.bin", 153_700_000),
                member("cifar-100-binary/test.bin", 30_740_000),
            ],
        }],
    },
    Set {
        name: "svhn",
        directory: "svhn",
        description: "house numbers on photos, 32x32 RGB, 10 classes, 73,257 + 26,032 images",
        licence: "non-commercial use; cite Netzer et al. 2011",
        homepage: "http://ufldl.stanford.edu/housenumbers/",
        archives: &[
            file(
                "http://ufldl.stanford.edu/housenumbers/train_32x32.mat",
                "train_32x32.mat",
                182_040_794,
                "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
            ),
            file(
                "http://ufldl.stanford.edu/housenumbers/test_32x32.mat",
                "test_32x32.mat",
                64_275_384,
                "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",
            ),
        ],
    },
    Set {
        name: "svhn-extra",
        directory: "svhn",
        description: "531,131 further, easier training images of svhn (data.extra = true)",
        licence: "non-commercial use; cite Netzer et al. 2011",
        homepage: "http://ufldl.stanford.edu/housenumbers/",
        archives: &[file(
            "http://ufldl.stanford.edu/housenumbers/extra_32x32.mat",
            "extra_32x32.mat",
            1_329_278_602,
            "a133a4beb38a00fcdda90c9489e0c04f900b660ce8a316a5e854838379a71eb3",
        )],
    },
    Set {
        name: "mnist",
        directory: "mnist",
        description: "handwritten digits, 28x28 grey, 10 classes, 60,000 + 10,000 images",
        licence: "CC BY-SA 3.0",
        homepage: "http://yann.lecun.com/exdb/mnist/",
        archives: &[
            file(
                "https://ossci-datasets.s3.amazonaws.com/mnist/train-images-idx3-ubyte.gz",
                "train-images-idx3-ubyte.gz",
                9_912_422,
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            ),
            file(
                "https://ossci-datasets.s3.amazonaws.com/mnist/train-labels-idx1-ubyte.gz",
                "train-labels-idx1-ubyte.gz",
                28_881,
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            ),
            file(
                "https://ossci-datasets.s3.amazonaws.com/mnist/t10k-images-idx3-ubyte.gz",
                "t10k-images-idx3-ubyte.gz",
                1_648_877,
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            ),
            file(
                "https://ossci-datasets.s3.amazonaws.com/mnist/t10k-labels-idx1-ubyte.gz",
                "t10k-labels-idx1-ubyte.gz",
                4_542,
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            ),
        ],
    },
    Set {
        name: "fashion-mnist",
        directory: "fashion-mnist",
        description: "pictures of clothes, 28x28 grey, 10 classes, 60,000 + 10,000 images",
        licence: "MIT",
        homepage: "https://github.com/zalandoresearch/fashion-mnist",
        archives: &[
            file(
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/train-images-idx3-ubyte.gz",
                "train-images-idx3-ubyte.gz",
                26_421_880,
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            ),
            file(
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/train-labels-idx1-ubyte.gz",
                "train-labels-idx1-ubyte.gz",
                29_515,
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            ),
            file(
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/t10k-images-idx3-ubyte.gz",
                "t10k-images-idx3-ubyte.gz",
                4_422_102,
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            ),
            file(
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/t10k-labels-idx1-ubyte.gz",
                "t10k-labels-idx1-ubyte.gz",
                5_148,
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            ),
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_well_formed() {
        for archive in SETS.iter().flat_map(|set| set.archives) {
            assert!(archive.url.ends_with(archive.file), "{}", archive.url);
            assert!(archive.sha256.len() == 64 && archive.sha256.bytes().all(|c| c.is_ascii_hexdigit()));
            assert_eq!(archive.sha256, archive.sha256.to_lowercase());
        }
    }

    #[test]
    fn an_unknown_set_is_answered_with_the_known_ones() {
        let message = find_set("cifar11").unwrap_err().to_string();
        assert!(message.contains("\"cifar11\"") && message.contains("cifar10, cifar100"), "{message}");
        assert_eq!(find_set("svhn").unwrap().archives.len(), 2);
    }

    #[test]
    fn an_empty_cache_has_the_embedded_set_alone() {
        let present: Vec<&str> =
            catalog(Path::new("/nonexistent")).iter().filter(|e| e.present).map(|e| e.name).collect();
        assert_eq!(present, ["digits"]);
    }
}
