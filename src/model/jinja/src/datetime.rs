//! `modules.datetime` and `modules.pytz`: dates, times, lengths of time and UTC. The clock stands still at the start of the run,
//! so that a model compiles to the same text however long the run takes.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use minijinja::value::{DynObject, Object, ObjectRepr, Value};
use minijinja::{Error, ErrorKind, State};

use crate::functions::{members, native};
use crate::session;
use crate::value::{failed, tuple, Arguments};

const DAY: i64 = 86_400_000_000;

/// Days since 1970-01-01 of a date of the Gregorian calendar (H. Hinnant, "chrono-compatible low-level date algorithms").
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn date_of(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

fn month_days(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Date,
    DateTime,
    Time,
}

/// A date, a datetime (with or without an offset from UTC, in seconds) or a time of day.
#[derive(Clone, PartialEq)]
pub struct Moment {
    kind: Kind,
    /// Microseconds of local time since 1970-01-01.
    micros: i64,
    offset: Option<i64>,
}

/// A length of time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Delta {
    micros: i64,
}

/// A time zone: a fixed offset from UTC.
#[derive(Clone, Debug)]
struct Zone {
    name: String,
    offset: i64,
}

impl Moment {
    fn days(&self) -> i64 {
        self.micros.div_euclid(DAY)
    }
    fn date(&self) -> (i64, i64, i64) {
        date_of(self.days())
    }
    fn clock(&self) -> (i64, i64, i64, i64) {
        let micros = self.micros.rem_euclid(DAY);
        (micros / 3_600_000_000, micros / 60_000_000 % 60, micros / 1_000_000 % 60, micros % 1_000_000)
    }
    fn weekday(&self) -> i64 {
        (self.days() + 3).rem_euclid(7)
    }
    fn day_of_year(&self) -> i64 {
        self.days() - days_of(self.date().0, 1, 1) + 1
    }
    fn instant(&self) -> i64 {
        self.micros - self.offset.unwrap_or(0) * 1_000_000
    }
    fn iso_calendar(&self) -> (i64, i64, i64) {
        let thursday = self.days() - self.weekday() + 3;
        let year = date_of(thursday).0;
        (year, (thursday - days_of(year, 1, 1)) / 7 + 1, self.weekday() + 1)
    }
    fn at(&self, micros: i64) -> Result<Moment, Error> {
        let year = date_of(micros.div_euclid(DAY)).0;
        if self.kind != Kind::Time && !(1..=9999).contains(&year) {
            return Err(failed("date value out of range"));
        }
        Ok(Moment { micros, ..self.clone() })
    }
    fn iso(&self, separator: char) -> String {
        let (year, month, day) = self.date();
        let (hour, minute, second, micro) = self.clock();
        let date = format!("{year:04}-{month:02}-{day:02}");
        let fraction = if micro > 0 { format!(".{micro:06}") } else { String::new() };
        let time = format!("{hour:02}:{minute:02}:{second:02}{fraction}");
        let offset = self.offset.map_or(String::new(), |o| offset_text(o, ":"));
        match self.kind {
            Kind::Date => date,
            Kind::Time => time,
            Kind::DateTime => format!("{date}{separator}{time}{offset}"),
        }
    }
    fn strftime(&self, format: &str) -> String {
        const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
        const MONTHS: [&str; 12] =
            ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
        let (year, month, day) = self.date();
        let (hour, minute, second, micro) = self.clock();
        let hour12 = if hour % 12 == 0 { 12 } else { hour % 12 };
        let mut out = String::new();
        let mut chars = format.chars().peekable();
        while let Some(c) = chars.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            let bare = chars.next_if_eq(&'-').is_some();
            let number = |value: i64, width: usize| if bare { value.to_string() } else { format!("{value:0width$}") };
            let part = match chars.next() {
                Some('Y') => number(year, 4),
                Some('y') => number(year % 100, 2),
                Some('m') => number(month, 2),
                Some('d') => number(day, 2),
                Some('e') => format!("{day:2}"),
                Some('H') => number(hour, 2),
                Some('I') => number(hour12, 2),
                Some('M') => number(minute, 2),
                Some('S') => number(second, 2),
                Some('f') => format!("{micro:06}"),
                Some('p') => if hour < 12 { "AM" } else { "PM" }.to_string(),
                Some('j') => number(self.day_of_year(), 3),
                Some('a') => DAYS[self.weekday() as usize][..3].to_string(),
                Some('A') => DAYS[self.weekday() as usize].to_string(),
                Some('b' | 'h') => MONTHS[month as usize - 1][..3].to_string(),
                Some('B') => MONTHS[month as usize - 1].to_string(),
                Some('w') => ((self.weekday() + 1) % 7).to_string(),
                Some('u') => (self.weekday() + 1).to_string(),
                Some('U') => number((self.day_of_year() + 6 - (self.weekday() + 1) % 7) / 7, 2),
                Some('W') => number((self.day_of_year() + 6 - self.weekday()) / 7, 2),
                Some('V') => number(self.iso_calendar().1, 2),
                Some('G') => number(self.iso_calendar().0, 4),
                Some('s') => (self.instant().div_euclid(1_000_000)).to_string(),
                Some('z') => self.offset.map_or(String::new(), |o| offset_text(o, "")),
                Some('Z') => {
                    self.offset.map_or(String::new(), |o| if o == 0 { "UTC".to_string() } else { format!("UTC{}", offset_text(o, ":")) })
                }
                Some('F') => self.strftime("%Y-%m-%d"),
                Some('T') => self.strftime("%H:%M:%S"),
                Some('D' | 'x') => self.strftime("%m/%d/%y"),
                Some('R') => self.strftime("%H:%M"),
                Some('X') => self.strftime("%H:%M:%S"),
                Some('c') => self.strftime("%a %b %e %H:%M:%S %Y"),
                Some('%') => "%".to_string(),
                Some(other) => format!("%{other}"),
                None => "%".to_string(),
            };
            out.push_str(&part);
        }
        out
    }
}

fn offset_text(offset: i64, separator: &str) -> String {
    let sign = if offset < 0 { '-' } else { '+' };
    let minutes = offset.abs() / 60;
    format!("{sign}{:02}{separator}{:02}", minutes / 60, minutes % 60)
}

fn made(kind: Kind, date: (i64, i64, i64), clock: (i64, i64, i64, i64), offset: Option<i64>) -> Result<Moment, Error> {
    let (year, month, day) = date;
    let (hour, minute, second, micro) = clock;
    if !(1..=9999).contains(&year) || !(1..=12).contains(&month) || day < 1 || day > month_days(year, month) {
        return Err(failed(format!("{year}-{month}-{day} is not a date")));
    }
    if !(0..24).contains(&hour) || !(0..60).contains(&minute) || !(0..60).contains(&second) || !(0..1_000_000).contains(&micro) {
        return Err(failed(format!("{hour}:{minute}:{second}.{micro} is not a time of day")));
    }
    let micros = days_of(year, month, day) * DAY + ((hour * 60 + minute) * 60 + second) * 1_000_000 + micro;
    Ok(Moment { kind, micros, offset })
}

/// Reads the text by the format, as strptime does.
fn strptime(text: &str, format: &str) -> Result<Moment, Error> {
    let wrong = || failed(format!("time data '{text}' does not match format '{format}'"));
    let (mut date, mut clock, mut offset) = ((1900, 1, 1), (0, 0, 0, 0), None);
    let mut afternoon = None;
    let mut rest = text;
    let number = |rest: &mut &str, width: usize| {
        let digits = rest.bytes().take(width).take_while(u8::is_ascii_digit).count();
        let value = rest[..digits].parse::<i64>().ok();
        *rest = &rest[digits..];
        value
    };
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            if c.is_whitespace() {
                rest = rest.trim_start();
            } else {
                rest = rest.strip_prefix(c).ok_or_else(wrong)?;
            }
            continue;
        }
        let read = |rest: &mut &str, width| number(rest, width).ok_or_else(wrong);
        match chars.next() {
            Some('Y') => date.0 = read(&mut rest, 4)?,
            Some('y') => {
                let year = read(&mut rest, 2)?;
                date.0 = if year < 69 { 2000 + year } else { 1900 + year };
            }
            Some('m') => date.1 = read(&mut rest, 2)?,
            Some('d') => date.2 = read(&mut rest, 2)?,
            Some('H' | 'I') => clock.0 = read(&mut rest, 2)?,
            Some('M') => clock.1 = read(&mut rest, 2)?,
            Some('S') => clock.2 = read(&mut rest, 2)?,
            Some('f') => {
                let digits = rest.bytes().take(6).take_while(u8::is_ascii_digit).count();
                let value: i64 = rest[..digits].parse().map_err(|_| wrong())?;
                clock.3 = value * 10_i64.pow(6 - digits as u32);
                rest = &rest[digits..];
            }
            Some('j') => {
                let day = read(&mut rest, 3)?;
                let (_, month, of_month) = date_of(days_of(date.0, 1, 1) + day - 1);
                (date.1, date.2) = (month, of_month);
            }
            Some('p') => {
                let word = rest.get(..2).ok_or_else(wrong)?;
                afternoon = Some(word.eq_ignore_ascii_case("pm"));
                rest = &rest[2..];
            }
            Some('b' | 'B') => {
                const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
                let word = rest.get(..3).ok_or_else(wrong)?.to_lowercase();
                date.1 = MONTHS.iter().position(|m| *m == word).ok_or_else(wrong)? as i64 + 1;
                rest = rest.trim_start_matches(|c: char| c.is_alphabetic());
            }
            Some('a' | 'A') => rest = rest.trim_start_matches(|c: char| c.is_alphabetic()),
            Some('z') => {
                if let Some(after) = rest.strip_prefix('Z') {
                    (offset, rest) = (Some(0), after);
                } else {
                    let sign = if rest.starts_with('-') { -1 } else { 1 };
                    rest = rest.strip_prefix(['+', '-']).ok_or_else(wrong)?;
                    let hours = read(&mut rest, 2)?;
                    rest = rest.strip_prefix(':').unwrap_or(rest);
                    offset = Some(sign * (hours * 3600 + read(&mut rest, 2)? * 60));
                }
            }
            Some('%') => rest = rest.strip_prefix('%').ok_or_else(wrong)?,
            Some(other) => return Err(failed(format!("strptime(): '%{other}' is not supported"))),
            None => return Err(wrong()),
        }
    }
    if !rest.is_empty() {
        return Err(failed(format!("unconverted data remains: {rest}")));
    }
    if let Some(afternoon) = afternoon {
        clock.0 = clock.0 % 12 + if afternoon { 12 } else { 0 };
    }
    made(Kind::DateTime, date, clock, offset)
}

fn from_iso(text: &str) -> Result<Moment, Error> {
    let text = text.trim();
    let (date, clock) = text.split_at(text.len().min(10));
    let mut format = "%Y-%m-%d".to_string();
    let mut whole = date.to_string();
    if let Some(clock) = clock.strip_prefix(['T', ' ']) {
        whole.push(' ');
        whole.push_str(clock);
        format.push_str(" %H:%M");
        if clock.matches(':').count() > 1 || clock.len() >= 8 && clock.as_bytes()[5] == b':' {
            format.push_str(":%S");
        }
        if clock.contains('.') {
            format.push_str(".%f");
        }
        if clock.ends_with('Z') || clock.get(5..).is_some_and(|rest| rest.contains(['+', '-'])) {
            format.push_str("%z");
        }
    }
    strptime(&whole, &format)
}

pub fn run_started_at(text: &str) -> Value {
    match from_iso(text) {
        Ok(moment) => Value::from_object(moment),
        Err(_) => Value::from(text),
    }
}

fn now() -> Moment {
    let started = session::get().and_then(|s| s.project.natives.get("run_started_at")).and_then(|v| v.downcast_object::<Moment>());
    started.map_or(Moment { kind: Kind::DateTime, micros: 0, offset: None }, |moment| Moment { offset: None, ..(*moment).clone() })
}

/// `a + b` and `a - b` where one is a moment or a length of time; nothing for other values.
pub fn arithmetic(left: &Value, right: &Value, sign: i64) -> Option<Result<Value, Error>> {
    let moment = |v: &Value| v.downcast_object::<Moment>();
    let delta = |v: &Value| v.downcast_object_ref::<Delta>().copied();
    match (moment(left), delta(left), moment(right), delta(right)) {
        (Some(moment), _, _, Some(delta)) | (_, Some(delta), Some(moment), _) => {
            let step = match moment.kind {
                Kind::Date => delta.micros.div_euclid(DAY) * DAY,
                _ => delta.micros,
            };
            Some(moment.at(moment.micros + sign * step).map(Value::from_object))
        }
        (Some(left), _, Some(right), _) if sign < 0 => Some(Ok(Value::from_object(Delta { micros: left.instant() - right.instant() }))),
        (_, Some(left), _, Some(right)) => Some(Ok(Value::from_object(Delta { micros: left.micros + sign * right.micros }))),
        _ => None,
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.date();
        let (hour, minute, second, micro) = self.clock();
        match self.kind {
            Kind::Date => write!(f, "datetime.date({year}, {month}, {day})"),
            Kind::Time => write!(f, "datetime.time({hour}, {minute})"),
            Kind::DateTime => {
                write!(f, "datetime.datetime({year}, {month}, {day}, {hour}, {minute}")?;
                if second > 0 || micro > 0 {
                    write!(f, ", {second}")?;
                }
                if micro > 0 {
                    write!(f, ", {micro}")?;
                }
                f.write_str(")")
            }
        }
    }
}

impl Object for Moment {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let (year, month, day) = self.date();
        let (hour, minute, second, micro) = self.clock();
        Some(Value::from(match key.as_str()? {
            "year" => year,
            "month" => month,
            "day" => day,
            "hour" => hour,
            "minute" => minute,
            "second" => second,
            "microsecond" => micro,
            "tzinfo" => {
                return Some(self.offset.map_or(Value::from(()), |offset| Value::from_object(Zone { name: "UTC".to_string(), offset })))
            }
            _ => return None,
        }))
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let mut call = Arguments::of(args)?;
        Ok(match method {
            "strftime" => Value::from(self.strftime(&call.text(0, "format", "strftime")?)),
            "isoformat" => {
                let separator = call.take(0, "sep").and_then(|v| v.to_string().chars().next()).unwrap_or('T');
                let wanted = call.take(1, "timespec").map(|v| v.to_string());
                match wanted.as_deref() {
                    Some("seconds") => Value::from(self.at(self.micros - self.micros.rem_euclid(1_000_000))?.iso(separator)),
                    _ => Value::from(self.iso(separator)),
                }
            }
            "date" => Value::from_object(Moment { kind: Kind::Date, micros: self.days() * DAY, offset: None }),
            "time" => Value::from_object(Moment { kind: Kind::Time, micros: self.micros.rem_euclid(DAY), offset: None }),
            "weekday" => Value::from(self.weekday()),
            "isoweekday" => Value::from(self.weekday() + 1),
            "isocalendar" => {
                let (year, week, day) = self.iso_calendar();
                tuple(vec![Value::from(year), Value::from(week), Value::from(day)])
            }
            "toordinal" => Value::from(self.days() + 719_163),
            "timestamp" => Value::from(self.instant() as f64 / 1e6),
            "replace" => {
                let (year, month, day) = self.date();
                let (hour, minute, second, micro) = self.clock();
                let mut part = |position, name, old| call.take(position, name).and_then(|v| v.as_i64()).unwrap_or(old);
                let date = (part(0, "year", year), part(1, "month", month), part(2, "day", day));
                let clock = (part(3, "hour", hour), part(4, "minute", minute), part(5, "second", second), part(6, "microsecond", micro));
                let offset = match call.named.shift_remove("tzinfo") {
                    Some(zone) => zone.downcast_object_ref::<Zone>().map(|z| z.offset),
                    None => self.offset,
                };
                Value::from_object(made(self.kind, date, clock, offset)?)
            }
            "astimezone" => {
                let offset = call.take(0, "tz").and_then(|z| z.downcast_object_ref::<Zone>().map(|z| z.offset)).unwrap_or(0);
                Value::from_object(Moment { offset: Some(offset), ..self.at(self.instant() + offset * 1_000_000)? })
            }
            "utcoffset" => self.offset.map_or(Value::from(()), |o| Value::from_object(Delta { micros: o * 1_000_000 })),
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        })
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        Some(self.instant().cmp(&other.downcast_ref::<Moment>()?.instant()))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iso(' '))
    }
}

impl fmt::Debug for Delta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "datetime.timedelta(microseconds={})", self.micros)
    }
}

impl Object for Delta {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
    fn is_true(self: &Arc<Self>) -> bool {
        self.micros != 0
    }
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(Value::from(match key.as_str()? {
            "days" => self.micros.div_euclid(DAY),
            "seconds" => self.micros.rem_euclid(DAY) / 1_000_000,
            "microseconds" => self.micros.rem_euclid(1_000_000),
            _ => return None,
        }))
    }
    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, _: &[Value]) -> Result<Value, Error> {
        match method {
            "total_seconds" => Ok(Value::from(self.micros as f64 / 1e6)),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        Some((**self).cmp(other.downcast_ref::<Delta>()?))
    }
    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.micros.div_euclid(DAY);
        let clock = Moment { kind: Kind::Time, micros: self.micros.rem_euclid(DAY), offset: None };
        if days != 0 {
            write!(f, "{days} day{}, ", if days.abs() == 1 { "" } else { "s" })?;
        }
        f.write_str(clock.iso(' ').strip_prefix('0').unwrap_or(&clock.iso(' ')))
    }
}

impl Object for Zone {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        (key.as_str()? == "zone").then(|| Value::from(self.name.as_str()))
    }
    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let mut call = Arguments::of(args)?;
        match method {
            "localize" | "normalize" => {
                let moment = call.need(0, "dt", method)?;
                let moment = moment.downcast_object::<Moment>().ok_or_else(|| failed("localize() needs a datetime"))?;
                Ok(Value::from_object(Moment { offset: Some(self.offset), ..(*moment).clone() }))
            }
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// datetime.datetime, datetime.date …: called they make a value, their methods are the class's.
#[derive(Debug)]
enum Class {
    DateTime,
    Date,
    Time,
}

impl Object for Class {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let mut call = Arguments::of(args)?;
        let mut part = |position, name: &str, default: i64| {
            call.take(position, name).map_or(Ok(default), |v| v.as_i64().ok_or_else(|| failed(format!("{name} must be a number"))))
        };
        Ok(Value::from_object(match **self {
            Class::Time => made(
                Kind::Time,
                (1970, 1, 1),
                (part(0, "hour", 0)?, part(1, "minute", 0)?, part(2, "second", 0)?, part(3, "microsecond", 0)?),
                None,
            )?,
            Class::Date => made(Kind::Date, (part(0, "year", 0)?, part(1, "month", 0)?, part(2, "day", 0)?), (0, 0, 0, 0), None)?,
            Class::DateTime => {
                let date = (part(0, "year", 0)?, part(1, "month", 0)?, part(2, "day", 0)?);
                let clock = (part(3, "hour", 0)?, part(4, "minute", 0)?, part(5, "second", 0)?, part(6, "microsecond", 0)?);
                let offset = call.take(7, "tzinfo").and_then(|z| z.downcast_object_ref::<Zone>().map(|z| z.offset));
                made(Kind::DateTime, date, clock, offset)?
            }
        }))
    }
    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let mut call = Arguments::of(args)?;
        let shaped = |moment: Moment| match **self {
            Class::Date => Moment { kind: Kind::Date, micros: moment.days() * DAY, offset: None },
            _ => moment,
        };
        Ok(Value::from_object(match method {
            "now" | "today" | "utcnow" => {
                let offset = call.take(0, "tz").and_then(|z| z.downcast_object_ref::<Zone>().map(|z| z.offset));
                let utc = now();
                shaped(Moment { offset, micros: utc.micros + offset.unwrap_or(0) * 1_000_000, ..utc })
            }
            "strptime" => shaped(strptime(&call.text(0, "date_string", method)?, &call.text(1, "format", method)?)?),
            "fromisoformat" => shaped(from_iso(&call.text(0, "date_string", method)?)?),
            "fromtimestamp" | "utcfromtimestamp" => {
                let seconds = f64::try_from(call.need(0, "timestamp", method)?)?;
                shaped(Moment { kind: Kind::DateTime, micros: (seconds * 1e6).round() as i64, offset: None })
            }
            "fromordinal" => {
                let days = call.need(0, "ordinal", method)?.as_i64().unwrap_or(0) - 719_163;
                shaped(Moment { kind: Kind::DateTime, micros: days * DAY, offset: None })
            }
            "combine" => {
                let (date, time) = (call.need(0, "date", method)?, call.need(1, "time", method)?);
                match (date.downcast_object::<Moment>(), time.downcast_object::<Moment>()) {
                    (Some(date), Some(time)) => {
                        Moment { kind: Kind::DateTime, micros: date.days() * DAY + time.micros.rem_euclid(DAY), offset: None }
                    }
                    _ => return Err(failed("combine() needs a date and a time")),
                }
            }
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        }))
    }
}

fn timedelta(_: &mut State, mut call: Arguments) -> Result<Value, Error> {
    const UNITS: [(&str, f64); 7] = [
        ("days", DAY as f64),
        ("seconds", 1e6),
        ("microseconds", 1.0),
        ("milliseconds", 1e3),
        ("minutes", 6e7),
        ("hours", 3.6e9),
        ("weeks", 7.0 * DAY as f64),
    ];
    let mut micros = 0.0;
    for (position, (name, unit)) in UNITS.iter().enumerate() {
        if let Some(value) = call.take(position, name) {
            micros += f64::try_from(value).map_err(|_| failed(format!("timedelta(): {name} must be a number")))? * unit;
        }
    }
    if let Some(unknown) = call.named.keys().next() {
        return Err(failed(format!("timedelta() has no argument '{unknown}'")));
    }
    Ok(Value::from_object(Delta { micros: micros.round() as i64 }))
}

fn zone(name: &str) -> Result<Value, Error> {
    match name.to_ascii_uppercase().as_str() {
        "UTC" | "ETC/UTC" | "GMT" | "ETC/GMT" | "ZULU" => Ok(Value::from_object(Zone { name: "UTC".to_string(), offset: 0 })),
        _ => Err(failed(format!("pytz.timezone('{name}'): only UTC is known here; convert time zones in SQL"))),
    }
}

/// The members of `modules.datetime`.
pub fn datetime() -> Value {
    let utc = || zone("UTC").expect("UTC is known");
    members(
        "datetime",
        HashMap::from([
            ("datetime", Value::from_object(Class::DateTime)),
            ("date", Value::from_object(Class::Date)),
            ("time", Value::from_object(Class::Time)),
            ("timedelta", native("timedelta", timedelta)),
            ("timezone", members("timezone", HashMap::from([("utc", utc())]))),
            ("UTC", utc()),
        ]),
    )
}

/// The members of `modules.pytz`.
pub fn pytz() -> Value {
    let utc = || zone("UTC").expect("UTC is known");
    let timezone = native("timezone", |_, mut call| zone(&call.text(0, "zone", "timezone")?));
    members("pytz", HashMap::from([("utc", utc()), ("UTC", utc()), ("timezone", timezone)]))
}
