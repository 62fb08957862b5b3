//! The file of prices: what an hour of a processor and of a GiB of memory costs, for all classes and for single ones.

use super::ConfigErrors;
use super::fields::{Fields, Mistakes, kind};
use crate::model::ClassName;
use std::collections::BTreeMap;

/// What things cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Prices {
    /// In which currency, by its code of three letters.
    pub currency: String,
    /// For classes without prices of their own.
    pub general: Price,
    /// For single classes.
    pub classes: BTreeMap<ClassName, Price>,
}

/// What an hour costs.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Price {
    /// Of one processor.
    pub cpu_hour: f64,
    /// Of one GiB of memory.
    pub memory_gib_hour: f64,
}

impl Prices {
    /// The price of a class.
    pub fn of(&self, class: &str) -> Price {
        let own = self.classes.iter().find(|(name, _)| name.as_str() == class);
        own.map_or(self.general, |(_, price)| *price)
    }
}

/// Reads a file of prices.
pub fn read_prices(text: &str, file: &str) -> Result<Prices, ConfigErrors> {
    let document = super::parse_yaml(text, file)?;
    let mut mistakes = Mistakes::default();
    let fields = Fields::of(&document, "", &["currency", "cpuHour", "memoryGibHour", "classes"], &mut mistakes);
    let currency = fields.text("currency", &mut mistakes).unwrap_or_default().to_owned();
    if !(currency.len() == 3 && currency.bytes().all(|c| c.is_ascii_uppercase())) {
        mistakes.add("currency", "it should be a code of three capital letters, like EUR");
    }
    let general = price(&fields, None, &mut mistakes);
    let mut classes = BTreeMap::new();
    match fields.value("classes") {
        None => {}
        Some(serde_json::Value::Object(all)) => {
            for (name, value) in all {
                let path = super::fields::join("classes", name);
                let fields = Fields::of(value, &path, &["cpuHour", "memoryGibHour"], &mut mistakes);
                let price = price(&fields, Some(general), &mut mistakes);
                if let Some(name) = mistakes.check(&path, name.parse::<ClassName>()) {
                    classes.insert(name, price);
                }
            }
        }
        Some(other) => mistakes.add("classes", format!("it is {}; it should be an object", kind(other))),
    }
    mistakes.finish(file, Prices { currency, general, classes })
}

/// The two prices of an object; one that is not given is that of `otherwise`, or has to be given.
fn price(fields: &Fields<'_>, otherwise: Option<Price>, mistakes: &mut Mistakes) -> Price {
    let mut number = |name: &str, otherwise: Option<f64>| {
        let path = fields.path(name);
        let value = fields.value(name);
        let number = value.and_then(serde_json::Value::as_f64).filter(|number| (0.0..=1_000_000.0).contains(number));
        match (value, number, otherwise) {
            (_, Some(number), _) => return number,
            (None, None, Some(otherwise)) => return otherwise,
            (None, None, None) => mistakes.add(&path, "it is needed: a number like 0.04"),
            (Some(_), None, _) => mistakes.add(&path, "it should be a number from 0 to 1000000, like 0.04"),
        }
        0.0
    };
    Price {
        cpu_hour: number("cpuHour", otherwise.map(|price| price.cpu_hour)),
        memory_gib_hour: number("memoryGibHour", otherwise.map(|price| price.memory_gib_hour)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_read() {
        let prices = read_prices(include_str!("../../config/prices.yaml"), "prices.yaml").unwrap();
        assert_eq!(prices.currency, "EUR");
        assert!(prices.of("production").cpu_hour > prices.of("integration").cpu_hour);
        assert_eq!(prices.of("integration"), prices.general);
        assert_eq!(prices.of("production").memory_gib_hour, prices.general.memory_gib_hour);
    }

    #[test]
    fn every_mistake_has_its_place() {
        let text = "curency: EUR\ncpuHour: -1\nclasses: {A_b: {cpuHour: x}, production: 3}";
        let said = read_prices(text, "prices.yaml").unwrap_err().to_string();
        for part in [
            "prices.yaml has 7 mistakes",
            "curency: the field \"curency\" is not known; did you mean \"currency\"?",
            "currency: it should be a code",
            "cpuHour: it should be a number from 0",
            "memoryGibHour: it is needed",
            "classes.A_b.cpuHour: it should be a number",
            "classes.production: it is a number; it should be an object",
        ] {
            assert!(said.contains(part), "no «{part}» in {said}");
        }
    }
}
