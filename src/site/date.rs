//! Days.

use std::time::{SystemTime, UNIX_EPOCH};

/// A day of the Gregorian calendar; the order is that of time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Date {
    /// Such as 2027.
    pub year: u16,
    /// 1-12.
    pub month: u8,
    /// 1-31.
    pub day: u8,
}

impl Date {
    /// Today in UTC.
    pub fn today() -> Date {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Date::of_day(seconds / 86_400)
    }

    /// The day of a text such as `2027-01-31`.
    pub fn parse(text: &str) -> Option<Date> {
        let mut parts = text.split('-');
        let mut number = |digits: usize| {
            let part = parts.next().filter(|part| part.len() == digits)?;
            part.bytes().all(|byte| byte.is_ascii_digit()).then_some(part)
        };
        let date = Date {
            year: number(4)?.parse().ok()?,
            month: number(2)?.parse().ok()?,
            day: number(2)?.parse().ok()?,
        };
        let leap =
            date.year.is_multiple_of(4) && (!date.year.is_multiple_of(100) || date.year.is_multiple_of(400));
        let days = match date.month {
            2 => 28 + u8::from(leap),
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => 0,
        };
        (parts.next().is_none() && (1..=days).contains(&date.day)).then_some(date)
    }

    /// The date that is so many days after 1 January 1970.
    fn of_day(days: u64) -> Date {
        // Years are counted from March, so that the leap day is a year's last; 719,468 days lie between
        // 1 March of year 0 and 1 January 1970, and 146,097 days are four hundred years.
        let days = days + 719_468;
        let (era, day) = (days / 146_097, days % 146_097);
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day_of_month = day - (153 * month + 2) / 5 + 1;
        let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        Date { year: (era * 400 + year + later) as u16, month: month as u8, day: day_of_month as u8 }
    }
}

impl std::fmt::Display for Date {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_dates() {
        for (day, date) in
            [(0, "1970-01-01"), (59, "1970-03-01"), (11_016, "2000-02-29"), (20_819, "2027-01-01")]
        {
            assert_eq!(Date::of_day(day).to_string(), date);
            assert_eq!(Date::parse(date), Some(Date::of_day(day)));
        }
        for wrong in
            ["2027-02-29", "2100-02-29", "2027-1-31", "2027-13-01", "2027-01-00", "2027-01-31-", "soon"]
        {
            assert_eq!(Date::parse(wrong), None, "{wrong}");
        }
    }
}
