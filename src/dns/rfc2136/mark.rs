//! Owner marks: a TXT record below the name of each record set of ours.

use crate::dns::{Kind, Owner, ProviderError, RecordName};
use hickory_proto::rr::Name;
use hickory_proto::rr::rdata::TXT;

const HERITAGE: &str = "heritage=doorstep,owner=";

/// Where the mark of a set stands: `_doorstep-a.frontx.int.example.com`. Below the name and not at it, as nothing may stand
/// beside a CNAME; a wildcard's own label is replaced, as it means nothing inside of a name.
pub(super) fn mark_name(name: &RecordName, kind: Kind) -> Result<Name, ProviderError> {
    let kind = match kind {
        Kind::A => "a",
        Kind::Aaaa => "aaaa",
        Kind::Cname => "cname",
    };
    let wildcard = if name.is_wildcard() { "_wildcard." } else { "" };
    let text = format!("_doorstep-{kind}.{wildcard}{}.", name.base());
    Name::from_ascii(&text).map_err(|_| {
        ProviderError::Refused(format!("{name} is too long: there is no room for its owner mark {text} in a DNS name"))
    })
}

/// The set whose mark stands at `name`, if it is a mark's name.
pub(super) fn marked(name: &Name) -> Option<(RecordName, Kind)> {
    let text = name.to_lowercase().to_ascii();
    let (label, rest) = text.trim_end_matches('.').split_once('.')?;
    let kind = match label.strip_prefix("_doorstep-")? {
        "a" => Kind::A,
        "aaaa" => Kind::Aaaa,
        "cname" => Kind::Cname,
        _ => return None,
    };
    let name = match rest.strip_prefix("_wildcard.") {
        Some(base) => RecordName::wildcard(base.parse().ok()?),
        None => rest.parse().ok()?,
    };
    Some((name, kind))
}

/// The mark of `owner`.
pub(super) fn mark(owner: &Owner) -> TXT {
    TXT::new(vec![format!("{HERITAGE}{owner}")])
}

/// Whose mark it is.
pub(super) fn owner_of(mark: &TXT) -> Option<Owner> {
    let [text] = &*mark.txt_data else { return None };
    std::str::from_utf8(text).ok()?.strip_prefix(HERITAGE)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_found_from_its_record_and_back() {
        for name in ["frontx.int.example.com", "*.int.example.com", "example.com"] {
            for kind in Kind::ALL {
                let name: RecordName = name.parse().unwrap();
                let place = mark_name(&name, kind).unwrap();
                assert_eq!(marked(&place), Some((name, kind)));
            }
        }
        for other in ["_doorstep-mx.a.b.", "a.b.", "_doorstep-a.", "x_doorstep-a.a.b.", "_doorstep-a._x.b."] {
            assert_eq!(marked(&Name::from_ascii(other).unwrap()), None, "{other}");
        }
    }

    #[test]
    fn a_name_without_room_for_its_mark_is_told() {
        let long = format!("{0}.{0}.{0}.{1}", "a".repeat(60), "b".repeat(57));
        let said = mark_name(&long.parse().unwrap(), Kind::Cname).unwrap_err().to_string();
        assert!(said.contains("is too long"), "{said}");
    }

    #[test]
    fn only_a_whole_mark_names_its_owner() {
        let owner: Owner = "team".parse().unwrap();
        assert_eq!(owner_of(&mark(&owner)), Some(owner));
        for other in [vec!["heritage=external-dns,owner=team"], vec!["heritage=doorstep,owner=team", "x"], vec![]] {
            assert_eq!(owner_of(&TXT::new(other.into_iter().map(str::to_owned).collect())), None);
        }
    }
}
