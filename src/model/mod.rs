//! Plain values that rooms share. Strings from outside become these types at the edge, once.

mod class_name;
mod clock;
mod duration;
mod environment_key;
mod happening;
mod hostname;
mod nearest;
mod parameters;
mod pattern;
mod placeholders;
mod quantity;
mod record_target;
mod user_id;

pub mod reasons;

pub use class_name::{ClassName, InvalidClassName};
pub use clock::{Clock, between, earlier, later};
pub use duration::{parse_duration, shown_duration};
pub use environment_key::EnvironmentKey;
pub use happening::HappeningKind;
pub use hostname::{Hostname, InvalidHostname};
pub use nearest::{did_you_mean, nearest};
pub use parameters::{MAX_PARAMETER_CHARS, ParameterDeclaration, ParameterError, ParameterName, Parameters};
pub use pattern::{HostPattern, InvalidHostPattern};
pub use placeholders::{UnknownPlaceholder, substitute};
pub use quantity::{milli, shown_bytes, shown_cpu};
pub use record_target::RecordTarget;
pub use show::shown;
pub use user_id::{InvalidUserId, UserId};

mod show;
