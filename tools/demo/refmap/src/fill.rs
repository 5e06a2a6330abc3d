// SPDX-License-Identifier: GPL-2.0

/// How fresh memory gets its first content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// Not at all: zeros, as the kernel gives them.
    None,
    /// By a `memset()` of all of it.
    Memset,
    /// By the kernel, page by page at the first store: `MAP_REFPAGE`.
    Refpage,
}

impl Fill {
    /// Every way, in the order of the tables.
    pub const ALL: [Fill; 3] = [Fill::Memset, Fill::None, Fill::Refpage];

    /// Returns the name by which users choose this way.
    pub const fn name(self) -> &'static str {
        match self {
            Fill::None => "none",
            Fill::Memset => "memset",
            Fill::Refpage => "refpage",
        }
    }

    /// Returns the way of that name.
    pub fn from_name(name: &[u8]) -> Option<Fill> {
        Self::ALL.into_iter().find(|f| f.name().as_bytes() == name)
    }

    /// Tells whether fresh memory holds the pattern.
    pub const fn has_pattern(self) -> bool {
        !matches!(self, Fill::None)
    }
}

#[cfg(test)]
mod tests {
    use super::Fill;

    #[test]
    fn each_name_names_its_way() {
        for fill in Fill::ALL {
            assert_eq!(Fill::from_name(fill.name().as_bytes()), Some(fill));
        }
    }

    #[test]
    fn other_names_are_refused() {
        for name in ["", "Refpage", "memset ", "zero"] {
            assert_eq!(Fill::from_name(name.as_bytes()), None, "{name:?}");
        }
    }

    #[test]
    fn only_plain_memory_lacks_the_pattern() {
        assert!(!Fill::None.has_pattern());
        assert!(Fill::Memset.has_pattern());
        assert!(Fill::Refpage.has_pattern());
    }
}
