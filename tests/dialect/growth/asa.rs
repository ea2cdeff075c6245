//! What a Cisco ASA's config can hold many of.

use super::{Kind, address, lines};

fn interface(at: usize) -> String {
    format!(
        "interface GigabitEthernet0/{at}\n nameif if{at}\n security-level {}\n ip address {} 255.255.255.0",
        at % 101,
        address(at << 8)
    )
}

fn entry(at: usize) -> String {
    format!("access-list a extended permit tcp any host {} eq 80", address(at))
}

/// An object of one address, with what follows in it.
fn object(at: usize, more: &str) -> String {
    format!("object network o{at}\n host {}{more}", address(at))
}

/// A second address for each one.
fn mapped(at: usize) -> String {
    address(at + (1 << 20))
}

const TWO_INTERFACES: &str = "\
    interface Ethernet0\n nameif outside\n security-level 0\n ip address 198.51.100.1 255.255.255.0\n\
    interface Ethernet1\n nameif inside\n security-level 100\n ip address 10.255.0.1 255.255.255.0\n";

pub(super) const INTERFACES: &[Kind] = &[
    ("interfaces", 200, |n| lines(n, interface)),
    ("interfaces of few levels", 200, |n| lines(n, |at| interface(at * 200))),
    ("bridge-groups", 200, |n| {
        lines(n, |at| {
            let group = at / 4;
            let member = format!(
                "interface GigabitEthernet0/{at}\n nameif if{at}\n security-level {}\n bridge-group {group}",
                at % 101
            );
            if at % 4 != 0 {
                return member;
            }
            format!(
                "{member}\ninterface BVI{group}\n nameif bridge{group}\n security-level {}\n\
                 access-list b{group} extended permit ip any any\naccess-group b{group} in interface bridge{group}",
                at % 101
            )
        })
    }),
    ("bindings", 100, |n| {
        lines(n, |at| {
            format!(
                "{}\naccess-list l{at} extended deny tcp any any eq 80\n\
                 access-group l{at} in interface if{at}\naccess-group l{at} out interface if{at}",
                interface(at)
            )
        })
    }),
    ("one list on many interfaces", 100, |n| {
        "access-list all extended deny tcp any host 10.0.0.1 eq 80\n".to_string()
            + &lines(n, |at| format!("{}\naccess-group all in interface if{at}", interface(at)))
    }),
    ("services of the box", 100, |n| {
        lines(n, |at| {
            format!(
                "{}\nssh 10.0.0.0 255.0.0.0 if{at}\ntelnet 10.0.0.0 255.0.0.0 if{at}\nicmp permit any if{at}",
                interface(at)
            )
        })
    }),
    ("routes", 1500, |n| {
        TWO_INTERFACES.to_string()
            + &lines(n, |at| format!("route inside {} 255.255.255.255 10.1.1.2", address(at)))
    }),
];

/// Entries that are written, changed and taken back.
pub(super) const LISTS: &[Kind] = &[
    ("entries", 2000, |n| lines(n, entry)),
    ("bound entries", 1000, |n| {
        TWO_INTERFACES.to_string() + &lines(n, entry) + "access-group a in interface outside\n"
    }),
    ("numbered entries", 1000, |n| {
        lines(n, |at| {
            format!("access-list a line {} extended permit tcp any host {}", at / 2 + 1, address(at))
        })
    }),
    ("entries taken out", 1000, |n| lines(n, entry) + &lines(n, |at| format!("no {}", entry(at)))),
    ("entries put in and taken out", 1000, |n| {
        lines(n, |at| {
            let rest = format!("extended permit tcp any host {} eq 80", address(at));
            let put = format!("access-list a line 1 {rest}");
            if at % 2 == 0 { format!("{put}\nno access-list a {rest}") } else { put }
        })
    }),
    ("elements taken out", 1000, |n| {
        "object-group network g\n".to_string()
            + &lines(n, |at| format!(" network-object host {}", address(at)))
            + &lines(n, |at| format!(" no network-object host {}", address(at)))
    }),
    ("lists cleared", 1000, |n| {
        lines(n, |at| format!("{}\nclear configure access-list a\nclear configure ssh", entry(at)))
    }),
    ("lists renamed", 1000, |n| {
        lines(n, |at| format!("access-list r{at} extended permit ip any any\naccess-list r{at} rename s{at}"))
    }),
    ("broken entries", 1000, |n| {
        lines(n, |at| format!("access-list a extended permit tcp any host {} eq 8\n0", address(at)))
    }),
    ("unread entries", 1000, |n| {
        lines(n, |at| format!("access-list a moonlit permit tcp any host {}", address(at)))
    }),
    ("unknown lines", 2000, |n| lines(n, |at| format!("frobnicate {at}"))),
    ("rules of FTD", 500, |n| {
        lines(n, |at| {
            format!(
                "access-list a remark rule-id {at}: L7 RULE: rule {at}\n\
                 access-list a advanced permit tcp ifc in any ifc out host {} rule-id {at}",
                address(at)
            )
        }) + "access-group a global\n"
    }),
    ("time-ranges", 500, |n| {
        lines(n, |at| {
            format!(
                "time-range t{at}\n absolute end 12:00 1 January 2020\n\
                 access-list a extended permit ip any host {} time-range t{at}",
                address(at)
            )
        })
    }),
    ("time-ranges that bind", 100, |n| {
        TWO_INTERFACES.to_string()
            + &lines(n, |at| {
                format!(
                    "time-range t{at}\n periodic daily 9:00 to 17:00\n\
                     access-list a extended permit ip any host {} time-range t{at}",
                    address(at)
                )
            })
            + "access-group a in interface outside\n"
    }),
];

/// Objects, and what is made of them.
pub(super) const OBJECTS: &[Kind] = &[
    ("static objects", 300, |n| {
        TWO_INTERFACES.to_string()
            + &lines(n, |at| object(at, &format!("\n nat (inside,outside) static {}", mapped(at))))
            + "access-list a extended permit ip any any\naccess-group a in interface outside\n"
    }),
    ("port translations of one address", 300, |n| {
        TWO_INTERFACES.to_string()
            + &lines(n, |at| {
                let port = 1024 + at;
                let nat = format!("\n nat (inside,outside) static interface service tcp 80 {port}");
                format!(
                    "{}\naccess-list a extended permit tcp any host 198.51.100.1 eq {port}",
                    object(at, &nat)
                )
            })
            + "access-group a in interface outside\n"
    }),
    ("twice NAT", 200, |n| {
        TWO_INTERFACES.to_string()
            + &lines(n, |at| {
                format!(
                    "{}\nobject network p{at}\n host {}\n\
                     nat (inside,outside) source static o{at} p{at} destination static p{at} o{at}",
                    object(at, ""),
                    mapped(at)
                )
            })
    }),
    ("static of 8.2", 200, |n| {
        "ASA Version 8.2(5)\naccess-list p extended permit ip host 10.0.0.1 any\n".to_string()
            + TWO_INTERFACES
            + &lines(n, |at| {
                format!(
                    "static (inside,outside) {0} {1} netmask 255.255.255.255\n\
                     nat (inside) {2} {1} 255.255.255.255\nglobal (outside) {2} {0}",
                    mapped(at),
                    address(at),
                    at + 1
                )
            })
    }),
    ("groups in groups", 1000, |n| {
        lines(n, |at| {
            format!("object-group network g{at}\n network-object host 10.0.0.1\n group-object g{}", at + 1)
        })
    }),
    ("domain names", 300, |n| {
        "object-group network g\n".to_string()
            + &lines(n, |at| format!(" network-object object o{at}"))
            + &lines(n, |at| format!("object network o{at}\n fqdn h{at}.example.com"))
            + "access-list a extended permit tcp object-group g object-group g\n"
    }),
    ("masks with holes", 500, |n| {
        "object-group network g\n".to_string()
            + &lines(n, |at| format!(" network-object {} 0.0.255.255", address(at)))
            + "access-list a extended permit tcp object-group g object-group g\n"
    }),
    ("services", 500, |n| {
        "object-group service s\n".to_string()
            + &lines(n, |at| format!(" service-object tcp source eq {} destination eq {}", at + 1, at + 2))
            + &lines(n, |_| "access-list a extended permit object-group s any host 10.0.0.1".to_string())
    }),
    ("class-maps", 500, |n| {
        lines(n, |at| format!("class-map c{at}\n match port tcp eq {}", at + 1))
            + "policy-map p\n"
            + &lines(n, |at| {
                format!(" class c{at}\n  inspect sip\n  set connection advanced-options tcp-state-bypass")
            })
            + "service-policy p global\n"
    }),
    ("crypto maps", 500, |n| {
        lines(n, |at| {
            format!(
                "access-list v{at} extended permit ip host {} any\ncrypto map m {at} match address v{at}",
                address(at)
            )
        }) + TWO_INTERFACES
            + "crypto map m interface outside\n"
    }),
    ("filters of tunnels", 300, |n| {
        TWO_INTERFACES.to_string()
            + "webvpn\n enable outside\naccess-list f extended permit ip any any\n"
            + &lines(n, |at| {
                format!(
                    "ip local pool p{at} {}\ngroup-policy g{at} attributes\n vpn-filter value f",
                    address(at)
                )
            })
    }),
];
