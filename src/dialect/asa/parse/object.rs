//! `name`, `object network`, `object service` and `object-group`.
//!
//! Source: *Cisco ASA Series Command Reference*, `name`, `object network`, `object service`,
//! `object-group`.

use super::super::ast::{
    Address, Group, GroupKind, Icmp, Member, Named, NetworkObject, Ports, Protocol, Service, ServiceObject,
};
use super::super::literals;
use super::super::words::{Expected, Parsed, Words, prefix6, v4};
use super::acl::{families, icmp_type};
use super::{Block, Parser, Sub};
use crate::source::Span;

/// The kind of a group, by the words after `object-group`: kind, and what follows the name.
pub(super) fn group_kind(kind: &str, tail: Option<&str>) -> GroupKind {
    match kind {
        "network" => GroupKind::Network,
        "service" if matches!(tail, Some("tcp" | "udp" | "tcp-udp")) => GroupKind::Ports,
        "service" => GroupKind::Service,
        "protocol" => GroupKind::Protocol,
        "icmp-type" => GroupKind::Icmp,
        "user" => GroupKind::User,
        "security" => GroupKind::Security,
        _ => GroupKind::Other,
    }
}

impl<'a> Parser<'a> {
    /// `name`, the word taken.
    pub(super) fn name(&mut self, w: &mut Words<'_, 'a>) -> Parsed<()> {
        let span = w.line;
        let value = w.host("an address")?;
        let name = w.name("a name")?;
        self.config.names.insert(name.text, (value, span));
        Ok(())
    }

    /// `object`, the word taken; false where the kind is not known.
    pub(super) fn object(&mut self, w: &mut Words<'_, 'a>) -> Parsed<bool> {
        if w.eat("network") {
            let name = w.name("the name of an object")?;
            let objects = &mut self.config.objects;
            let at = *self.objects.entry(name.text).or_insert_with(|| {
                objects.push(NetworkObject { name, address: None, nat: None });
                objects.len() - 1
            });
            self.open(Block::Network(at));
        } else if w.eat("service") {
            let name = w.name("the name of an object")?;
            let services = &mut self.config.services;
            let at = *self.services.entry(name.text).or_insert_with(|| {
                services.push(ServiceObject { name, service: None });
                services.len() - 1
            });
            self.open(Block::Service(at));
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// `object-group`, the word taken.
    pub(super) fn object_group(&mut self, w: &mut Words<'_, 'a>) -> Parsed<()> {
        let kind = w.name("the kind of the group")?;
        let mut name = w.name("the name of the group")?;
        let mut group = group_kind(kind.text, w.peek());
        if group == GroupKind::Other {
            self.unsupported(
                w.line,
                format!("object-groups of kind `{}` are not in the model", kind.text),
                "Entries that name the group match or do not match: the answer depends on it.",
            );
            if let Some(last) = w.take() {
                name = last;
            }
            group = GroupKind::Other;
        }
        let groups = &mut self.config.groups;
        let at = *self.groups.entry(name.text).or_insert_with(|| {
            groups.push(Group { name, kind: group, members: Vec::new(), damaged: group == GroupKind::Other });
            groups.len() - 1
        });
        self.group_kinds.insert(name.text, group);
        self.open(Block::Group(at));
        Ok(())
    }

    /// A line of `object network`.
    pub(super) fn network_line(&mut self, at: usize, w: &mut Words<'_, 'a>) -> Parsed<Sub> {
        if w.peek() == Some("no") && w.peek_at(1) == Some("nat") {
            self.config.objects[at].nat = None;
            return Ok(Sub::Done);
        }
        let address = match w.peek() {
            Some("host") => {
                w.take();
                Address::Host(w.host("an address")?)
            }
            Some("subnet") => {
                w.take();
                subnet(w)?
            }
            Some("range") => {
                w.take();
                Address::Range(w.host("an address")?, w.host("an address")?)
            }
            Some("fqdn") => {
                w.take();
                let families = families(w);
                Address::Fqdn(w.name("a domain name")?, families)
            }
            Some("nat") if !matches!(w.peek_at(1), Some("source")) => return self.object_nat(at, w),
            _ => return Ok(Sub::NotMine),
        };
        self.config.objects[at].address = Some(address);
        w.end()?;
        Ok(Sub::Done)
    }

    /// A line of `object service`.
    pub(super) fn service_line(&mut self, at: usize, w: &mut Words<'_, 'a>) -> Parsed<Sub> {
        if !w.eat("service") {
            return Ok(Sub::NotMine);
        }
        let service = self.service(w)?;
        w.end()?;
        self.config.services[at].service = Some(service);
        Ok(Sub::Done)
    }

    /// Protocol with `source` and `destination` ports or an ICMP type; ports without a word before
    /// them are those of the destination.
    fn service(&mut self, w: &mut Words<'_, 'a>) -> Parsed<Service<'a>> {
        let mut service = Service::of(self.protocol(w)?);
        if let Protocol::Number(number @ (1 | 58)) = service.protocol
            && !w.done()
        {
            service.icmp = icmp_type(w, number == 58)?;
            return Ok(service);
        }
        if w.eat("source") {
            service.source = self.ports(w)?;
        }
        if w.eat("destination") || matches!(w.peek(), Some("eq" | "neq" | "lt" | "gt" | "range")) {
            service.destination = self.ports(w)?;
        }
        Ok(service)
    }

    /// A line of an object-group.
    pub(super) fn group_line(&mut self, at: usize, w: &mut Words<'_, 'a>) -> Parsed<Sub> {
        let line = w.line;
        let mark = w.mark();
        if w.eat("no") && w.peek().is_some_and(|word| word.ends_with("-object")) {
            self.no_member(at, w);
            return Ok(Sub::Done);
        }
        w.reset(mark);
        let Some(word) = w.take() else { return Ok(Sub::NotMine) };
        let member = match word.text {
            "network-object" => self.network_member(w),
            "group-object" => w.name("the name of an object-group").map(Member::Group),
            "service-object" => self.service_member(w),
            "port-object" => self.ports(w).map(Member::Ports),
            "protocol-object" => self.protocol(w).map(|protocol| Member::Service(Service::of(protocol))),
            "icmp-object" => icmp_member(w),
            "user" | "user-group" | "security-group" | "network-service-member" => {
                while w.take().is_some() {}
                Ok(Member::Identity)
            }
            _ => {
                w.reset(mark);
                return Ok(Sub::NotMine);
            }
        };
        let member = member.and_then(|member| w.end().map(|()| member));
        let group = &mut self.config.groups[at];
        match member {
            Ok(member) => group.members.push((line, member)),
            Err(error) => {
                group.damaged = true;
                return Err(error);
            }
        }
        Ok(Sub::Done)
    }

    fn network_member(&mut self, w: &mut Words<'_, 'a>) -> Parsed<Member<'a>> {
        let address = match w.peek() {
            Some("host") => {
                w.take();
                Address::Host(w.host("an address")?)
            }
            Some("object") => {
                w.take();
                Address::Object(w.name("the name of an object")?)
            }
            _ => subnet(w)?,
        };
        Ok(Member::Address(address))
    }

    fn service_member(&mut self, w: &mut Words<'_, 'a>) -> Parsed<Member<'a>> {
        if w.eat("object") {
            return Ok(Member::Service(Service::of(Protocol::Object(w.name("the name of an object")?))));
        }
        Ok(Member::Service(self.service(w)?))
    }
}

fn icmp_member<'a>(w: &mut Words<'_, 'a>) -> Parsed<Member<'a>> {
    let word = w.name("an ICMP type")?;
    // A group of ICMP types does not say for which family; the names of both are taken.
    let icmp = match literals::icmp_type(word.text, false).or_else(|| literals::icmp_type(word.text, true)) {
        Some(kind) => Icmp::Type(kind, None),
        None => Icmp::Unknown(word),
    };
    Ok(Member::Service(Service { protocol: Protocol::Ip, source: Ports::Any, destination: Ports::Any, icmp }))
}

/// Address and mask, or a prefix; a name alone stands for one address.
fn subnet<'a>(w: &mut Words<'_, 'a>) -> Parsed<Address<'a>> {
    let word: Named<'a> = w.name("an address")?;
    if let Some((address, length)) = prefix6(word.text) {
        return Ok(Address::Prefix(address, length));
    }
    let host = super::super::words::host(word);
    match w.take() {
        None => Ok(Address::Host(host)),
        Some(mask) => match v4(mask.text) {
            Some(mask) => Ok(Address::Net(host, mask)),
            None => Err(Expected { what: "a mask", span: Span::new(mask.span.start, mask.span.end) }),
        },
    }
}
