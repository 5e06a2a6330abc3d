// SPDX-License-Identifier: GPL-2.0

/// A page fault of the workload that measures one at a time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// The first access is a load.
    FirstLoad,
    /// The first access is a store, which gets a page.
    FirstStore,
    /// A store to a page that was loaded from before.
    StoreAfterLoad,
    /// The first access is a store, which gets a folio of 16 KiB.
    FirstStore16K,
    /// A folio of 64 KiB.
    FirstStore64K,
    /// A folio of 2 MiB.
    FirstStore2M,
}

impl Fault {
    /// All of them, in the order of tables and charts.
    pub const ALL: [Self; 6] = [
        Self::FirstLoad,
        Self::FirstStore,
        Self::StoreAfterLoad,
        Self::FirstStore16K,
        Self::FirstStore64K,
        Self::FirstStore2M,
    ];

    /// The name of its case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FirstLoad => "first load",
            Self::FirstStore => "first store",
            Self::StoreAfterLoad => "store after load",
            Self::FirstStore16K => "first store, 16 KiB",
            Self::FirstStore64K => "first store, 64 KiB",
            Self::FirstStore2M => "first store, 2 MiB",
        }
    }
}
