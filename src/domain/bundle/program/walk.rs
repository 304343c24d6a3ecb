//! One pass over JSON text that notes where the values of some paths stand.

use smol_str::SmolStr;

use super::super::json::{Scan, Unreadable};
use super::super::path::Step;
use super::layout::{Children, Layout, Layouts};

/// The paths that go on from one place.
#[derive(Debug, Default)]
pub(in super::super) struct Node {
    /// The slot that the value here comes to stand in.
    pub capture: Option<usize>,
    /// Once all paths are in: members by name, shorter names first, then elements by index.
    children: Vec<(Step, Node)>,
    /// How many of the children are members.
    members: usize,
    /// Elements by index, then the child; in order.
    items: Vec<(u32, usize)>,
    /// Marks of the members' names: most names that are not asked for have none of them.
    names: u64,
    /// All slots at and under this place, when anything is under it.
    under: Vec<usize>,
    /// The number of the place, under which the layout of its objects is kept; 0 for none.
    place: usize,
}

/// One of 64 marks of a name.
#[inline]
fn mark(name: &[u8]) -> u64 {
    let (Some(first), Some(last)) = (name.first(), name.last()) else { return 1 };
    let mixed = usize::from(*first) ^ (usize::from(*last) << 1) ^ (name.len() << 2);
    1 << (mixed % 64)
}

fn name_of(step: &Step) -> Option<&SmolStr> {
    match step {
        Step::Key(name) | Step::Either(name, _) => Some(name),
        Step::Index(_) => None,
    }
}

fn index_of(step: &Step) -> Option<u32> {
    match step {
        Step::Index(index) | Step::Either(_, index) => Some(*index),
        Step::Key(_) => None,
    }
}

impl Node {
    /// The place one step on, made when it is new.
    pub fn child(&mut self, step: &Step) -> &mut Node {
        let at = match self.children.iter().position(|(held, _)| held == step) {
            Some(at) => at,
            None => {
                self.children.push((step.clone(), Node::default()));
                self.children.len() - 1
            }
        };
        &mut self.children[at].1
    }

    /// Puts the look-ups in order, once all paths are in.
    pub fn finish(&mut self) {
        if self.children.is_empty() {
            return;
        }
        let place = |step: &Step| name_of(step).map_or(usize::MAX, |name| name.len());
        self.children.sort_unstable_by(|(a, _), (b, _)| {
            place(a).cmp(&place(b)).then_with(|| name_of(a).cmp(&name_of(b))).then_with(|| a.cmp(b))
        });
        self.under.extend(self.capture);
        for (n, (step, child)) in self.children.iter_mut().enumerate() {
            child.finish();
            if child.children.is_empty() {
                self.under.extend(child.capture);
            } else {
                self.under.extend(&child.under);
            }
            if let Some(name) = name_of(step) {
                self.members += 1;
                self.names |= mark(name.as_bytes());
            }
            self.items.extend(index_of(step).map(|index| (index, n)));
        }
        self.items.sort_unstable();
    }

    /// Gives each place where an object is looked into a number, the one after `last` first, up to `most`.
    pub fn number(&mut self, last: &mut usize, most: usize) {
        if self.members > 0 && *last < most {
            *last += 1;
            self.place = *last;
        }
        self.children.iter_mut().for_each(|(_, child)| child.number(last, most));
    }

    /// Notes where the values stand, in slots that are empty. False when the text can't be read: then nothing is known of it.
    #[inline]
    pub fn fill<'a>(&self, raw: &'a str, found: &mut [Option<&'a str>], layouts: &mut Layouts) -> bool {
        self.walk(&mut Scan::new(raw), found, layouts).is_ok()
    }

    fn clear(&self, found: &mut [Option<&str>]) {
        for slot in &self.under {
            found[*slot] = None;
        }
    }

    /// Steps over the value here.
    #[inline]
    fn walk<'a>(
        &self,
        scan: &mut Scan<'a>,
        found: &mut [Option<&'a str>],
        layouts: &mut Layouts,
    ) -> Result<(), Unreadable> {
        if self.children.is_empty() {
            return match self.capture {
                Some(slot) => scan.value().map(|value| found[slot] = Some(value)),
                None => scan.skip(),
            };
        }
        self.walk_into(scan, found, layouts)
    }

    fn walk_into<'a>(
        &self,
        scan: &mut Scan<'a>,
        found: &mut [Option<&'a str>],
        layouts: &mut Layouts,
    ) -> Result<(), Unreadable> {
        let from = *scan;
        match scan.peek() {
            Some(b'{') if self.members > 0 => self.walk_members(scan, found, layouts)?,
            Some(b'[') if !self.items.is_empty() => self.walk_elements(scan, found, layouts)?,
            _ => scan.skip()?,
        }
        if let Some(slot) = self.capture {
            found[slot] = Some(scan.past(from)?);
        }
        Ok(())
    }

    fn walk_members<'a>(
        &self,
        scan: &mut Scan<'a>,
        found: &mut [Option<&'a str>],
        layouts: &mut Layouts,
    ) -> Result<(), Unreadable> {
        let mut layout = layouts.take(self.place);
        scan.enter();
        let (mut at, mut seen) = (0, 0u64);
        while scan.element()? {
            let children = match layout.expected(at, scan) {
                Some(children) => children,
                None => self.unexpected(scan, &mut at, &mut layout)?,
            };
            at += 1;
            let Some(wanted @ [(_, child), rest @ ..]) = self.children.get(children.0 as usize..children.1 as usize)
            else {
                scan.skip()?;
                continue;
            };
            // Of equal keys the last one counts: what an earlier one left is gone. The last mark stands for all further ones.
            let mark = 1 << children.0.min(63);
            if seen & mark != 0 {
                wanted.iter().for_each(|(_, child)| child.clear(found));
            }
            seen |= mark;
            if rest.is_empty() {
                child.walk(scan, found, layouts)?;
            } else {
                walk_all(wanted.iter().map(|(_, child)| child), scan, found, layouts)?;
            }
        }
        layouts.give_back(self.place, layout);
        Ok(())
    }

    /// Steps over a key that was not expected: the one after it, or any other one, which is expected the next time.
    #[inline(never)]
    fn unexpected(&self, scan: &mut Scan<'_>, at: &mut usize, layout: &mut Layout) -> Result<Children, Unreadable> {
        if let Some(children) = layout.expected(*at + 1, scan) {
            *at += 1;
            return Ok(children);
        }
        let begin = *scan;
        let children = self.of_key(scan.key()?.as_bytes());
        layout.keep(*at, scan.past(begin)?, children);
        scan.space();
        Ok(children)
    }

    /// The children that a name leads to: the first, and one past the last.
    fn of_key(&self, key: &[u8]) -> Children {
        if self.names & mark(key) == 0 {
            return (0, 0);
        }
        let members = &self.children[..self.members];
        let order = |name: &SmolStr| name.len().cmp(&key.len()).then_with(|| name.as_bytes().cmp(key));
        let least = members.partition_point(|(step, _)| name_of(step).is_some_and(|name| order(name).is_lt()));
        let same = members[least..].iter();
        let same = same.take_while(|(step, _)| name_of(step).is_some_and(|name| name.as_bytes() == key));
        let end = least + same.count();
        (least as u32, end as u32)
    }

    fn walk_elements<'a>(
        &self,
        scan: &mut Scan<'a>,
        found: &mut [Option<&'a str>],
        layouts: &mut Layouts,
    ) -> Result<(), Unreadable> {
        scan.enter();
        let mut wanted = &self.items[..];
        let mut index = 0;
        while scan.element()? {
            let same = wanted.iter().take_while(|(held, _)| *held == index).count();
            let (here, later) = wanted.split_at(same);
            walk_all(here.iter().map(|(_, child)| &self.children[*child].1), scan, found, layouts)?;
            (wanted, index) = (later, index.saturating_add(1));
        }
        Ok(())
    }
}

/// Steps over the value here for several nodes: one path may count digits as a name and another as an index.
#[inline]
fn walk_all<'a, 'n>(
    mut nodes: impl Iterator<Item = &'n Node>,
    scan: &mut Scan<'a>,
    found: &mut [Option<&'a str>],
    layouts: &mut Layouts,
) -> Result<(), Unreadable> {
    let Some(node) = nodes.next() else {
        return scan.skip();
    };
    let from = *scan;
    node.walk(scan, found, layouts)?;
    for node in nodes {
        *scan = from;
        node.walk(scan, found, layouts)?;
    }
    Ok(())
}
