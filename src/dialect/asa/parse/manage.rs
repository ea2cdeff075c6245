//! The top level: what each command that is in the tree says, above all about traffic to the box itself.
//!
//! Source: *Cisco ASA Series Command Reference*, `ssh`, `telnet`, `http`, `http server enable`,
//! `snmp-server host`, `icmp`, `ipv6 icmp`, `management-access`, `sysopt connection permit-vpn`,
//! `same-security-traffic`, `crypto map`, `webvpn`.

use super::super::ast::{
    Access, Action, Address, BoxService, ClearText, Icmp, IcmpRule, Listener, Named, Vpn,
};
use super::super::literals;
use super::super::words::{Parsed, Words, prefix6, v4};
use super::acl::icmp_type;
use super::{Block, Parser, Sub};

/// All ports, and protocols without ports.
const ALL: (u16, u16) = (0, u16::MAX);

impl<'a> Parser<'a> {
    /// Reads a command that is in the tree; false where it is not one.
    pub(super) fn known(&mut self, w: &mut Words<'_, 'a>, negated: bool) -> Parsed<bool> {
        let Some(word) = w.take() else { return Ok(false) };
        if negated {
            return self.negated(word.text, w);
        }
        match word.text {
            "ASA" | "PIX" | "NGFW" => return self.version(word.text, w),
            "access-group" => self.access_group(w)?,
            "interface" => self.interface(w)?,
            "name" => self.name(w)?,
            "object" => return self.object(w),
            "object-group" => self.object_group(w)?,
            "nat" => self.nat(w)?,
            "global" if w.peek().is_some_and(|word| word.starts_with('(')) => self.global(w)?,
            "static" if w.peek().is_some_and(|word| word.starts_with('(')) => self.static_nat(w)?,
            "nat-control" => self.config.nat_control = Some(w.line),
            "route" => self.route(w)?,
            "class-map" => return self.class_map(w),
            "policy-map" => return self.policy_map(w),
            "service-policy" => self.service_policy(w)?,
            "time-range" => self.time_range(w)?,
            "telnet" => return self.access(w, BoxService::Telnet),
            "ssh" if w.peek() == Some("version") => {
                self.config.clear_text.retain(|(_, said)| *said != ClearText::FirstSsh);
                if w.peek_at(1) == Some("1") {
                    self.config.clear_text.push((w.line, ClearText::FirstSsh));
                }
                return Ok(false);
            }
            "ssh" => return self.access(w, BoxService::Ssh),
            "http" => return self.http(w),
            "snmp-server" => return self.snmp(w),
            "icmp" => return self.icmp_rule(w, false),
            "ipv6" => return self.ipv6(w),
            "ip" if w.peek() == Some("access-list") => return self.of_ios(w),
            "ip" if w.eat("local") && w.eat("pool") => self.pool(w)?,
            "firewall" if w.eat("transparent") => self.config.transparent = true,
            "same-security-traffic" => self.same_security(w)?,
            "management-access" => self.config.management_access = Some(w.name("the name of an interface")?),
            "crypto" => return self.crypto(w),
            "webvpn" => {
                self.open(Block::Webvpn);
                self.config.mentions.insert("webvpn");
            }
            "dhcpd" if w.eat("enable") => self.listener(w, "the DHCP server", (17, 67, 67)),
            "dhcprelay" if w.eat("enable") => self.listener(w, "the DHCP relay", (17, 67, 67)),
            "router" => return self.router(w),
            "established" => {
                let line = Named { text: self.text_of(w.line), span: w.line };
                self.config.established.push(line);
            }
            "service" => return Ok(self.resets(w, false)),
            "ip" if w.eat("verify") && w.eat("reverse-path") => {
                w.keyword("interface")?;
                let line = w.line;
                self.config.reverse_path.push((w.name("the name of an interface")?, line));
            }
            "timeout" => self.timeouts(w),
            "multicast-routing" => self.config.multicast = Some(w.line),
            "aaa" => return self.aaa(w),
            "clear" => return Ok(self.clear(w)),
            _ => return Ok(false),
        }
        if !matches!(word.text, "interface" | "object" | "object-group" | "time-range" | "webvpn" | "nat") {
            self.close_unless_opened();
        }
        Ok(true)
    }

    /// `timeout conn 1:00:00 half-closed 0:10:00 udp 0:02:00`
    fn timeouts(&mut self, w: &mut Words<'_, 'a>) {
        while let (Some(of), Some(time)) = (w.take(), w.take()) {
            if let Some(seconds) = seconds(time.text) {
                self.config.timeouts.push((of.text, seconds, of.span.to(time.span)));
            }
        }
    }

    /// A line of IOS, whose access-lists are written otherwise.
    pub(super) fn of_ios<T>(&mut self, w: &Words<'_, 'a>) -> Parsed<T> {
        w.expected("a command of an ASA, not one of IOS")
    }

    /// Commands of one line leave no block open.
    fn close_unless_opened(&mut self) {
        if matches!(self.block, Block::Other(_)) {
            self.close();
        }
    }

    /// `service resetinbound`, `resetoutbound` and `resetoutside`; false for other services.
    ///
    /// *Command Reference*, `service`: outbound resets are on unless taken back.
    pub(super) fn resets(&mut self, w: &mut Words<'_, 'a>, negated: bool) -> bool {
        let Some(word) = w.take() else { return false };
        let interface = if w.eat("interface") { w.take().map(|name| name.text) } else { None };
        let resets = &mut self.config.resets;
        let (list, add) = match word.text {
            "resetinbound" => (&mut resets.inbound, !negated),
            "resetoutbound" => (&mut resets.no_outbound, negated),
            "resetoutside" => {
                resets.outside = (!negated).then_some(w.line);
                return true;
            }
            _ => return false,
        };
        list.retain(|known| interface.is_some() && *known != interface);
        if add {
            list.push(interface);
        }
        true
    }

    fn same_security(&mut self, w: &mut Words<'_, 'a>) -> Parsed<()> {
        let line = w.line;
        w.keyword("permit")?;
        if w.eat("inter-interface") {
            self.config.inter_interface = Some(line);
        } else {
            w.keyword("intra-interface").or_else(|_| w.expected("`inter-interface` or `intra-interface`"))?;
            self.config.intra_interface = Some(line);
        }
        w.end()
    }

    /// `ssh`, `telnet` and `http` with an address; false for their other forms.
    fn access(&mut self, w: &mut Words<'_, 'a>, service: BoxService) -> Parsed<bool> {
        let span = w.line;
        let Some(word) = w.peek() else { return Ok(false) };
        let from = if let Some((address, length)) = prefix6(word) {
            w.take();
            Address::Prefix(address, length)
        } else if w.peek_at(1).and_then(v4).is_some() && w.peek_at(2).is_some() {
            self.address(w)?
        } else {
            return Ok(false);
        };
        let interface = w.name("the name of an interface")?;
        let secure = matches!(service, BoxService::Http | BoxService::Ssh);
        self.config.accesses.push(Access { span, service, from, interface, secure });
        Ok(true)
    }

    fn http(&mut self, w: &mut Words<'_, 'a>) -> Parsed<bool> {
        let line = w.line;
        if w.eat("server") {
            if !w.eat("enable") {
                return Ok(false);
            }
            let port = w.peek().and_then(literals::port).unwrap_or(443);
            self.config.http_server = Some((port, line));
            return Ok(true);
        }
        if w.eat("redirect") {
            let port = w.peek_at(1).and_then(literals::port).unwrap_or(80);
            self.listener(w, "the HTTP redirect", (6, port, port));
            return Ok(true);
        }
        self.access(w, BoxService::Http)
    }

    /// `snmp-server host`: the manager may poll, unless the line says `trap`.
    fn snmp(&mut self, w: &mut Words<'_, 'a>) -> Parsed<bool> {
        let span = w.line;
        if w.peek() == Some("community") {
            // Behind it may stand how the text is written.
            let text = w.peek_at(2).or(w.peek_at(1));
            if matches!(text, Some("public" | "private")) {
                self.config.clear_text.push((span, ClearText::KnownCommunity));
            }
            return Ok(false);
        }
        let group = w.peek() == Some("host-group");
        if !group && w.peek() != Some("host") {
            return Ok(false);
        }
        w.take();
        let interface = w.name("the name of an interface")?;
        let from = if group {
            Address::Object(w.name("the name of an object")?)
        } else {
            Address::Host(w.host("an address")?)
        };
        if w.peek() != Some("trap") {
            let secure = w.has_pair("version", "3");
            self.config.accesses.push(Access { span, service: BoxService::Snmp, from, interface, secure });
        }
        Ok(true)
    }

    /// `icmp` and `ipv6 icmp`, the words taken; false for `icmp unreachable`.
    fn icmp_rule(&mut self, w: &mut Words<'_, 'a>, v6: bool) -> Parsed<bool> {
        let span = w.line;
        let action = match w.peek() {
            Some("permit") => Action::Permit,
            Some("deny") => Action::Deny,
            _ => return Ok(false),
        };
        w.take();
        let from = self.address(w)?;
        let icmp = if w.peek_at(1).is_some() { icmp_type(w, v6)? } else { Icmp::Any };
        let interface = w.name("the name of an interface")?;
        w.end()?;
        self.config.icmp_rules.push(IcmpRule { span, action, v6, from, icmp, interface });
        Ok(true)
    }

    fn ipv6(&mut self, w: &mut Words<'_, 'a>) -> Parsed<bool> {
        match w.take().map(|word| word.text) {
            Some("access-list") => self.ipv6_access_list(w)?,
            Some("icmp") => return self.icmp_rule(w, true),
            Some("route") => self.route(w)?,
            Some("local") if w.eat("pool") => self.pool(w)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn listener(&mut self, w: &mut Words<'_, 'a>, what: &'static str, traffic: (u8, u16, u16)) {
        let span = w.line;
        let interface = w.take();
        self.config.listeners.push(Listener { span, what, interface, traffic });
    }

    fn router(&mut self, w: &mut Words<'_, 'a>) -> Parsed<bool> {
        let span = w.line;
        let (what, traffic) = match w.peek() {
            Some("ospf") => ("OSPF", (89, ALL.0, ALL.1)),
            Some("eigrp") => ("EIGRP", (88, ALL.0, ALL.1)),
            Some("rip") => ("RIP", (17, 520, 520)),
            Some("bgp") => ("BGP", (6, 179, 179)),
            _ => return Ok(false),
        };
        self.config.listeners.push(Listener { span, what, interface: None, traffic });
        // The block itself is of no interest.
        Ok(false)
    }

    fn crypto(&mut self, w: &mut Words<'_, 'a>) -> Parsed<bool> {
        if w.eat("map") {
            return self.crypto_map(w);
        }
        if (w.eat("isakmp") || w.eat("ikev1") || w.eat("ikev2")) && w.eat("enable") {
            let span = w.line;
            let interface = w.take();
            for (what, traffic) in
                [("IKE", (17, 500, 500)), ("IPsec over UDP", (17, 4500, 4500)), ("IPsec", (50, ALL.0, ALL.1))]
            {
                self.config.listeners.push(Listener { span, what, interface, traffic });
            }
            return Ok(true);
        }
        Ok(false)
    }

    fn crypto_map(&mut self, w: &mut Words<'_, 'a>) -> Parsed<bool> {
        let map = w.name("the name of a crypto map")?.text;
        if w.eat("interface") {
            let interface = w.name("the name of an interface")?;
            self.config.vpns.push(Vpn::Interface { map, interface });
            return Ok(true);
        }
        if w.take().is_none() {
            return Ok(false);
        }
        if w.eat("match") && w.eat("address") {
            let acl = w.name("the name of an access-list")?;
            self.config.vpns.push(Vpn::Match { map, acl });
        } else if w.eat("ipsec-isakmp") && w.eat("dynamic") {
            self.config.vpns.push(Vpn::Dynamic { map });
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// A line of `webvpn`.
    pub(super) fn webvpn_line(&mut self, w: &mut Words<'_, 'a>) -> Parsed<Sub> {
        if w.eat("port") {
            self.webvpn_port = w.number("a port")?;
            return Ok(Sub::Done);
        }
        if w.peek() != Some("enable") || w.peek_at(1).is_none() {
            return Ok(Sub::NotMine);
        }
        w.take();
        let (span, interface, port) = (w.line, w.name("the name of an interface")?, self.webvpn_port);
        self.config.vpns.push(Vpn::Remote { interface });
        for (what, protocol) in [("the VPN portal", 6), ("the VPN over UDP", 17)] {
            let traffic = (protocol, port, port);
            self.config.listeners.push(Listener { span, what, interface: Some(interface), traffic });
        }
        Ok(Sub::Done)
    }

    fn aaa(&mut self, w: &mut Words<'_, 'a>) -> Parsed<bool> {
        let line = w.line;
        if w.eat("authentication") && matches!(w.peek(), Some("match" | "include" | "listener")) {
            self.config.cut_through = Some(line);
        }
        // The table says that it is not in the model.
        Ok(false)
    }
}

/// `hh:mm:ss`, or `0` for never.
fn seconds(text: &str) -> Option<u32> {
    if text == "0" {
        return Some(0);
    }
    let mut total = 0u32;
    let mut parts = 0;
    for part in text.split(':') {
        total = total.checked_mul(60)?.checked_add(part.parse().ok()?)?;
        parts += 1;
    }
    (parts == 3).then_some(total)
}
