//! Why a request was not answered by its backend (RFC 9209, section 2.3, names the types).

use crate::model::EnvironmentKey;
use http::StatusCode;

/// A request that the gateway answers itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No rule takes the request yet: the first complete route table is not there.
    GatewayStarting,
    /// Nobody has the host.
    NoRoute,
    /// The host is known, but none of its rules takes the request.
    NoRule,
    /// The host is a person's by its class, but the environment does not exist.
    NoEnvironment {
        /// Which one it would be.
        key: EnvironmentKey,
    },
    /// The environment exists and is not ready.
    NotReady {
        /// Which one.
        key: EnvironmentKey,
        /// The reason of its `Ready` condition.
        reason: Box<str>,
        /// The message of its `Ready` condition.
        message: Box<str>,
    },
    /// The environment sleeps: nothing of it runs, everything is kept.
    Asleep {
        /// Which one.
        key: EnvironmentKey,
        /// Since when and why, in a sentence.
        message: Box<str>,
        /// Whether this request wakes it.
        wakes: bool,
    },
    /// The environment's lifetime has ended, and it is gone.
    Expired {
        /// Which one it was.
        key: EnvironmentKey,
        /// When (RFC 3339).
        at: Box<str>,
        /// Why, in a sentence.
        message: Box<str>,
    },
    /// The rule leads to no endpoint that may get requests.
    NoEndpoint,
    /// Every endpoint has as many requests as it may have, and too many wait for room already.
    Overloaded,
    /// The rule leads to a Service, or a port of one, that is not there.
    BackendNotFound,
    /// The endpoint took no connection.
    ConnectRefused,
    /// The endpoint did not answer the connection in time.
    ConnectTimeout,
    /// The gateway has no descriptor or port left for a connection.
    ConnectExhausted,
    /// The endpoint's address is one where no pod may be.
    ForbiddenAddress,
    /// The response's head did not come in time.
    ResponseHeadTimeout,
    /// The connection broke before a response.
    UpstreamReset {
        /// Whether something of the request was sent.
        sent: bool,
    },
    /// The response is not HTTP, or breaks its rules.
    UpstreamProtocol,
    /// The request breaks a rule.
    BadRequest(BadRequest),
    /// CONNECT: this is no forward proxy.
    Connect,
    /// The host is not the one of the TLS connection (RFC 9110, section 15.5.20).
    Misdirected,
    /// A filter of the rule lets it not pass.
    Denied {
        /// What the filter says.
        status: StatusCode,
        /// Why, in a sentence.
        reason: Box<str>,
    },
    /// The head is larger than allowed. Told by hyper; here for the access log.
    HeadTooLarge,
    /// The target is longer than allowed. Told by hyper; here for the access log.
    TargetTooLong,
    /// The head did not come in time.
    HeadTimeout,
    /// Nothing of the request's content came for too long.
    ContentTimeout,
}

/// What is wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadRequest {
    /// The head cannot be parsed. Told by hyper; here for the access log.
    Malformed,
    /// No Host field.
    HostMissing,
    /// Several Host fields.
    HostRepeated,
    /// No host name.
    HostInvalid,
    /// The target's authority is not the Host.
    HostDiffers,
    /// The target is neither a path nor an absolute http URL.
    Target,
    /// The path has dot segments.
    DotSegments,
    /// Both Content-Length and Transfer-Encoding.
    TwoLengths,
    /// A transfer coding other than exactly `chunked`.
    TransferCoding,
    /// Upgrade without `Connection: upgrade`.
    StrayUpgrade,
    /// An underscore in a field's name.
    Underscore,
    /// A Content-Length that is no plain decimal number: some readers take a leading zero for another base.
    Length,
    /// The content breaks the rules of its framing.
    Content,
    /// Plain HTTP, on a port for TLS.
    PlainToTls,
}

/// Whether a failed attempt may be made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Nothing was sent: any request, elsewhere.
    Unsent,
    /// Something was sent: a request that may be repeated.
    IfRepeatable,
    /// No.
    Never,
}

impl Refusal {
    /// The status of the response.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NoRoute | Self::NoRule | Self::NoEnvironment { .. } => StatusCode::NOT_FOUND,
            Self::Expired { .. } => StatusCode::GONE,
            Self::GatewayStarting
            | Self::NotReady { .. }
            | Self::Asleep { .. }
            | Self::NoEndpoint
            | Self::Overloaded
            | Self::BackendNotFound
            | Self::ConnectExhausted => StatusCode::SERVICE_UNAVAILABLE,
            Self::ConnectRefused | Self::ForbiddenAddress | Self::UpstreamReset { .. } | Self::UpstreamProtocol => {
                StatusCode::BAD_GATEWAY
            }
            Self::ConnectTimeout | Self::ResponseHeadTimeout => StatusCode::GATEWAY_TIMEOUT,
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Connect => StatusCode::NOT_IMPLEMENTED,
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::Denied { status, .. } => *status,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::HeadTimeout | Self::ContentTimeout => StatusCode::REQUEST_TIMEOUT,
        }
    }

    /// The error type of RFC 9209, section 2.3.
    pub fn proxy_status(&self) -> &'static str {
        match self {
            Self::NoRoute | Self::NoRule | Self::NoEnvironment { .. } | Self::Expired { .. } => "destination_not_found",
            Self::GatewayStarting
            | Self::NotReady { .. }
            | Self::Asleep { .. }
            | Self::NoEndpoint
            | Self::BackendNotFound => "destination_unavailable",
            Self::Overloaded => "connection_limit_reached",
            Self::ConnectRefused => "connection_refused",
            Self::ForbiddenAddress => "destination_ip_prohibited",
            Self::ConnectTimeout => "connection_timeout",
            Self::ConnectExhausted => "proxy_internal_error",
            Self::ResponseHeadTimeout => "http_response_timeout",
            Self::UpstreamReset { .. } => "connection_terminated",
            Self::UpstreamProtocol => "http_protocol_error",
            Self::Misdirected | Self::Denied { .. } => "http_request_denied",
            Self::BadRequest(_)
            | Self::Connect
            | Self::HeadTooLarge
            | Self::TargetTooLong
            | Self::HeadTimeout
            | Self::ContentTimeout => "http_request_error",
        }
    }

    /// The code for programs: in problems, logs and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::GatewayStarting => "GatewayStarting",
            Self::NoRoute => "NoRoute",
            Self::NoRule => "NoRule",
            Self::NoEnvironment { .. } => "NoEnvironment",
            Self::NotReady { .. } => "NotReady",
            Self::Asleep { .. } => "Asleep",
            Self::Expired { .. } => "Expired",
            Self::NoEndpoint => "NoEndpoint",
            Self::Overloaded => "Overloaded",
            Self::BackendNotFound => "BackendNotFound",
            Self::ConnectRefused => "ConnectRefused",
            Self::ConnectTimeout => "ConnectTimeout",
            Self::ConnectExhausted => "ConnectExhausted",
            Self::ForbiddenAddress => "ForbiddenAddress",
            Self::ResponseHeadTimeout => "ResponseHeadTimeout",
            Self::UpstreamReset { .. } => "UpstreamReset",
            Self::UpstreamProtocol => "UpstreamProtocol",
            Self::BadRequest(_) => "BadRequest",
            Self::Connect => "Connect",
            Self::Misdirected => "Misdirected",
            Self::Denied { .. } => "Denied",
            Self::HeadTooLarge => "HeadTooLarge",
            Self::TargetTooLong => "TargetTooLong",
            Self::HeadTimeout => "HeadTimeout",
            Self::ContentTimeout => "ContentTimeout",
        }
    }

    /// A few words for a heading.
    pub fn title(&self) -> &'static str {
        match self {
            Self::GatewayStarting => "The gateway has just started",
            Self::NoRoute => "Nobody lives here",
            Self::NoRule => "No rule takes this request",
            Self::NoEnvironment { .. } => "This environment does not exist",
            Self::NotReady { .. } => "This environment is not ready",
            Self::Asleep { wakes: true, .. } => "This environment is waking up",
            Self::Asleep { wakes: false, .. } => "This environment is asleep",
            Self::Expired { .. } => "This environment has expired",
            Self::NoEndpoint => "Nothing runs behind this host",
            Self::Overloaded => "The backend has too much to do",
            Self::BackendNotFound => "This host leads to a Service that is not there",
            Self::ConnectRefused => "The backend takes no connection",
            Self::ConnectTimeout => "The backend does not answer",
            Self::ConnectExhausted => "The gateway has no connection left",
            Self::ForbiddenAddress => "The backend's address is not allowed",
            Self::ResponseHeadTimeout => "The backend took too long",
            Self::UpstreamReset { .. } => "The backend hung up",
            Self::UpstreamProtocol => "The backend does not speak HTTP",
            Self::BadRequest(_) => "Bad request",
            Self::Connect => "CONNECT is not served",
            Self::Misdirected => "Wrong connection for this host",
            Self::Denied { .. } => "Not allowed here",
            Self::HeadTooLarge => "The request's fields are too large",
            Self::TargetTooLong => "The request's target is too long",
            Self::HeadTimeout | Self::ContentTimeout => "The request did not come in time",
        }
    }

    /// A sentence for people. It holds no text of the request.
    pub fn detail(&self) -> String {
        match self {
            Self::GatewayStarting => "The gateway has just started and does not know all routes yet.".into(),
            Self::NoRoute => "No environment and no shared service has this host name.".into(),
            Self::NoRule => "The host is known, but none of its rules takes this path, method and fields.".into(),
            Self::NoEnvironment { key } => {
                format!("{} has no environment of the class {}. Deploy it with: {}", key.user, key.class, deploy(key))
            }
            Self::NotReady { reason, message, .. } if message.is_empty() => format!("It is not ready: {reason}."),
            Self::NotReady { reason, message, .. } => format!("{reason}: {message}"),
            Self::Asleep { message, wakes: true, .. } => format!("Asleep: {message}. This request wakes it."),
            Self::Asleep { key, message, wakes: false } => format!("Asleep: {message}. Wake it with: {}", wake(key)),
            Self::Expired { key, at, message } => {
                format!(
                    "The environment of {} expired at {at}: {message}. Deploy it again with: {}",
                    key.user,
                    deploy(key)
                )
            }
            Self::NoEndpoint => "The host is known, but no pod behind it is ready to take requests.".into(),
            Self::Overloaded => "Every pod has as many requests as it may have; try again in a moment.".into(),
            // Which one is for those who may ask `explain`: names of the cluster are not for everybody.
            Self::BackendNotFound => {
                "The rule names a Service, or a port of one, that does not exist; `doorstep explain` tells which."
                    .into()
            }
            Self::ConnectRefused => "The pod is there, but nothing listens on its port.".into(),
            Self::ConnectTimeout => "The pod did not take the connection in time.".into(),
            Self::ConnectExhausted => "Out of file descriptors or local ports; try again in a moment.".into(),
            Self::ForbiddenAddress => "Link-local, multicast and unspecified addresses cannot be endpoints.".into(),
            Self::ResponseHeadTimeout => "The pod took the request, but sent no response in time.".into(),
            Self::UpstreamReset { sent: true } => {
                "The pod closed the connection after it got the request and before it answered.".into()
            }
            Self::UpstreamReset { sent: false } => "The pod closed the connection before it got the request.".into(),
            Self::UpstreamProtocol => "What the pod sent is no HTTP response.".into(),
            Self::BadRequest(kind) => kind.detail().into(),
            Self::Connect => "This gateway is no forward proxy.".into(),
            Self::Misdirected => "The TLS connection was made for another host name; open a new one.".into(),
            Self::Denied { reason, .. } => reason.to_string(),
            Self::HeadTooLarge => {
                "At most 64 KiB and 100 fields are taken, and 1 MiB in the requests under way on one connection.".into()
            }
            Self::TargetTooLong => "The target of the request is too long.".into(),
            Self::HeadTimeout => "The head of a request must be complete within the deadline.".into(),
            Self::ContentTimeout => "The content of the request stopped coming.".into(),
        }
    }

    /// Whether a failed attempt may be made again.
    pub fn retry(&self) -> Retry {
        match self {
            Self::ConnectRefused | Self::ConnectTimeout | Self::UpstreamReset { sent: false } => Retry::Unsent,
            Self::UpstreamReset { sent: true } => Retry::IfRepeatable,
            Self::GatewayStarting
            | Self::NoRoute
            | Self::NoRule
            | Self::NoEnvironment { .. }
            | Self::NotReady { .. }
            | Self::Asleep { .. }
            | Self::Expired { .. }
            | Self::NoEndpoint
            | Self::Overloaded
            | Self::BackendNotFound
            | Self::ConnectExhausted
            | Self::ForbiddenAddress
            | Self::ResponseHeadTimeout
            | Self::UpstreamProtocol
            | Self::BadRequest(_)
            | Self::Connect
            | Self::Misdirected
            | Self::Denied { .. }
            | Self::HeadTooLarge
            | Self::TargetTooLong
            | Self::HeadTimeout
            | Self::ContentTimeout => Retry::Never,
        }
    }

    /// How loud the log should be: our faults are warnings, the backend's are notes, the client's are details.
    pub fn level(&self) -> tracing::Level {
        match self {
            Self::ConnectExhausted | Self::ForbiddenAddress => tracing::Level::WARN,
            Self::ConnectRefused
            | Self::ConnectTimeout
            | Self::ResponseHeadTimeout
            | Self::UpstreamReset { .. }
            | Self::UpstreamProtocol => tracing::Level::INFO,
            Self::GatewayStarting
            | Self::NoRoute
            | Self::NoRule
            | Self::NoEnvironment { .. }
            | Self::NotReady { .. }
            | Self::Asleep { .. }
            | Self::Expired { .. }
            | Self::NoEndpoint
            | Self::Overloaded
            | Self::BackendNotFound
            | Self::BadRequest(_)
            | Self::Connect
            | Self::Misdirected
            | Self::Denied { .. }
            | Self::HeadTooLarge
            | Self::TargetTooLong
            | Self::HeadTimeout
            | Self::ContentTimeout => tracing::Level::DEBUG,
        }
    }

    /// Whether the same request may soon succeed: then a page reloads itself.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::GatewayStarting
            | Self::NoEnvironment { .. }
            | Self::NotReady { .. }
            | Self::Asleep { wakes: true, .. }
            | Self::NoEndpoint
            | Self::Overloaded
            | Self::BackendNotFound
            | Self::ConnectRefused
            | Self::ConnectTimeout
            | Self::ConnectExhausted
            | Self::UpstreamReset { .. } => true,
            Self::Asleep { wakes: false, .. }
            | Self::Expired { .. }
            | Self::NoRoute
            | Self::NoRule
            | Self::ForbiddenAddress
            | Self::ResponseHeadTimeout
            | Self::UpstreamProtocol
            | Self::BadRequest(_)
            | Self::Connect
            | Self::Misdirected
            | Self::Denied { .. }
            | Self::HeadTooLarge
            | Self::TargetTooLong
            | Self::HeadTimeout
            | Self::ContentTimeout => false,
        }
    }

    /// When to try again, in seconds, if the same request may soon succeed at this gateway.
    pub fn retry_after(&self) -> Option<u32> {
        match self {
            Self::GatewayStarting => Some(1),
            // Somebody has to do something first.
            Self::Asleep { wakes: false, .. } => None,
            refusal => (refusal.status() == StatusCode::SERVICE_UNAVAILABLE).then_some(2),
        }
    }

    /// Whether the connection must close: what follows on it cannot be trusted to be a request.
    pub fn closes(&self) -> bool {
        matches!(self, Self::BadRequest(_) | Self::Connect | Self::ContentTimeout)
    }

    /// The environment it is about.
    pub fn environment(&self) -> Option<&EnvironmentKey> {
        match self {
            Self::NoEnvironment { key }
            | Self::NotReady { key, .. }
            | Self::Asleep { key, .. }
            | Self::Expired { key, .. } => Some(key),
            _ => None,
        }
    }
}

/// The command that makes the environment.
pub fn deploy(key: &EnvironmentKey) -> String {
    format!("doorstep env deploy {} --user {}", key.class, key.user)
}

/// The command that wakes the environment.
pub fn wake(key: &EnvironmentKey) -> String {
    format!("doorstep env wake {} --user {}", key.class, key.user)
}

impl BadRequest {
    /// What is wrong, and what would be right.
    pub fn detail(self) -> &'static str {
        match self {
            Self::Malformed => "The head of the request cannot be parsed.",
            Self::HostMissing => "The request has no Host field.",
            Self::HostRepeated => "The request has more than one Host field.",
            Self::HostInvalid => "The Host field holds no host name.",
            Self::HostDiffers => "The authority of the request's target and its Host field differ.",
            Self::Target => "The request's target must be a path or an absolute http URL.",
            Self::DotSegments => {
                "The path has dot segments, plain or encoded; a request names the path that they lead to instead."
            }
            Self::TwoLengths => "A request has either Content-Length or Transfer-Encoding, not both.",
            Self::TransferCoding => "The only transfer coding that is taken is chunked, once.",
            Self::StrayUpgrade => "An Upgrade field needs Connection: upgrade.",
            Self::Length => "Content-Length must be a decimal number without leading zeros.",
            Self::PlainToTls => "Plain HTTP was sent to a port for HTTPS; use a URL that begins with https.",
            Self::Content => "The content of the request cannot be read: its chunks or its length are wrong.",
            Self::Underscore => "Field names with underscores are refused; use hyphens.",
        }
    }
}
