//! What reading a configuration costs grows with its size: each kind of line at one size and at four times
//! that size, in CPU time.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::fmt::Write;
use std::time::{Duration, Instant};

use pinhole::dialect::{Dialect, Environment, load};
use pinhole::source::SourceMap;

/// The kernel counts CPU time in ticks.
const GRAIN: Duration = Duration::from_millis(8);
/// Four times the size may cost this many times as much.
const FACTOR: f64 = 6.0;
/// Below this a run is too short to tell.
const SHORT: Duration = Duration::from_millis(40);

type Kind = (&'static str, usize, fn(&mut String, usize));

/// Names of kinds, their size, and what makes the lines.
const KINDS: &[Kind] = &[
    ("interfaces", 600, |out, n| (0..n).for_each(|i| interface(out, i, None))),
    ("interfaces of few levels", 600, |out, n| (0..n).for_each(|i| interface(out, i * 200, None))),
    ("bridge-groups", 600, |out, n| {
        for i in 0..n {
            interface(out, i, Some(i / 4));
            if i % 4 == 0 {
                let group = i / 4;
                line(
                    out,
                    format!("interface BVI{group}\n nameif bridge{group}\n security-level {}", i % 101),
                );
                line(out, format!("access-list b{group} extended permit ip any any"));
                line(out, format!("access-group b{group} in interface bridge{group}"));
            }
        }
    }),
    ("bindings", 500, |out, n| {
        for i in 0..n {
            interface(out, i, None);
            line(out, format!("access-list l{i} extended deny tcp any any eq 80"));
            line(out, format!("access-group l{i} in interface if{i}\naccess-group l{i} out interface if{i}"));
        }
    }),
    ("one list on many interfaces", 500, |out, n| {
        line(out, "access-list all extended deny tcp any host 10.0.0.1 eq 80");
        for i in 0..n {
            interface(out, i, None);
            line(out, format!("access-group all in interface if{i}"));
        }
    }),
    ("entries", 3000, |out, n| (0..n).for_each(|i| entry(out, i))),
    ("numbered entries", 2000, |out, n| {
        (0..n).for_each(|i| {
            line(out, format!("access-list a line {} extended permit tcp any host {}", i / 2 + 1, ip(i)))
        });
    }),
    ("entries taken out", 1500, |out, n| {
        (0..n).for_each(|i| entry(out, i));
        (0..n).for_each(|i| {
            line(out, format!("no access-list a extended permit tcp any host {} eq 80", ip(i)))
        });
    }),
    ("entries put in and taken out", 1000, |out, n| {
        for i in 0..n {
            line(out, format!("access-list a line 1 extended permit tcp any host {} eq 80", ip(i)));
            if i % 2 == 0 {
                line(out, format!("no access-list a extended permit tcp any host {} eq 80", ip(i)));
            }
        }
    }),
    ("elements taken out", 1500, |out, n| {
        line(out, "object-group network g");
        (0..n).for_each(|i| line(out, format!(" network-object host {}", ip(i))));
        (0..n).for_each(|i| line(out, format!(" no network-object host {}", ip(i))));
    }),
    ("lists cleared", 1500, |out, n| {
        for i in 0..n {
            entry(out, i);
            line(out, "clear configure access-list a\nclear configure ssh");
        }
    }),
    ("lists renamed", 1500, |out, n| {
        for i in 0..n {
            line(out, format!("access-list r{i} extended permit ip any any"));
            line(out, format!("access-list r{i} rename s{i}"));
        }
    }),
    ("broken entries", 1500, |out, n| {
        (0..n)
            .for_each(|i| line(out, format!("access-list a extended permit tcp any host {} eq 8\n0", ip(i))));
    }),
    ("unread entries", 1500, |out, n| {
        (0..n).for_each(|i| line(out, format!("access-list a moonlit permit tcp any host {}", ip(i))));
    }),
    ("static objects", 1000, |out, n| {
        two_interfaces(out);
        for i in 0..n {
            line(
                out,
                format!(
                    "object network o{i}\n host {}\n nat (inside,outside) static {}",
                    ip(i),
                    ip(i + (1 << 20))
                ),
            );
        }
        line(out, "access-list a extended permit ip any any\naccess-group a in interface outside");
    }),
    ("port translations of one address", 1000, |out, n| {
        two_interfaces(out);
        for i in 0..n {
            line(out, format!("object network o{i}\n host {}", ip(i)));
            line(out, format!(" nat (inside,outside) static interface service tcp 80 {}", 1024 + i));
            line(out, format!("access-list a extended permit tcp any host 198.51.100.1 eq {}", 1024 + i));
        }
        line(out, "access-group a in interface outside");
    }),
    ("twice NAT", 800, |out, n| {
        two_interfaces(out);
        for i in 0..n {
            line(
                out,
                format!(
                    "object network o{i}\n host {}\nobject network p{i}\n host {}",
                    ip(i),
                    ip(i + (1 << 20))
                ),
            );
            line(out, format!("nat (inside,outside) source static o{i} p{i} destination static p{i} o{i}"));
        }
    }),
    ("static of 8.2", 1000, |out, n| {
        line(out, "ASA Version 8.2(5)\naccess-list p extended permit ip host 10.0.0.1 any");
        two_interfaces(out);
        for i in 0..n {
            line(
                out,
                format!("static (inside,outside) {} {} netmask 255.255.255.255", ip(i + (1 << 20)), ip(i)),
            );
            line(out, format!("nat (inside) {} {} 255.255.255.255", i + 1, ip(i)));
            line(out, format!("global (outside) {} {}", i + 1, ip(i + (1 << 20))));
        }
    }),
    ("groups in groups", 1500, |out, n| {
        for i in 0..n {
            line(
                out,
                format!("object-group network g{i}\n network-object host 10.0.0.1\n group-object g{}", i + 1),
            );
        }
    }),
    ("domain names", 1500, |out, n| {
        line(out, "object-group network g");
        (0..n).for_each(|i| line(out, format!(" network-object object o{i}")));
        (0..n).for_each(|i| line(out, format!("object network o{i}\n fqdn h{i}.example.com")));
        line(out, "access-list a extended permit tcp object-group g object-group g");
    }),
    ("masks with holes", 1000, |out, n| {
        line(out, "object-group network g");
        (0..n).for_each(|i| line(out, format!(" network-object {} 0.0.255.255", ip(i))));
        line(out, "access-list a extended permit tcp object-group g object-group g");
    }),
    ("services", 1000, |out, n| {
        line(out, "object-group service s");
        (0..n).for_each(|i| {
            line(out, format!(" service-object tcp source eq {} destination eq {}", i + 1, i + 2))
        });
        (0..n).for_each(|_| line(out, "access-list a extended permit object-group s any host 10.0.0.1"));
    }),
    ("services of the box", 1000, |out, n| {
        for i in 0..n {
            interface(out, i, None);
            line(
                out,
                format!(
                    "ssh 10.0.0.0 255.0.0.0 if{i}\ntelnet 10.0.0.0 255.0.0.0 if{i}\nicmp permit any if{i}"
                ),
            );
        }
    }),
    ("time-ranges", 1500, |out, n| {
        for i in 0..n {
            line(out, format!("time-range t{i}\n absolute end 12:00 1 January 2020"));
            line(out, format!("access-list a extended permit ip any host {} time-range t{i}", ip(i)));
        }
    }),
    ("class-maps", 800, |out, n| {
        (0..n).for_each(|i| line(out, format!("class-map c{i}\n match port tcp eq {}", i + 1)));
        line(out, "policy-map p");
        (0..n).for_each(|i| {
            line(
                out,
                format!(" class c{i}\n  inspect sip\n  set connection advanced-options tcp-state-bypass"),
            )
        });
        line(out, "service-policy p global");
    }),
    ("crypto maps", 800, |out, n| {
        for i in 0..n {
            line(out, format!("access-list v{i} extended permit ip host {} any", ip(i)));
            line(out, format!("crypto map m {i} match address v{i}"));
        }
        two_interfaces(out);
        line(out, "crypto map m interface outside");
    }),
    ("filters of tunnels", 1000, |out, n| {
        two_interfaces(out);
        line(out, "webvpn\n enable outside\naccess-list f extended permit ip any any");
        for i in 0..n {
            line(out, format!("ip local pool p{i} {}", ip(i)));
            line(out, format!("group-policy g{i} attributes\n vpn-filter value f"));
        }
    }),
    ("rules of FTD", 1500, |out, n| {
        for i in 0..n {
            line(out, format!("access-list a remark rule-id {i}: L7 RULE: rule {i}"));
            line(
                out,
                format!("access-list a advanced permit tcp ifc in any ifc out host {} rule-id {i}", ip(i)),
            );
        }
        line(out, "access-group a global");
    }),
    ("routes", 1500, |out, n| {
        two_interfaces(out);
        (0..n).for_each(|i| line(out, format!("route inside {} 255.255.255.255 10.1.1.2", ip(i))));
    }),
    ("unknown lines", 2000, |out, n| (0..n).for_each(|i| line(out, format!("frobnicate {i}")))),
];

fn line(out: &mut String, text: impl AsRef<str>) {
    writeln!(out, "{}", text.as_ref()).unwrap();
}

fn ip(i: usize) -> String {
    format!("10.{}.{}.{}", i >> 16, i >> 8 & 255, i & 255)
}

fn entry(out: &mut String, i: usize) {
    line(out, format!("access-list a extended permit tcp any host {} eq 80", ip(i)));
}

fn interface(out: &mut String, i: usize, group: Option<usize>) {
    line(out, format!("interface GigabitEthernet0/{i}\n nameif if{i}\n security-level {}", i % 101));
    match group {
        Some(group) => line(out, format!(" bridge-group {group}")),
        None => line(out, format!(" ip address {} 255.255.255.0", ip(i << 8))),
    }
}

fn two_interfaces(out: &mut String) {
    line(
        out,
        "interface Ethernet0\n nameif outside\n security-level 0\n ip address 198.51.100.1 255.255.255.0",
    );
    line(
        out,
        "interface Ethernet1\n nameif inside\n security-level 100\n ip address 10.255.0.1 255.255.255.0",
    );
}

/// CPU time of this thread, or what the clock says where that is not known.
fn spent(start: Instant) -> Duration {
    let used = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = used.and_then(|text| text.split(' ').next()?.parse().ok());
    nanos.map_or_else(|| start.elapsed(), Duration::from_nanos)
}

/// The least CPU time of a few runs, and the number of steps that come out.
fn cost(kind: &Kind, size: usize) -> (Duration, usize) {
    let mut text = String::new();
    (kind.2)(&mut text, size);
    let start = Instant::now();
    let run = || {
        let before = spent(start);
        let mut sources = SourceMap::new();
        let id = sources.add("config", text.clone().into_bytes()).unwrap();
        let loaded = load(Dialect::Asa, &mut sources, &[id], &Environment::default());
        (spent(start).saturating_sub(before), loaded.ruleset.steps.len())
    };
    let runs = [run(), run()];
    (runs[0].0.min(runs[1].0), runs[0].1)
}

#[test]
fn four_times_the_lines_cost_little_more_than_four_times_as_much() {
    let mut wrong = Vec::new();
    for kind in KINDS {
        let (once, steps) = cost(kind, kind.1);
        let (more, more_steps) = cost(kind, 4 * kind.1);
        let factor = more.as_secs_f64() / (once + GRAIN).as_secs_f64();
        if more > SHORT && factor > FACTOR {
            wrong.push(format!("{}: {once:?} and {more:?}, {factor:.1} times", kind.0));
        }
        if more_steps as f64 > FACTOR * (steps.max(100) as f64) {
            wrong.push(format!("{}: {steps} and {more_steps} steps", kind.0));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
