//! Plain values that rooms share. Strings from outside become these types at the edge, once.

mod class_name;
mod duration;
mod environment_key;
mod hostname;
mod nearest;
mod parameters;
mod pattern;
mod placeholders;
mod record_target;
mod user_id;

pub use class_name::{ClassName, InvalidClassName};
pub use duration::parse_duration;
pub use environment_key::EnvironmentKey;
pub use hostname::{Hostname, InvalidHostname};
pub use nearest::{did_you_mean, nearest};
pub use parameters::{MAX_PARAMETER_CHARS, ParameterDeclaration, ParameterError, ParameterName, Parameters};
pub use pattern::{HostPattern, InvalidHostPattern};
pub use placeholders::{UnknownPlaceholder, substitute};
pub use record_target::RecordTarget;
pub use show::shown;
pub use user_id::{InvalidUserId, UserId};

mod show;
