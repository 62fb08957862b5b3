//! CEL rules (`x-kubernetes-validations`): compiled with the schema, evaluated with an object.

use super::error::{FieldErrorReason, SchemaError};
use super::node::{Node, Shape};
use cel::extensions;
use cel::objects::Key;
use cel::{Context, Env, Program, Value as Cel};
use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, LazyLock};

/// One compiled rule.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    program: Arc<Program>,
    message: String,
    message_expression: Option<Arc<Program>>,
    /// Relative to the rule's node, as `.spec.user`.
    pub(crate) field_path: Option<String>,
    pub(crate) reason: FieldErrorReason,
    /// Whether it compares with `oldSelf`, and so runs only where there is an old value.
    pub(crate) transition: bool,
}

/// The functions of the standard library and of Kubernetes that the interpreter has.
static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut environment = Env::stdlib();
    // Each of them can only fail by declaring a name twice, which a test would show.
    let _ = environment.add_extension(extensions::strings);
    let _ = environment.add_extension(extensions::lists);
    let _ = environment.add_extension(extensions::math);
    Arc::new(environment)
});

/// The rules of a schema node.
pub(crate) fn compile(schema: &Map<String, Value>, path: &str, correlatable: bool) -> Result<Vec<Rule>, SchemaError> {
    let Some(Value::Array(rules)) = schema.get("x-kubernetes-validations") else {
        return Ok(Vec::new());
    };
    rules.iter().enumerate().map(|(index, rule)| one(rule, path, index, correlatable)).collect()
}

fn one(rule: &Value, path: &str, index: usize, correlatable: bool) -> Result<Rule, SchemaError> {
    let text = |name: &str| rule.get(name).and_then(Value::as_str).map(str::to_owned);
    let source = text("rule").unwrap_or_default();
    let fault = |said: String| SchemaError::Rule { path: path.to_owned(), index, rule: source.clone(), said };
    let program = ENVIRONMENT.compile(&source).map_err(|error| fault(error.to_string()))?;
    let transition = program.references().has_variable("oldSelf");
    if let Some(name) = undeclared(&program, &source) {
        return Err(fault(format!("undeclared reference to '{name}'")));
    }
    if transition && !correlatable {
        let said = "oldSelf cannot be used on the uncorrelatable portion of the schema; only lists of type map have an old value by item";
        return Err(fault(said.to_owned()));
    }
    if rule.get("optionalOldSelf").and_then(Value::as_bool) == Some(true) {
        return Err(fault("optionalOldSelf is not supported here; leave it out".to_owned()));
    }
    let message_expression = match text("messageExpression") {
        Some(expression) => Some(Arc::new(ENVIRONMENT.compile(&expression).map_err(|error| fault(error.to_string()))?)),
        None => None,
    };
    let reason = match rule.get("reason").and_then(Value::as_str) {
        Some("FieldValueForbidden") => FieldErrorReason::Forbidden,
        Some("FieldValueRequired") => FieldErrorReason::Required,
        Some("FieldValueDuplicate") => FieldErrorReason::Duplicate,
        Some(_) | None => FieldErrorReason::Invalid,
    };
    Ok(Rule {
        program: Arc::new(program),
        message: text("message").unwrap_or_else(|| format!("failed rule: {}", source.trim())),
        message_expression,
        field_path: text("fieldPath"),
        reason,
        transition,
    })
}

/// A variable or a function of a rule that nobody declares. The parser alone would let it pass until the rule runs.
fn undeclared(program: &Program, source: &str) -> Option<String> {
    let references = program.references();
    let bound = bound_names(source);
    let variable = references.variables().into_iter().find(|name| !known(name, &bound));
    let named = |name: &&str| name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    let spelled = |name: &&str| named(name) && name.starts_with(|first: char| first.is_ascii_alphabetic());
    let function = || references.functions().into_iter().filter(spelled).find(|name| !is_function(name));
    variable.or_else(function).map(str::to_owned)
}

/// Whether the environment has a function of this name: called with nothing, one that is there says that its
/// arguments are wrong, and one that is not says so.
fn is_function(name: &str) -> bool {
    let context = Context::with_env(ENVIRONMENT.clone());
    ["", "''.", "[].", "math.", "optional."].into_iter().any(|target| {
        let answer = ENVIRONMENT.compile(&format!("{target}{name}()")).map(|call| call.execute(&context));
        !matches!(answer, Ok(Err(cel::ExecutionError::UndeclaredReference(_))))
    })
}

/// Names of types are variables to the parser.
const TYPES: [&str; 12] =
    ["bool", "bytes", "double", "duration", "int", "list", "map", "null_type", "string", "timestamp", "type", "uint"];

fn known(name: &str, bound: &BTreeSet<String>) -> bool {
    name == "self" || name == "oldSelf" || name == "math" || TYPES.contains(&name) || bound.contains(name)
}

/// The variables that macros such as `all(x, …)` bind. They are found by their text: a first argument that is a bare
/// name followed by a comma. It may allow too much, never too little; what is left fails when the rule runs.
fn bound_names(source: &str) -> BTreeSet<String> {
    const MACROS: [&str; 10] = [
        "all(",
        "exists(",
        "exists_one(",
        "existsOne(",
        "filter(",
        "map(",
        "optMap(",
        "optFlatMap(",
        "sortBy(",
        "transformList(",
    ];
    let mut names = BTreeSet::new();
    for opening in MACROS {
        for (at, _) in source.match_indices(opening) {
            let arguments = source.get(at + opening.len()..).unwrap_or_default();
            for argument in arguments.split(',').take(2) {
                names.insert(argument.trim().to_owned());
            }
        }
    }
    names
}

/// What an evaluation binds.
pub(crate) struct Scope<'v> {
    context: Context<'v, 'v>,
}

impl Scope<'_> {
    /// `self` and, where there is one, `oldSelf`, seen through the schema of their place.
    pub(crate) fn new(node: &Node, value: &Value, old: Option<&Value>, root: bool) -> Self {
        let mut context = Context::with_env(ENVIRONMENT.clone());
        context.add_variable_from_value("self", bind(node, value, root));
        if let Some(old) = old {
            context.add_variable_from_value("oldSelf", bind(node, old, root));
        }
        Self { context }
    }
}

impl Rule {
    /// None: the rule holds. A rule that fails while it runs does not hold.
    pub(crate) fn broken(&self, scope: &Scope<'_>) -> Option<String> {
        match self.program.execute(&scope.context) {
            Ok(Cel::Bool(true)) => None,
            Ok(Cel::Bool(false)) => Some(self.said(scope)),
            Ok(other) => {
                Some(format!("the rule gave {:?}, not a bool: evaluating rule: {}", other.type_of(), self.message))
            }
            Err(error) => Some(format!("{error} evaluating rule: {}", self.message)),
        }
    }

    fn said(&self, scope: &Scope<'_>) -> String {
        let expression = self.message_expression.as_ref().and_then(|program| program.execute(&scope.context).ok());
        match expression {
            Some(Cel::String(text)) if !text.trim().is_empty() && !text.contains('\n') => text.to_string(),
            Some(_) | None => self.message.clone(),
        }
    }
}

/// A value as CEL sees it: declared fields of objects only, keys of maps as they are, whole numbers as `int`.
fn bind(node: &Node, value: &Value, root: bool) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(value) => Cel::Bool(*value),
        Value::Number(number) => match (node.shape, number.as_i64()) {
            (Shape::Number, _) | (_, None) => Cel::Float(number.as_f64().unwrap_or(f64::NAN)),
            (_, Some(whole)) => Cel::Int(whole),
        },
        Value::String(text) => Cel::String(Arc::new(text.clone())),
        Value::Array(items) => Cel::List(Arc::new(items.iter().map(|item| bind(node.item(), item, false)).collect())),
        Value::Object(fields) => Cel::Map(bind_fields(node, fields, root).into()),
    }
}

fn bind_fields(node: &Node, fields: &Map<String, Value>, root: bool) -> HashMap<Key, Cel> {
    let mut bound = HashMap::new();
    for (name, field) in fields {
        if let Some(property) = node.properties.get(name) {
            if root && name == "metadata" {
                bound.insert(Key::from(name.as_str()), bind_metadata(field));
            } else if !property.preserve_unknown || property.shape != Shape::Any {
                bound.insert(Key::from(escaped(name)), bind(property, field, false));
            }
        } else if let Some(additional) = &node.additional {
            bound.insert(Key::from(name.as_str()), bind(additional, field, false));
        }
    }
    bound
}

/// Rules may read an object's name, and nothing else of its metadata.
fn bind_metadata(metadata: &Value) -> Cel {
    let named = ["name", "generateName"].into_iter().filter_map(|field| {
        let text = metadata.get(field)?.as_str()?;
        Some((Key::from(field), Cel::String(Arc::new(text.to_owned()))))
    });
    Cel::Map(named.collect::<HashMap<_, _>>().into())
}

/// A field's name as a rule spells it, where CEL's grammar does not have it.
fn escaped(name: &str) -> String {
    const RESERVED: [&str; 21] = [
        "true",
        "false",
        "null",
        "in",
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ];
    if RESERVED.contains(&name) {
        return format!("__{name}__");
    }
    let spelled = name.replace("__", "__underscores__");
    spelled.replace('.', "__dot__").replace('-', "__dash__").replace('/', "__slash__")
}
