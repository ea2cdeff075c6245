//! Sets and maps: their elements as values, and lookups in them.

use std::rc::Rc;

use super::Lower;
use super::context::Context;
use super::lens::Lens;
use super::preimage::preimage;
use crate::dialect::nftables::config::{gives_verdicts, plain};
use crate::dialect::nftables::eval::{Eval, Fault, Spec};
use crate::dialect::nftables::syntax::{Data, Elem, Expr, ExprKind, KeyType, MapData, SetBody};
use crate::dialect::nftables::types::Type;
use crate::model::{CondId, Condition, Effect, MapEntry, MapId, Step, Test};
use crate::packet::{Field, Set};
use crate::source::Span;

/// The keys of a set as values of nft.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    /// The values, where a key has one part.
    pub single: Option<Set>,
    /// The intervals of each part, where it has more.
    pub boxes: Vec<Box<[(u128, u128)]>>,
    /// Whether there is something about it that the files do not tell.
    pub open: Option<Open>,
}

impl Keys {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.boxes.len() + self.single.as_ref().map_or(0, |set| set.ranges().len())
    }
}

/// Why it is open what is in a set or map.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Open {
    /// It is filled while it is in use: its name.
    Set(Box<str>),
    /// Something else, by name.
    Named(String),
}

/// One key of a map and what it maps to.
struct Entry<'e> {
    key: Vec<(u128, u128)>,
    data: &'e Data,
    span: Span,
}

/// What a map is to give.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Gives {
    /// Verdicts.
    Verdicts,
    /// Values.
    Values,
    /// Objects of the table, by name.
    Objects,
}

/// A verdict map that rules name: the set of a table or a variable, and whether the lookup is the last statement.
pub(super) type MapSource = ((usize, usize), bool);
/// A verdict map as it was made for a key, and the protocols that it leaves.
pub(super) type MadeMaps = Vec<(Vec<Lens>, MadeMap)>;
type MadeMap = (MapId, Option<Set>);

/// The keys of one set for each type that it is read as.
pub(super) type KeysByType = Vec<(Vec<Spec>, Rc<Keys>)>;

/// How many ways of looking a set up are kept.
pub(super) const MAX_KEYS: usize = 64;

/// The elements of a map, and the types of its key.
type Found = (Vec<Rc<Vec<Elem>>>, Vec<Spec>);

/// What came of a lookup in a map.
pub(super) enum Looked {
    /// The steps are there.
    Done,
    /// It cannot be said which entry is hit, or whether one is.
    Open(CondId),
}

impl Lower<'_> {
    /// The keys of elements.
    pub(super) fn keys(&mut self, elements: &[Elem], specs: &[Spec]) -> Eval<Keys> {
        let values = self.values;
        let mut keys = Keys::default();
        let mut single = Vec::with_capacity(if specs.len() == 1 { elements.len() } else { 0 });
        let mut faults = Vec::new();
        let visited = values.elements(elements, &mut |key, elem| {
            if elem.open {
                keys.open = Some(Open::Named("an element with a time limit".to_string()));
            }
            if let [spec] = specs {
                match values.interval(key, *spec) {
                    Ok(range) => single.push(range),
                    Err(fault) => faults.push(fault),
                }
                return Ok(());
            }
            match values.key(key, specs) {
                Ok(key) => keys.boxes.push(key.into()),
                Err(fault) => faults.push(fault),
            }
            Ok(())
        });
        faults.extend(visited.err());
        for fault in faults {
            keys.open = Some(Open::Named(self.fault(fault)));
        }
        if specs.len() == 1 {
            keys.single = Some(Set::of(single));
        }
        Ok(keys)
    }

    /// The keys of a named set, as a rule looks them up.
    pub(super) fn named_keys(
        &mut self,
        cx: &Context,
        name: &str,
        span: Span,
        lenses: &[Lens],
    ) -> Eval<Rc<Keys>> {
        let config = self.config;
        let Some(at) = config.tables[cx.table].set(name) else {
            let message = format!("the set `{name}` does not exist in this table");
            self.unresolved(span, message);
            return Ok(Rc::new(Keys { open: Some(Open::Set(name.into())), ..Keys::default() }));
        };
        if let Some(types) = self.set_specs.get(&(cx.table, at)) {
            check_key(types, lenses, span)?;
        }
        Ok(self.set_keys(cx.table, at))
    }

    /// The keys of a named set.
    pub(super) fn set_keys(&mut self, table: usize, at: usize) -> Rc<Keys> {
        if let Some(keys) = self.set_cache.get(&(table, at)) {
            return keys.clone();
        }
        let set = &self.config.tables[table].sets[at];
        let open = Open::Set(set.name.text.clone());
        let mut all = Keys::default();
        match self.set_specs.get(&(table, at)).cloned() {
            Some(specs) => {
                let mut ranges = Vec::new();
                for elements in &set.body.elements {
                    let keys = self.keys(elements, &specs).unwrap_or_default();
                    all.open = all.open.or(keys.open);
                    all.boxes.extend(keys.boxes);
                    ranges.extend(keys.single.iter().flat_map(|set| set.ranges()));
                }
                if specs.len() == 1 {
                    let single = Set::of(ranges);
                    self.check_overlaps(&set.body, &single, set.name.span);
                    all.single = Some(single);
                }
            }
            None => all.open = Some(open.clone()),
        }
        if set.updated || set.body.dynamic || set.body.timeout || all.open.is_some() {
            all.open = Some(open);
        }
        let keys = Rc::new(all);
        self.set_cache.insert((table, at), keys.clone());
        keys
    }

    /// The keys of a set that a variable holds: every rule that names it has the same.
    pub(super) fn variable_keys(&mut self, elements: &Rc<Vec<Elem>>, specs: Vec<Spec>) -> Eval<Rc<Keys>> {
        let known = self.variable_sets.entry(Rc::as_ptr(elements) as usize).or_default();
        if let Some((_, keys)) = known.iter().find(|(of, _)| *of == specs) {
            return Ok(keys.clone());
        }
        let keys = Rc::new(self.keys(elements, &specs)?);
        self.variable_sets.entry(Rc::as_ptr(elements) as usize).or_default().push((specs, keys.clone()));
        Ok(keys)
    }

    /// The types of the keys of all named sets and maps.
    pub(super) fn find_set_specs(&mut self) {
        let config = self.config;
        for (t, table) in config.tables.iter().enumerate() {
            for (s, set) in table.sets.iter().enumerate() {
                let specs = set.body.key.as_ref().and_then(|key| self.specs(t, key));
                if let Some(specs) = specs {
                    self.set_specs.insert((t, s), specs);
                }
                if set.body.map && set.body.data.is_none() && set.body.key.is_some() {
                    self.refuse(
                        set.name.span,
                        format!("the map `{}` has no type for its data", set.name.text),
                    );
                }
            }
        }
    }

    /// The types that a key has.
    pub(super) fn specs(&mut self, table: usize, key: &KeyType) -> Option<Vec<Spec>> {
        match key {
            KeyType::Named(names) => {
                let mut specs = Vec::new();
                for name in names {
                    match Type::of(&name.text) {
                        Some(Type::IfIndex) => specs.push(Spec { kind: Type::IfIndex, bits: 128 }),
                        Some(kind) => specs.push(Spec::of(kind)),
                        None => {
                            self.refuse(name.span, format!("`{}` is no type", name.text));
                            return None;
                        }
                    }
                }
                Some(specs)
            }
            KeyType::Of(expr) => {
                let family = self.config.tables[table].family;
                let parts = match &plain(expr).kind {
                    ExprKind::Concat(parts) => &parts[..],
                    _ => std::slice::from_ref(&**expr),
                };
                let mut specs = Vec::new();
                for part in parts {
                    // Each part on its own: together they need not make sense of one packet.
                    let mut cx = Context::new(table, family, 0, part.span);
                    match self.lens(&mut cx, part) {
                        Ok(lens) => specs.push(lens.spec),
                        Err(fault) => {
                            self.fault(fault);
                            return None;
                        }
                    }
                }
                Some(specs)
            }
        }
    }

    /// Elements of an interval set may touch but not overlap, unless they are to be merged.
    fn check_overlaps(&mut self, body: &SetBody, set: &Set, span: Span) {
        if !body.interval || body.auto_merge {
            return;
        }
        let Some(specs) = self.spec_of_body(body) else { return };
        let mut ranges = Vec::new();
        for elements in &body.elements {
            let values = self.values;
            let _ = values.elements(elements, &mut |key, _| {
                if plain(key).kind != ExprKind::Star {
                    ranges.extend(values.interval(key, specs).ok().map(|range| (range, key.span)));
                }
                Ok(())
            });
        }
        if ranges.len() <= set.ranges().len() {
            return;
        }
        ranges.sort_by_key(|(range, _)| *range);
        let clash = ranges.windows(2).find(|pair| pair[1].0.0 <= pair[0].0.1 && pair[0].0 != pair[1].0);
        if let Some([_, (_, at)]) = clash {
            let at = if self.sources.file_of(*at).is_some() { *at } else { span };
            self.refuse(at, "this element overlaps another one of the set, which has no `auto-merge`");
        }
    }

    fn spec_of_body(&mut self, body: &SetBody) -> Option<Spec> {
        match &body.key {
            Some(KeyType::Named(names)) => match &names[..] {
                [name] => Type::of(&name.text).map(Spec::of),
                _ => None,
            },
            _ => None,
        }
    }

    /// Looks a key up in a map; `effect` makes the effect of an entry from its data.
    pub(super) fn map_lookup(
        &mut self,
        cx: &mut Context,
        key: &Expr,
        map: &Expr,
        gives: Gives,
        effect: &mut dyn FnMut(&mut Self, &mut Context, &Data, Span) -> Eval<Effect>,
    ) -> Eval<Looked> {
        let by_name = matches!(map.kind, ExprKind::Ref(_));
        let (key, map) = (plain(key), plain(map));
        let lenses = self.key_lenses(cx, key)?;
        lenses.iter().for_each(|lens| self.presence(cx, lens));
        let source = self.map_source(cx, map, by_name).filter(|_| gives == Gives::Verdicts);
        if let Some(found) = source.as_ref().and_then(|source| self.known_map(source, &lenses)) {
            if let Some(protocols) = &found.1 {
                cx.keep_protocols(protocols);
            }
            cx.steps.push(Step::Lookup(found.0));
            return Ok(Looked::Done);
        }
        let (lists, specs) = match (&map.kind, self.lists_of_map(cx, map, &lenses, gives)?) {
            (_, Some(found)) => found,
            (ExprKind::SetRef(name), None) => {
                let condition = self.set_condition(cx, name, true, &lenses);
                return Ok(Looked::Open(self.condition(condition)));
            }
            (_, None) => return Err(Fault::Refused(map.span, "expected a map".to_string())),
        };
        let mut entries = Vec::new();
        let mut open = None;
        for elements in &lists {
            self.entries(elements, &specs, &mut entries, &mut open)?;
        }
        if let Some(name) = open {
            return Ok(self.open_map(cx, map, &name, &lenses));
        }
        if entries.is_empty() {
            cx.test(Test::Never);
            return Ok(Looked::Done);
        }
        let seen = lenses.iter().all(|lens| preimage(lens, &Set::empty()).is_some());
        if seen {
            if by_name || matches!(map.kind, ExprKind::SetRef(_)) {
                self.values.spend_many(map.span, entries.len())?;
            }
            let (looked, made) = self.build_map(cx, &lenses, &entries, effect)?;
            if let (Some(source), Some(made)) = (source, made) {
                self.known_maps.entry(source).or_default().push((lenses, made));
            }
            Ok(looked)
        } else {
            self.try_entries(cx, (key, map), &lenses, &entries, effect)
        }
    }

    /// The elements of a map, and what its keys and data are; `None` where it is not known, or no map.
    fn lists_of_map(
        &mut self,
        cx: &mut Context,
        map: &Expr,
        lenses: &[Lens],
        gives: Gives,
    ) -> Eval<Option<Found>> {
        match &map.kind {
            ExprKind::Set(elements) if elements.is_empty() => {
                Err(Fault::Refused(map.span, "the map is empty".to_string()))
            }
            ExprKind::Set(elements) => {
                Ok(Some((vec![elements.clone()], lenses.iter().map(|lens| lens.spec).collect())))
            }
            ExprKind::SetRef(name) => self.named_map(cx, name, map.span, lenses, gives),
            _ => Ok(None),
        }
    }

    /// What a verdict map that may be named by many rules is made from.
    fn map_source(&self, cx: &Context, map: &Expr, by_name: bool) -> Option<MapSource> {
        let which = match &map.kind {
            ExprKind::SetRef(name) => (cx.table, self.config.tables[cx.table].set(name)?),
            ExprKind::Set(elements) if by_name => (usize::MAX, Rc::as_ptr(elements) as usize),
            _ => return None,
        };
        Some((which, self.last))
    }

    fn known_map(&self, source: &MapSource, lenses: &[Lens]) -> Option<&MadeMap> {
        let known = self.known_maps.get(source)?;
        known.iter().take(MAX_KEYS).find(|(of, _)| *of == lenses).map(|(_, made)| made)
    }

    /// A map of which it is not known what it holds.
    fn open_map(&mut self, cx: &Context, map: &Expr, name: &str, lenses: &[Lens]) -> Looked {
        let condition = match &map.kind {
            ExprKind::SetRef(map) => self.set_condition(cx, map, true, lenses),
            _ => Condition::chance(name),
        };
        Looked::Open(self.condition(condition))
    }

    /// The elements and key types of a named map; `None` where they are open.
    fn named_map(
        &mut self,
        cx: &Context,
        name: &str,
        span: Span,
        lenses: &[Lens],
        gives: Gives,
    ) -> Eval<Option<Found>> {
        let config = self.config;
        let Some(at) = config.tables[cx.table].set(name) else {
            self.unresolved(span, format!("the map `{name}` does not exist in this table"));
            return Ok(None);
        };
        let set = &config.tables[cx.table].sets[at];
        if !set.body.map {
            return Err(Fault::Refused(span, format!("`{name}` is a set, expected a map")));
        }
        if gives_verdicts(&set.body) != (gives == Gives::Verdicts) {
            let what = match gives {
                Gives::Verdicts => "does not give verdicts",
                _ => "gives verdicts, not values",
            };
            return Err(Fault::Refused(span, format!("the map `{name}` {what}")));
        }
        let Some(specs) = self.set_specs.get(&(cx.table, at)).cloned() else { return Ok(None) };
        check_key(&specs, lenses, span)?;
        let objects = matches!(set.body.data, Some(MapData::Object(_)));
        if set.updated || set.body.dynamic || set.body.timeout || objects && gives != Gives::Objects {
            return Ok(None);
        }
        Ok(Some((set.body.elements.clone(), specs)))
    }

    fn entries<'e>(
        &mut self,
        elements: &'e [Elem],
        specs: &[Spec],
        entries: &mut Vec<Entry<'e>>,
        open: &mut Option<String>,
    ) -> Eval<()> {
        let values = self.values;
        let mut faults = Vec::new();
        values.elements(elements, &mut |key, elem| {
            if elem.open {
                *open = Some("an element with a time limit".to_string());
            }
            let Some(data) = &elem.data else {
                return Err(Fault::Refused(key.span, "an element of a map without a value".to_string()));
            };
            match values.key(key, specs) {
                Ok(sides) => entries.push(Entry { key: sides, data, span: key.span }),
                Err(fault) => faults.push(fault),
            }
            Ok(())
        })?;
        for fault in faults {
            *open = Some(self.fault(fault));
        }
        // The element that catches all the rest comes last.
        entries.sort_by_key(|entry| is_all(&entry.key, specs));
        Ok(())
    }

    fn build_map(
        &mut self,
        cx: &mut Context,
        lenses: &[Lens],
        entries: &[Entry<'_>],
        effect: &mut dyn FnMut(&mut Self, &mut Context, &Data, Span) -> Eval<Effect>,
    ) -> Eval<(Looked, Option<MadeMap>)> {
        let mut made = Vec::with_capacity(entries.len());
        let mut fields: Vec<Field> = Vec::new();
        for entry in entries {
            let mut sides = Vec::with_capacity(lenses.len());
            fields.clear();
            for (lens, (lo, hi)) in lenses.iter().zip(&entry.key) {
                let Some((field, set)) = preimage(lens, &Set::range(*lo, *hi)) else { continue };
                fields.push(field);
                sides.push(set);
            }
            let effect = effect(self, cx, entry.data, entry.span)?;
            if sides.iter().all(|set| !set.is_empty()) {
                made.push(MapEntry { key: sides.into_iter().map(Some).collect(), effect, span: entry.span });
            }
        }
        if fields.len() == 1 && !make_disjoint(&mut made) {
            let cond = self.condition(Condition::chance("a map whose keys overlap"));
            return Ok((Looked::Open(cond), None));
        }
        if made.is_empty() {
            cx.test(Test::Never);
            return Ok((Looked::Done, None));
        }
        let mut protocols = None;
        for (at, field) in fields.iter().enumerate() {
            if *field == Field::Proto {
                let all =
                    made.iter().filter_map(|e| e.key[at].clone()).fold(Set::empty(), |all, s| all.or(&s));
                cx.keep_protocols(&all);
                protocols = Some(all);
            }
        }
        let map = self.builder.map(fields, made);
        cx.steps.push(Step::Lookup(map));
        Ok((Looked::Done, Some((map, protocols))))
    }

    /// A map with a key that is not seen, or not all of it: each entry that is not ruled out by what is seen may
    /// be hit. Where the entries are all that a drawn number can be, one of them is.
    fn try_entries(
        &mut self,
        cx: &mut Context,
        (key, map): (&Expr, &Expr),
        lenses: &[Lens],
        entries: &[Entry<'_>],
        effect: &mut dyn FnMut(&mut Self, &mut Context, &Data, Span) -> Eval<Effect>,
    ) -> Eval<Looked> {
        if entries.len() > super::MAX_FORKS {
            self.refuse_work(map.span, "a map with too many entries for a key that is not seen");
            return Ok(self.open_map(cx, map, "a map that is too large", lenses));
        }
        let all = super::nat::range_of(key).is_some_and(|(lo, hi)| {
            Set::of(entries.iter().map(|entry| entry.key[0])).covers(&Set::range(lo, hi))
        });
        for (at, entry) in entries.iter().enumerate() {
            let mut fork = cx.clone();
            fork.forks.clear();
            let last = at + 1 == entries.len();
            if !(all && last) {
                self.hit(&mut fork, lenses, &entry.key)?;
            }
            let mut ways = std::mem::take(&mut fork.forks);
            ways.push(fork);
            for way in &mut ways {
                let effect = effect(self, way, entry.data, entry.span)?;
                way.effect(effect);
            }
            cx.forks.append(&mut ways);
            if last && let Some(mut way) = cx.forks.pop() {
                way.forks = std::mem::take(&mut cx.forks);
                *cx = way;
            }
        }
        Ok(Looked::Done)
    }

    /// Tests one key of a map, part by part.
    fn hit(&mut self, cx: &mut Context, lenses: &[Lens], key: &[(u128, u128)]) -> Eval<()> {
        for (lens, (lo, hi)) in lenses.iter().zip(key) {
            self.test_values(cx, lens, &Set::range(*lo, *hi), false)?;
        }
        Ok(())
    }
}

/// Takes from the keys of a map of one field what earlier entries have: false where that is too much work.
fn make_disjoint(entries: &mut Vec<MapEntry>) -> bool {
    const LIMIT: usize = 2_000;
    let key = |entry: &MapEntry| entry.key.first().cloned().flatten().unwrap_or_default();
    // What catches all the rest comes last, and overlaps the others by right.
    let split = entries.len() - usize::from(entries.last().is_some_and(|e| key(e).count() > 1 << 31));
    let mut ranges: Vec<_> = entries[..split].iter().flat_map(|e| key(e).ranges().to_vec()).collect();
    ranges.sort_unstable();
    let overlap = ranges.windows(2).any(|pair| pair[1].0 <= pair[0].1);
    if overlap && entries.len() > LIMIT {
        return false;
    }
    let mut taken = if overlap { Set::empty() } else { Set::of(ranges) };
    let from = if overlap { 0 } else { split };
    for entry in &mut entries[from..] {
        let side = key(entry);
        let rest = side.minus(&taken);
        taken = taken.or(&side);
        entry.key = vec![Some(rest)];
    }
    entries.retain(|entry| !key(entry).is_empty());
    true
}

fn is_all(key: &[(u128, u128)], specs: &[Spec]) -> bool {
    key.iter().zip(specs).all(|((lo, hi), spec)| *lo == 0 && *hi == spec.last())
}

/// Whether a key begins with an IPv6 address.
pub(super) fn is_ipv6_key(key: &KeyType) -> bool {
    match key {
        KeyType::Named(names) => {
            names.first().is_some_and(|name| Type::of(&name.text) == Some(Type::Ipv6Addr))
        }
        KeyType::Of(expr) => {
            let first = match &plain(expr).kind {
                ExprKind::Concat(parts) => parts.first().map(plain),
                _ => Some(plain(expr)),
            };
            matches!(first.map(|expr| &expr.kind), Some(ExprKind::Header(field)) if field.kind == Type::Ipv6Addr)
        }
    }
}

/// nft refuses a key of another type.
fn check_key(specs: &[Spec], lenses: &[Lens], span: Span) -> Eval<()> {
    let fits = specs.len() == lenses.len()
        && specs.iter().zip(lenses).all(|(spec, lens)| spec.kind.fits(lens.spec.kind));
    if fits {
        return Ok(());
    }
    let names = |kinds: &mut dyn Iterator<Item = Type>| kinds.map(Type::name).collect::<Vec<_>>().join(" . ");
    let message = format!(
        "a key of type `{}` in a set of type `{}`",
        names(&mut lenses.iter().map(|lens| lens.spec.kind)),
        names(&mut specs.iter().map(|spec| spec.kind)),
    );
    Err(Fault::Refused(span, message))
}
