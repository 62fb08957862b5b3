//! The services of Azure that are called.

/// The services that are called, each with its own api-version and budgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Private DNS zones, `Microsoft.Network/privateDnsZones`.
    PrivateDns,
    /// Public DNS zones, `Microsoft.Network/dnsZones`.
    PublicDns,
}

impl Service {
    /// For metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PrivateDns => "private-dns",
            Self::PublicDns => "public-dns",
        }
    }
}
