//! Which Services select a pod, found without asking each of them: selectors with the same label names are one group, and
//! a pod's values for those names lead straight to the Services.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::embedded::controllers::informer::Key;

/// Namespace and label names of a group.
type Shape = (String, Vec<String>);

/// The selectors of all Services.
#[derive(Default)]
pub struct Selectors {
    shapes: HashMap<Shape, HashMap<Vec<String>, HashSet<Key>>>,
    by_service: HashMap<Key, (Shape, Vec<String>)>,
}

impl Selectors {
    /// Adds the selector of a Service that has none here.
    pub fn insert(&mut self, service: Key, selector: &BTreeMap<String, String>) {
        let shape = (service.0.clone(), selector.keys().cloned().collect::<Vec<_>>());
        let values: Vec<String> = selector.values().cloned().collect();
        let services = self.shapes.entry(shape.clone()).or_default().entry(values.clone()).or_default();
        services.insert(service.clone());
        self.by_service.insert(service, (shape, values));
    }

    /// Removes the selector of a Service.
    pub fn remove(&mut self, service: &Key) {
        let Some((shape, values)) = self.by_service.remove(service) else { return };
        let Some(group) = self.shapes.get_mut(&shape) else { return };
        if let Some(services) = group.get_mut(&values) {
            services.remove(service);
            if services.is_empty() {
                group.remove(&values);
            }
        }
        if group.is_empty() {
            self.shapes.remove(&shape);
        }
    }

    /// The Services that select a pod with these labels.
    pub fn selecting(&self, namespace: &str, labels: &BTreeMap<String, String>) -> Vec<Key> {
        let mut found = Vec::new();
        for ((_, names), group) in self.shapes.iter().filter(|((of, _), _)| of == namespace) {
            let values: Option<Vec<String>> = names.iter().map(|name| labels.get(name).cloned()).collect();
            found.extend(values.and_then(|values| group.get(&values)).into_iter().flatten().cloned());
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_pod_is_found_by_every_selector_that_its_labels_satisfy() {
        let key = |name: &str| ("d".to_owned(), name.to_owned());
        let mut selectors = Selectors::default();
        selectors.insert(key("both"), &labels(&[("class", "c"), ("user", "u")]));
        selectors.insert(key("user"), &labels(&[("user", "u")]));
        selectors.insert(key("other"), &labels(&[("user", "v")]));
        let mut found = selectors.selecting("d", &labels(&[("user", "u"), ("class", "c"), ("more", "m")]));
        found.sort();
        assert_eq!(found, [key("both"), key("user")]);
        assert_eq!(selectors.selecting("d", &labels(&[("class", "c"), ("user", "w")])), Vec::<Key>::new());
        assert!(selectors.selecting("e", &labels(&[("user", "u")])).is_empty());
        selectors.remove(&key("user"));
        assert!(selectors.selecting("d", &labels(&[("user", "u")])).is_empty());
    }
}
