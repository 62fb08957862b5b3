//! What is wrong with a field, in the words of a Kubernetes API server.

/// Why a field was refused; each is the `reason` of one cause in a `Status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FieldErrorReason {
    /// The value breaks a rule of the schema.
    Invalid,
    /// The field has to be there.
    Required,
    /// The schema has no such field.
    Unknown,
    /// The value stands twice where it may stand once.
    Duplicate,
    /// The field may not be set.
    Forbidden,
    /// More characters than allowed.
    TooLong,
    /// Not one of the allowed values.
    NotSupported,
    /// The value is of another type.
    TypeInvalid,
}

impl FieldErrorReason {
    /// The `reason` of a cause in `Status.details.causes`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "FieldValueInvalid",
            Self::Required => "FieldValueRequired",
            Self::Unknown => "FieldValueUnknown",
            Self::Duplicate => "FieldValueDuplicate",
            Self::Forbidden => "FieldValueForbidden",
            Self::TooLong => "FieldValueTooLong",
            Self::NotSupported => "FieldValueNotSupported",
            Self::TypeInvalid => "FieldValueTypeInvalid",
        }
    }
}

/// One thing that is wrong with an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Where, as `spec.parameters[0].name`.
    pub path: String,
    /// Which kind of fault.
    pub reason: FieldErrorReason,
    /// The sentence, without the path.
    pub message: String,
}

impl std::fmt::Display for FieldError {
    /// The form of a `Status` message: `spec.user: Invalid value: "a-b": …`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// Why a schema cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// The definition has no served version with a schema.
    #[error("{name}: no served version has spec.versions[*].schema.openAPIV3Schema")]
    NoSchema {
        /// The definition's name.
        name: String,
    },
    /// The schema is not structural.
    #[error("openAPIV3Schema{path}: {said}")]
    NotStructural {
        /// Where in the schema, as `.properties[spec]`.
        path: String,
        /// What is wrong and what would be right.
        said: String,
    },
    /// A rule of `x-kubernetes-validations` does not compile.
    #[error(
        "openAPIV3Schema{path}.x-kubernetes-validations[{index}].rule: Invalid value: {rule:?}: compilation failed: {said}"
    )]
    Rule {
        /// Where in the schema.
        path: String,
        /// Which of the node's rules.
        index: usize,
        /// The rule.
        rule: String,
        /// What the compiler said.
        said: String,
    },
}
