//! Files from outside: read, checked, every error at once with its place.

mod classes;
mod dns;
mod errors;
mod fields;
mod identity;
mod prices;
mod routes;
mod schema;

pub use classes::read_classes;
pub use dns::read_dns;
pub use errors::{ConfigError, ConfigErrors};
pub use identity::read_identity;
pub use prices::{Price, Prices, read_prices};
pub use routes::read_routes;

use std::io::Read;
use std::path::Path;

/// The most bytes of a file that is read.
pub const MAX_BYTES: u64 = 4 << 20;

/// Reads a whole text file, if it is not larger than 4 MiB.
pub fn read_file(path: &Path) -> Result<String, ConfigErrors> {
    let refuse = |said: String| ConfigErrors::one(&path.display().to_string(), "", said);
    let file = std::fs::File::open(path).map_err(|error| refuse(format!("it cannot be read: {error}")))?;
    let mut text = String::new();
    let read = file.take(MAX_BYTES + 1).read_to_string(&mut text);
    let bytes = read.map_err(|error| refuse(format!("it cannot be read: {error}")))?;
    if bytes as u64 > MAX_BYTES {
        return Err(refuse(format!("it has more than {MAX_BYTES} bytes")));
    }
    Ok(text)
}

/// One YAML document as plain data. Aliases are bounded by the parser, and a name that stands twice is an error.
fn parse_yaml(text: &str, file: &str) -> Result<serde_json::Value, ConfigErrors> {
    serde_saphyr::from_str(text).map_err(|error| {
        let said = error.to_string();
        // The first line holds what and where; the lines after it draw the place.
        ConfigErrors::one(file, "", format!("it is no valid YAML: {}", said.lines().next().unwrap_or_default()))
    })
}
