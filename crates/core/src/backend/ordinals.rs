//! Numbers of devices.

use std::fmt;
use std::str::FromStr;

/// A set of device numbers below 64 that is never empty, ascending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ordinals(u64);

impl Ordinals {
    /// The first device alone.
    pub const FIRST: Ordinals = Ordinals(1);

    /// The numbers.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..64).filter(move |&number| self.0 >> number & 1 == 1)
    }
}

/// Text that names no devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoOrdinals;

impl FromStr for Ordinals {
    type Err = NoOrdinals;

    /// From `0` or `0,2,3`. Each number may come once.
    fn from_str(text: &str) -> Result<Self, NoOrdinals> {
        let mut bits = 0;
        for number in text.split(',') {
            let number: u32 = number.parse().map_err(|_| NoOrdinals)?;
            let bit = 1u64.checked_shl(number).ok_or(NoOrdinals)?;
            if bits & bit != 0 {
                return Err(NoOrdinals);
            }
            bits |= bit;
        }
        Ok(Ordinals(bits))
    }
}

impl fmt::Display for Ordinals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<String> = self.iter().map(|number| number.to_string()).collect();
        f.pad(&numbers.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_in_order() {
        let ordinals: Ordinals = "3,0,63".parse().unwrap();
        assert_eq!(ordinals.iter().collect::<Vec<_>>(), [0, 3, 63]);
        assert_eq!(ordinals.to_string(), "0,3,63");
    }
}
