//! Where a record leads to: addresses, or another name.

use super::{Hostname, shown};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Where a record leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordTarget {
    /// These addresses, at least one.
    Addresses(BTreeSet<IpAddr>),
    /// Another name.
    Name(Hostname),
}

impl RecordTarget {
    /// Reads addresses, or one name.
    pub fn parse<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<Self, String> {
        let (mut addresses, mut names) = (BTreeSet::new(), Vec::new());
        for text in texts {
            if let Ok(address) = text.parse::<IpAddr>() {
                if address.is_unspecified() || address.is_multicast() {
                    return Err(format!("{address} is not an address that anybody can be sent to"));
                }
                addresses.insert(address);
            } else {
                let name = text
                    .parse::<Hostname>()
                    .map_err(|_| format!("{} is neither an address nor a name", shown(text)))?;
                // What looks like an address and is none would be taken for a name.
                let last = name.as_str().rsplit('.').next().unwrap_or_default();
                if last.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(format!("{} is neither an address nor a name", shown(text)));
                }
                names.push(name);
            }
        }
        match (addresses.is_empty(), names.as_slice()) {
            (false, []) => Ok(Self::Addresses(addresses)),
            (true, [name]) => Ok(Self::Name(name.clone())),
            (true, []) => Err("it leads nowhere; give addresses, or one name".to_owned()),
            _ => Err("a record leads to addresses or to one name, not to both and not to several names".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::RecordTarget;

    #[test]
    fn a_target_is_addresses_or_one_name() {
        assert!(matches!(RecordTarget::parse(["10.0.0.1", "fd00::1"]), Ok(RecordTarget::Addresses(a)) if a.len() == 2));
        assert!(
            matches!(RecordTarget::parse(["Gateway.example.com."]), Ok(RecordTarget::Name(n)) if n.as_str() == "gateway.example.com")
        );
        for bad in [
            vec![],
            vec!["a", "b"],
            vec!["a", "10.0.0.1"],
            vec!["10.0.0"],
            vec!["0.0.0.0"],
            vec!["224.0.0.1"],
            vec!["a b"],
        ] {
            assert!(RecordTarget::parse(bad.clone()).is_err(), "{bad:?}");
        }
    }
}
