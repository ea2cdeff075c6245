//! `interface`, `route` and `time-range`.
//!
//! Source: *Cisco ASA Series Command Reference*, `interface`, `nameif`, `security-level`, `ip address`,
//! `ipv6 address`, `bridge-group`, `management-only`, `route`, `ipv6 route`, `time-range`.

use super::super::ast::{Address, Interface, Route, TimeRange};
use super::super::words::{Parsed, Words, prefix6, v4};
use super::{Block, Parser, Sub};

/// Commands of an interface that say nothing about which traffic passes.
const IRRELEVANT: &[&str] = &[
    "allocate-interface",
    "authentication",
    "channel-group",
    "cluster",
    "cts",
    "ddns",
    "delay",
    "dhcp",
    "dhcprelay",
    "duplex",
    "encapsulation",
    "external-port",
    "external-segment-id",
    "fec",
    "flowcontrol",
    "forward",
    "hello-interval",
    "hold-time",
    "igmp",
    "internal-port",
    "internal-segment-id",
    "ipv6",
    "ip",
    "isis",
    "jumbo-frame",
    "lacp",
    "mac-address",
    "max-bundle",
    "media-type",
    "member-interface",
    "mfib",
    "min-bundle",
    "mroute",
    "mtu",
    "multicast",
    "negotiation",
    "nve-only",
    "ospf",
    "pim",
    "policy-route",
    "poll-interval",
    "port-channel",
    "power",
    "pppoe",
    "preempt",
    "priority",
    "proxy",
    "redundant",
    "rip",
    "segment-id",
    "speed",
    "split-horizon",
    "standby",
    "summary-address",
    "switchport",
    "tunnel",
    "vlan",
    "vni",
    "vtep-nve",
    "zone-member",
    "mcast-group",
    "lldp",
    "nameif",
    "security-level",
    "management-only",
    "shutdown",
    "shut",
    "bridge-group",
    "no",
];

impl<'a> Parser<'a> {
    /// `interface`, the word taken.
    pub(super) fn interface(&mut self, w: &mut Words<'_, 'a>) -> Parsed<()> {
        let hardware = w.name("the name of an interface")?;
        let interfaces = &mut self.config.interfaces;
        let at = *self.interfaces.entry(hardware.text).or_insert_with(|| {
            interfaces.push(Interface {
                hardware,
                name: None,
                level: None,
                v4: None,
                v6: Vec::new(),
                dynamic_address: false,
                management_only: false,
                shutdown: false,
                bridge_group: None,
            });
            interfaces.len() - 1
        });
        self.open(Block::Interface(at));
        Ok(())
    }

    /// A line of an interface.
    pub(super) fn interface_line(&mut self, at: usize, w: &mut Words<'_, 'a>) -> Parsed<Sub> {
        let line = w.line;
        let interface = &mut self.config.interfaces[at];
        let negated = w.eat("no");
        let Some(word) = w.peek() else { return Ok(Sub::Done) };
        match word {
            "nameif" => {
                w.take();
                interface.name = if negated { None } else { Some(w.name("a name")?) };
            }
            "security-level" => {
                w.take();
                interface.level = if negated { None } else { Some((w.number("a number up to 100")?, line)) };
            }
            "management-only" => interface.management_only = !negated,
            "shutdown" | "shut" => interface.shutdown = !negated,
            "bridge-group" => {
                w.take();
                interface.bridge_group = if negated { None } else { Some(w.number("a number")?) };
            }
            "ip" if w.peek_at(1) == Some("address") => {
                w.take();
                w.take();
                if negated {
                    interface.v4 = None;
                    return Ok(Sub::Done);
                }
                if matches!(w.peek(), Some("dhcp" | "pppoe")) {
                    interface.dynamic_address = true;
                    return Ok(Sub::Done);
                }
                let address = w.host("an address")?;
                let mask = w.peek().and_then(v4).unwrap_or(u32::MAX);
                interface.v4 = Some((address, mask));
            }
            "ipv6" if w.peek_at(1) == Some("address") => {
                w.take();
                w.take();
                match w.peek().and_then(prefix6) {
                    // With `eui-64` the host part comes from the hardware.
                    Some(_) if w.peek_at(1) == Some("eui-64") => interface.dynamic_address = true,
                    Some(prefix) if !negated => interface.v6.push(prefix),
                    _ if matches!(w.peek(), Some("autoconfig" | "dhcp")) => interface.dynamic_address = true,
                    _ => {}
                }
            }
            "ipv6" if matches!(w.peek_at(1), Some("route" | "access-list" | "icmp" | "local")) => {
                return Ok(Sub::NotMine);
            }
            "ip" if w.peek_at(1) == Some("access-group") => {
                w.take();
                return self.of_ios(w);
            }
            "ip" if matches!(w.peek_at(1), Some("local" | "verify" | "audit")) => return Ok(Sub::NotMine),
            // `dhcprelay enable INTERFACE` is a command of its own, in files without indentation too.
            "dhcprelay" if w.peek_at(1) == Some("enable") => return Ok(Sub::NotMine),
            // What such a line names, a list or a route-map, is in use.
            _ if IRRELEVANT.contains(&word) => self.mention(w),
            _ => return Ok(Sub::NotMine),
        }
        Ok(Sub::Done)
    }

    /// `route`, the word taken; `ipv6 route` likewise.
    pub(super) fn route(&mut self, w: &mut Words<'_, 'a>) -> Parsed<()> {
        let span = w.line;
        let interface = w.name("the name of an interface")?;
        let to = self.address(w)?;
        self.config.routes.push(Route { span, interface, to });
        Ok(())
    }

    /// `time-range`, the word taken.
    pub(super) fn time_range(&mut self, w: &mut Words<'_, 'a>) -> Parsed<()> {
        let name = w.name("the name of a time-range")?;
        self.config.time_ranges.push(TimeRange { name, end: None });
        self.open(Block::TimeRange(self.config.time_ranges.len() - 1));
        Ok(())
    }

    /// A line of a time-range.
    pub(super) fn time_range_line(&mut self, at: usize, w: &mut Words<'_, 'a>) -> Parsed<Sub> {
        let line = w.line;
        match w.take().map(|word| word.text) {
            Some("absolute") => {}
            Some("periodic") => return Ok(Sub::Done),
            _ => return Ok(Sub::NotMine),
        }
        if w.eat("start") {
            date(w)?;
        }
        if w.eat("end") {
            self.config.time_ranges[at].end = Some((date(w)?, line));
        }
        w.end()?;
        Ok(Sub::Done)
    }

    /// `ip local pool` and `ipv6 local pool`, three words taken.
    pub(super) fn pool(&mut self, w: &mut Words<'_, 'a>) -> Parsed<()> {
        w.name("the name of a pool")?;
        let word = w.name("a range of addresses")?;
        let addresses = match (prefix6(word.text), word.text.split_once('-')) {
            (Some((address, length)), _) => Address::Prefix(address, length),
            (None, Some((lo, hi))) => {
                let part =
                    |text| super::super::words::host(super::super::ast::Named { text, span: word.span });
                Address::Range(part(lo), part(hi))
            }
            _ => Address::Host(super::super::words::host(word)),
        };
        self.config.vpns.push(super::super::ast::Vpn::Pool { addresses });
        Ok(())
    }
}

/// `HH:MM DAY MONTH YEAR` in minutes since 1970, local time taken for UTC.
fn date(w: &mut Words<'_, '_>) -> Parsed<i64> {
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let clock = w.peek().and_then(|word| word.split_once(':'));
    let clock = clock.and_then(|(h, m)| Some((h.parse::<i64>().ok()?, m.parse::<i64>().ok()?)));
    let Some((hours, minutes)) = clock else { return w.expected("a time of day") };
    w.take();
    let day: i64 = w.number("a day")?;
    let month = w.peek().and_then(|word| word.get(..3)).map(str::to_ascii_lowercase);
    let Some(month) = month.and_then(|word| MONTHS.iter().position(|m| *m == word)) else {
        return w.expected("a month");
    };
    w.take();
    let year: u16 = w.number("a year")?;
    Ok(days(year.into(), month as i64 + 1, day) * 1440 + hours * 60 + minutes)
}

/// Days from 1970-01-01 to a date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Counted from March, so that the leap day is a year's last.
    let shifted = (month + 9) % 12;
    let year = year - i64::from(month <= 2);
    365 * year + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (153 * shifted + 2) / 5
        + day
        - 1
        - 719_468
}

#[cfg(test)]
mod tests {
    #[test]
    fn days_count_from_1970() {
        assert_eq!(super::days(1970, 1, 1), 0);
        assert_eq!(super::days(2000, 3, 1), 11_017);
        assert_eq!(super::days(2024, 2, 29), 19_782);
    }
}
