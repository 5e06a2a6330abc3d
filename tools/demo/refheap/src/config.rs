// SPDX-License-Identifier: GPL-2.0

use core::ffi::CStr;
use core::fmt;

use refmap::Fill;

/// What the environment asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// `REFHEAP_MODE`: none, memset or refpage.
    pub fill: Fill,
    /// `REFHEAP_PATTERN`: the byte that fresh memory holds.
    pub pattern: u8,
    /// `REFHEAP_GRANULARITY`: the step in bytes by which the heap of small blocks grows.
    pub granularity: usize,
    /// `REFHEAP_CHECK`: whether to read all fresh memory and count the pattern in it.
    pub check: bool,
}

/// A value that makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigError {
    Mode,
    Pattern,
    Granularity,
    Check,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mode => "REFHEAP_MODE: set it to none, memset or refpage",
            Self::Pattern => "REFHEAP_PATTERN: set it to a byte, 0 to 255 or 0x00 to 0xff",
            Self::Granularity => "REFHEAP_GRANULARITY: set it to a power of two, 65536 to 1073741824",
            Self::Check => "REFHEAP_CHECK: set it to 0 or 1",
        })
    }
}

impl Config {
    const DEFAULT: Self = Self { fill: Fill::None, pattern: 0xaa, granularity: 16 << 20, check: false };

    /// Reads the settings through `variable`, which returns the value of an environment variable.
    pub fn read<'a>(variable: impl Fn(&CStr) -> Option<&'a [u8]>) -> Result<Self, ConfigError> {
        let mut config = Self::DEFAULT;
        if let Some(name) = variable(c"REFHEAP_MODE") {
            config.fill = Fill::from_name(name).ok_or(ConfigError::Mode)?;
        }
        if let Some(text) = variable(c"REFHEAP_PATTERN") {
            let byte = number(text).and_then(|n| u8::try_from(n).ok());
            config.pattern = byte.ok_or(ConfigError::Pattern)?;
        }
        if let Some(text) = variable(c"REFHEAP_GRANULARITY") {
            let step = number(text).filter(|n| n.is_power_of_two() && (1 << 16..=1 << 30).contains(n));
            config.granularity = step.ok_or(ConfigError::Granularity)?;
        }
        if let Some(text) = variable(c"REFHEAP_CHECK") {
            config.check = match text {
                b"0" => false,
                b"1" => true,
                _ => return Err(ConfigError::Check),
            };
        }
        Ok(config)
    }
}

fn number(text: &[u8]) -> Option<usize> {
    let text = core::str::from_utf8(text).ok()?;
    match text.strip_prefix("0x") {
        Some(digits) => usize::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&CStr, &'static str)]) -> Result<Config, ConfigError> {
        Config::read(|name| variables.iter().find(|v| v.0 == name).map(|v| v.1.as_bytes()))
    }

    #[test]
    fn nothing_set_is_a_plain_heap() {
        assert_eq!(read(&[]), Ok(Config::DEFAULT));
        assert_eq!(Config::DEFAULT.fill, Fill::None);
    }

    #[test]
    fn every_variable_counts() {
        let config = read(&[
            (c"REFHEAP_MODE", "refpage"),
            (c"REFHEAP_PATTERN", "0x5c"),
            (c"REFHEAP_GRANULARITY", "65536"),
            (c"REFHEAP_CHECK", "1"),
        ]);
        let expected = Config { fill: Fill::Refpage, pattern: 0x5c, granularity: 65536, check: true };
        assert_eq!(config, Ok(expected));
    }

    #[test]
    fn nonsense_is_refused() {
        for (name, value, error) in [
            (c"REFHEAP_MODE", "", ConfigError::Mode),
            (c"REFHEAP_MODE", "refpages", ConfigError::Mode),
            (c"REFHEAP_PATTERN", "256", ConfigError::Pattern),
            (c"REFHEAP_PATTERN", "aa", ConfigError::Pattern),
            (c"REFHEAP_GRANULARITY", "100000", ConfigError::Granularity),
            (c"REFHEAP_GRANULARITY", "4096", ConfigError::Granularity),
            (c"REFHEAP_GRANULARITY", "0x80000000", ConfigError::Granularity),
            (c"REFHEAP_CHECK", "yes", ConfigError::Check),
        ] {
            assert_eq!(read(&[(name, value)]), Err(error), "{value:?}");
        }
    }
}
