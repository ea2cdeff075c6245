//! Which interface leads where, as far as connected networks and static routes tell.
//!
//! A default route is left out: what it covers may be elsewhere by a route that is learned. So is
//! everything where policy routing decides.

use rustc_hash::FxHashMap;

use super::super::ast::Address;
use super::Lower;
use crate::model::{Behind, ChainId, Condition, Origin, Test, Verdict};
use crate::packet::{Family, Field, Set, interface};

/// A network and an interface behind which it lies.
type Network<'a> = (u128, u128, &'a str);

impl<'c, 'a> Lower<'c, 'a> {
    /// What lies behind which interfaces.
    pub(super) fn routes(&mut self) {
        if self.config.transparent || self.config.mentions.contains("policy-route") {
            return;
        }
        for family in [Family::V4, Family::V6] {
            for (names, addresses) in owners(self.networks(family)) {
                let interfaces = Set::of(names.into_iter().map(|name| (interface(name), interface(name))));
                self.b.ruleset().behind.push(Behind { family, addresses, interfaces });
            }
        }
    }

    /// Packets that come in where their source does not lie. That is known of the addresses of networks and static
    /// routes, unless routes are learned, or the packet comes through a tunnel; the others may lie anywhere.
    ///
    /// *Command Reference*, `ip verify reverse-path`: the first packet of a connection is looked up, and dropped where
    /// the route to its source leads elsewhere.
    pub(super) fn spoofed(&mut self, chain: ChainId) {
        let config = self.config;
        let tunnels = self.vpn_interfaces();
        for (checked, span) in &config.reverse_path {
            let own = self.lies_behind(checked.text, true);
            for (field, elsewhere) in self.lies_behind(checked.text, false) {
                self.on(Field::Iif, checked.text);
                self.within(field, elsewhere);
                if tunnels.contains(&checked.text) {
                    self.tunnelled(checked.text, true);
                }
                self.verdict(chain, Verdict::Drop, Origin::setting(*span));
            }
            let condition = Condition::forgery(format!("reverse-path {}", checked.text), false);
            let cond = self.b.condition(condition);
            let sides: &[Field] = if own.is_empty() { &[] } else { &[Field::Src4, Field::Src6] };
            for side in sides.iter().copied().map(Some).chain(own.is_empty().then_some(None)) {
                self.on(Field::Iif, checked.text);
                if let Some(field) = side {
                    let known = own.iter().find(|(of, _)| *of == field);
                    let known = known.map_or_else(Set::empty, |(_, set)| set.clone());
                    self.within(field, Set::range(0, field.last()).minus(&known));
                }
                self.b.test(Test::Unknown { cond, negate: false });
                self.verdict(chain, Verdict::Drop, Origin::setting(*span));
            }
        }
    }

    /// The sources that lie behind an interface for certain, or certainly do not.
    fn lies_behind(&mut self, name: &str, own: bool) -> Vec<(Field, Set)> {
        let config = self.config;
        let learns = config.listeners.iter().any(|of| matches!(of.what, "OSPF" | "EIGRP" | "RIP" | "BGP"));
        // Members of a bridge-group share the network of its BVI.
        let bridged = config.interfaces.iter().any(|of| of.bridge_group.is_some());
        if learns || bridged {
            return Vec::new();
        }
        let ends = self.interface_set(name);
        let mut out = Vec::new();
        for family in [Family::V4, Family::V6] {
            let behind = self.b.ruleset().behind.iter().filter(|of| of.family == family);
            let ranges = behind.filter(|of| of.interfaces.meets(&ends) == own);
            let set = Set::of(ranges.flat_map(|of| of.addresses.ranges().iter().copied()));
            if !set.is_empty() {
                out.push((Field::src(family), set));
            }
        }
        out
    }

    fn networks(&mut self, family: Family) -> Vec<Network<'a>> {
        let config = self.config;
        let mut out = Vec::new();
        for interface in config.interfaces.iter().filter(|interface| !interface.shutdown) {
            let Some(name) = interface.name else { continue };
            match family {
                Family::V4 => {
                    if let Some((host, mask)) = interface.v4
                        && let Some((Family::V4, address)) = self.resolver.host(host)
                    {
                        let (lo, hi) = family.prefix(address, mask.leading_ones());
                        out.push((lo, hi, name.text));
                    }
                }
                Family::V6 => out.extend(interface.v6.iter().map(|(address, length)| {
                    let (lo, hi) = family.prefix(*address, (*length).into());
                    (lo, hi, name.text)
                })),
            }
        }
        for route in &config.routes {
            let to = match route.to {
                Address::Net(..) | Address::Prefix(..) => self.resolver.address(route.to),
                _ => continue,
            };
            let set = if family == Family::V4 { to.v4 } else { to.v6 };
            if let [(lo, hi)] = *set.ranges()
                && (lo, hi) != (0, family.last())
            {
                out.push((lo, hi, route.interface.text));
            }
        }
        out
    }
}

/// For each set of interfaces the addresses whose closest network lies behind just these.
fn owners(mut networks: Vec<Network<'_>>) -> Vec<(Vec<&str>, Set)> {
    // Networks lie within each other or apart: sorted, the closest one is on top of a stack.
    networks.sort_unstable_by_key(|(lo, hi, name)| (*lo, u128::MAX - hi, *name));
    networks.dedup();
    let mut nested: Vec<(u128, u128, Vec<&str>)> = Vec::new();
    for (lo, hi, name) in networks {
        match nested.last_mut() {
            Some(last) if (last.0, last.1) == (lo, hi) => last.2.push(name),
            _ => nested.push((lo, hi, vec![name])),
        }
    }
    let mut found: FxHashMap<Vec<&str>, Vec<(u128, u128)>> = FxHashMap::default();
    let mut stack: Vec<(u128, Vec<&str>)> = Vec::new();
    let mut from = 0u128;
    let mut close = |stack: &mut Vec<(u128, Vec<_>)>, from: &mut u128, below: Option<u128>| {
        while let Some((hi, _)) = stack.last()
            && below.is_none_or(|below| *hi < below)
        {
            if let Some((hi, names)) = stack.pop() {
                if *from <= hi {
                    found.entry(names).or_default().push((*from, hi));
                }
                *from = (*from).max(hi.saturating_add(1));
            }
        }
        if let (Some((_, names)), Some(below)) = (stack.last(), below)
            && *from < below
        {
            found.entry(names.clone()).or_default().push((*from, below - 1));
        }
    };
    for (lo, hi, names) in nested {
        close(&mut stack, &mut from, Some(lo));
        from = lo;
        stack.push((hi, names));
    }
    close(&mut stack, &mut from, None);
    let mut out: Vec<_> = found.into_iter().map(|(names, ranges)| (names, Set::of(ranges))).collect();
    out.sort_by(|a, b| a.0.cmp(&b.0));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_network_decides() {
        let networks = vec![
            (0x0a00_0000, 0x0aff_ffff, "in"),
            (0x0a01_0000, 0x0a01_ffff, "dmz"),
            (0x0a01_0200, 0x0a01_02ff, "in"),
            (5, 5, "out"),
        ];
        let found = owners(networks);
        let set = |name: &str| found.iter().find(|(names, _)| names == &[name]).unwrap().1.clone();
        assert_eq!(set("dmz"), Set::of([(0x0a01_0000, 0x0a01_01ff), (0x0a01_0300, 0x0a01_ffff)]));
        assert_eq!(
            set("in"),
            Set::of([(0x0a00_0000, 0x0a00_ffff), (0x0a01_0200, 0x0a01_02ff), (0x0a02_0000, 0x0aff_ffff)])
        );
        assert_eq!(set("out"), Set::one(5));
    }
}
