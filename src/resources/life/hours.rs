//! The hours in which people work: days and times of day in a time zone that has a name.

use crate::model::{did_you_mean, shown};
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When people work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkingHours {
    /// The time zone by its name, like Europe/Amsterdam.
    #[schemars(length(min = 1, max = 64))]
    pub zone: String,
    /// The days, like Mon and Tue. Without it: Monday to Friday.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("maxItems" = 7, "x-kubernetes-list-type" = "atomic", "items" = {"type": "string", "enum": DAYS}))]
    pub days: Vec<String>,
    /// When work begins, like 07:00.
    #[schemars(regex(pattern = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"), length(min = 5, max = 5))]
    pub from: String,
    /// When it ends on the same day, like 19:00; 24:00 is midnight.
    #[schemars(regex(pattern = r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"), length(min = 5, max = 5))]
    pub to: String,
}

/// The days of a week as they are written.
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
/// How many days ahead the next hours are looked for.
const AHEAD: i32 = 8;

/// Working hours, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Hours {
    zone: TimeZone,
    /// From Monday.
    days: [bool; 7],
    from: Time,
    /// `None`: midnight.
    to: Option<Time>,
}

impl Hours {
    /// Checks `wire`; what is wrong is added to `errors` with its path below `path`.
    pub(super) fn check(wire: &WorkingHours, path: &str, errors: &mut Vec<(String, String)>) -> Option<Self> {
        let before = errors.len();
        let mut wrong = |name: &str, said: String| errors.push((format!("{path}.{name}"), said));
        let zone = TimeZone::get(&wire.zone).ok();
        if zone.is_none() {
            wrong("zone", format!("{} is no time zone that is known; Europe/Amsterdam is one", shown(&wire.zone)));
        }
        let mut days = [false; 7];
        for (index, day) in wire.days.iter().enumerate() {
            let known = DAYS.iter().position(|known| known == day).and_then(|at| days.get_mut(at));
            match known {
                Some(day) => *day = true,
                None => {
                    wrong(&format!("days[{index}]"), format!("{} is no day{}", shown(day), did_you_mean(day, DAYS)));
                }
            }
        }
        if wire.days.is_empty() {
            days = [true, true, true, true, true, false, false];
        }
        let mut time = |name: &str, text: &str| {
            let read = time_of_day(text);
            if read.is_none() {
                wrong(name, format!("{} is no time of day, like 07:00", shown(text)));
            }
            read
        };
        let from = time("from", &wire.from);
        let to = if wire.to == "24:00" { Some(None) } else { time("to", &wire.to).map(Some) };
        if let (Some(from), Some(Some(to))) = (from, to)
            && from >= to
        {
            wrong("to", "work has to end later on the day than it begins".to_owned());
        }
        let (zone, from, to) = (zone?, from?, to?);
        (errors.len() == before).then_some(Self { zone, days, from, to })
    }

    /// Whether it is within the hours.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.around(now).any(|(begin, end)| begin <= now && now < end)
    }

    /// When the hours begin or end next.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        self.around(now).flat_map(|(begin, end)| [begin, end]).filter(|time| *time > now).min()
    }

    /// When the hours began last: now within them, or before.
    pub fn last_begin(&self, now: Timestamp) -> Option<Timestamp> {
        self.around(now).map(|(begin, _)| begin).filter(|begin| *begin <= now).max()
    }

    /// When the hours ended last.
    pub fn last_end(&self, now: Timestamp) -> Option<Timestamp> {
        self.around(now).map(|(_, end)| end).filter(|end| *end <= now).max()
    }

    /// The hours of the days around `now`. A time that a change of the clocks leaves out is the one after the gap.
    fn around(&self, now: Timestamp) -> impl Iterator<Item = (Timestamp, Timestamp)> {
        let today = now.to_zoned(self.zone.clone()).date();
        (-AHEAD..=AHEAD).filter_map(move |offset| {
            let day = today.checked_add(offset.days()).ok()?;
            if !self.works_on(day.weekday()) {
                return None;
            }
            let at = |date: jiff::civil::Date, time| date.to_datetime(time).to_zoned(self.zone.clone()).ok();
            let end = match self.to {
                Some(to) => at(day, to)?,
                None => at(day.tomorrow().ok()?, Time::midnight())?,
            };
            Some((at(day, self.from)?.timestamp(), end.timestamp()))
        })
    }

    fn works_on(&self, day: Weekday) -> bool {
        let index = usize::try_from(day.to_monday_zero_offset()).unwrap_or_default();
        self.days.get(index).copied().unwrap_or_default()
    }
}

fn time_of_day(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let two = |digits: &str| (digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse());
    Time::new(two(hour)?.ok()?, two(minute)?.ok()?, 0, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(days: &[&str], from: &str, to: &str) -> Result<Hours, Vec<(String, String)>> {
        let days = days.iter().map(|day| (*day).to_owned()).collect();
        let wire = WorkingHours { zone: "Europe/Amsterdam".into(), days, from: from.into(), to: to.into() };
        let mut errors = Vec::new();
        Hours::check(&wire, "h", &mut errors).ok_or(errors)
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_hours_are_those_of_the_zone_in_summer_and_winter() {
        let it = hours(&[], "07:00", "19:00").unwrap();
        // A Wednesday in winter (UTC+1) and one in summer (UTC+2).
        for (time, within) in [
            ("2026-01-14T05:59:59Z", false),
            ("2026-01-14T06:00:00Z", true),
            ("2026-01-14T17:59:59Z", true),
            ("2026-01-14T18:00:00Z", false),
            ("2026-07-15T05:00:00Z", true),
            ("2026-07-15T17:00:00Z", false),
            ("2026-01-17T10:00:00Z", false),
        ] {
            assert_eq!(it.holds(at(time)), within, "{time}");
        }
    }

    #[test]
    fn the_next_change_passes_over_the_weekend_and_a_change_of_the_clocks() {
        let it = hours(&[], "07:00", "19:00").unwrap();
        assert_eq!(it.next_change(at("2026-01-14T10:00:00Z")), Some(at("2026-01-14T18:00:00Z")));
        // Friday evening to Monday morning; on Sunday the 29th of March the clocks go forward.
        assert_eq!(it.next_change(at("2026-03-27T18:30:00Z")), Some(at("2026-03-30T05:00:00Z")));
        assert_eq!(it.last_end(at("2026-03-29T12:00:00Z")), Some(at("2026-03-27T18:00:00Z")));
        assert_eq!(it.last_begin(at("2026-03-30T05:00:00Z")), Some(at("2026-03-30T05:00:00Z")));
    }

    #[test]
    fn midnight_ends_a_day_and_a_night_is_refused() {
        let it = hours(&["Sun"], "22:00", "24:00").unwrap();
        assert!(it.holds(at("2026-01-18T22:59:59Z")) && !it.holds(at("2026-01-18T23:00:00Z")));
        let errors = hours(&["Sun", "Mondy"], "7:00", "06:00").unwrap_err();
        assert_eq!(errors[0], ("h.days[1]".into(), "\"Mondy\" is no day; did you mean \"Mon\"?".into()));
        assert_eq!(errors[1].0, "h.from");
        assert!(hours(&[], "19:00", "07:00").unwrap_err()[0].1.contains("later on the day"));
    }
}
