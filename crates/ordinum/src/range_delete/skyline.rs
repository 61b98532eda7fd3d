//! For every key the newest range tombstone that covers it: a sorted map from keys to sequence numbers, in which a number
//! holds from its key on to the next one.
//!
//! It is a B-tree that is never changed: an insertion copies the nodes on its way, and shares the others. So a copy of
//! the whole costs one reference, and stays as it is.
//!
//! Invariants:
//! (1) the first key is the empty one, so that every key has a number; zero says that no tombstone covers it;
//! (2) keys ascend, in a node and from node to node; all leaves are equally deep, and no node is empty.

use std::sync::Arc;

use super::Span;
use crate::key::SeqNo;

/// The most items of a node.
const NODE_ITEMS_MAX: usize = 32;

/// Keys one behind the other, so that a search touches little memory.
#[derive(Debug, Default)]
struct Keys {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Keys {
    fn with_room(keys: usize, bytes: usize) -> Keys {
        Keys { bytes: Vec::with_capacity(bytes), ends: Vec::with_capacity(keys) }
    }

    fn get(&self, at: usize) -> Option<&[u8]> {
        let end = *self.ends.get(at)?;
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.bytes.get(start as usize..end as usize)
    }

    fn push(&mut self, key: &[u8]) {
        self.bytes.extend_from_slice(key);
        // A node has few keys, of a limited length.
        self.ends.push(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX));
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    /// How many keys at the front satisfy what is asked; they stand before the others.
    fn partition_point(&self, mut is_before: impl FnMut(&[u8]) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.get(middle).is_some_and(&mut is_before) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The last key at or before `key`, or the first one.
    fn floor(&self, key: &[u8]) -> usize {
        self.partition_point(|other| other <= key).saturating_sub(1)
    }
}

#[derive(Debug)]
enum Node {
    Leaf {
        keys: Keys,
        seqnos: Vec<SeqNo>,
    },
    Inner {
        /// The first key of each child.
        keys: Keys,
        children: Vec<Arc<Node>>,
    },
}

impl Node {
    fn first_key(&self) -> &[u8] {
        match self {
            Node::Leaf { keys, .. } | Node::Inner { keys, .. } => keys.get(0).unwrap_or_default(),
        }
    }
}

/// What a change puts in the place of keys: the keys of `low..=high` go, and `items` come.
struct Change<'a> {
    low: &'a [u8],
    high: Option<&'a [u8]>,
    items: &'a [(&'a [u8], SeqNo)],
}

/// The map.
#[derive(Clone, Debug)]
pub(super) struct Skyline {
    root: Arc<Node>,
}

impl Default for Skyline {
    fn default() -> Skyline {
        let mut keys = Keys::default();
        keys.push(&[]);
        Skyline { root: Arc::new(Node::Leaf { keys, seqnos: vec![SeqNo::ZERO] }) }
    }
}

impl Skyline {
    /// The number of the key, and how far it reaches to both sides.
    pub(super) fn span(&self, key: &[u8]) -> Span<'_> {
        let mut node = &*self.root;
        let mut end = None;
        loop {
            match node {
                Node::Inner { keys, children } => {
                    let at = keys.floor(key);
                    end = keys.get(at + 1).or(end);
                    match children.get(at) {
                        Some(child) => node = child,
                        None => return Span::NOTHING,
                    }
                }
                Node::Leaf { keys, seqnos } => {
                    let at = keys.floor(key);
                    let (start, seqno) = (keys.get(at).unwrap_or_default(), seqnos.get(at).copied());
                    return Span {
                        start,
                        end: keys.get(at + 1).or(end),
                        seqno: seqno.unwrap_or(SeqNo::ZERO),
                    };
                }
            }
        }
    }

    /// Gives the keys from `start` on and before `end` the number, which is the greatest so far.
    pub(super) fn assign(&mut self, start: &[u8], end: &[u8], seqno: SeqNo) {
        let behind = self.span(end).seqno;
        let items = [(start, seqno), (end, behind)];
        let mut nodes = replaced(&self.root, &Change { low: start, high: Some(end), items: &items });
        while nodes.len() > 1 {
            nodes = inner_nodes(nodes);
        }
        if let Some(mut root) = nodes.pop() {
            while let Node::Inner { children, .. } = &*root
                && let [only] = children.as_slice()
            {
                root = Arc::clone(only);
            }
            self.root = root;
        }
    }

    /// Calls `visit` with each span that a tombstone covers, ascending.
    pub(super) fn for_each(&self, mut visit: impl FnMut(&[u8], &[u8], SeqNo)) {
        let mut at = self.span(&[]);
        loop {
            match at.end {
                Some(end) => {
                    if at.seqno != SeqNo::ZERO {
                        visit(at.start, end, at.seqno);
                    }
                    at = self.span(end);
                }
                // Behind the end of the last tombstone there is none.
                None => return,
            }
        }
    }

    /// The keys that tombstones cover, as ranges that do not touch, ascending: start and end.
    pub(super) fn union(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut union: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        self.for_each(|start, end, _| match union.last_mut() {
            Some((_, before)) if before.as_slice() == start => *before = end.to_vec(),
            _ => union.push((start.to_vec(), end.to_vec())),
        });
        union
    }
}

/// What becomes of the node: some nodes of its height, or none.
fn replaced(node: &Node, change: &Change<'_>) -> Vec<Arc<Node>> {
    match node {
        Node::Leaf { keys, seqnos } => replaced_leaf(keys, seqnos, change),
        Node::Inner { keys, children } => {
            let first = keys.floor(change.low);
            let last = change.high.map_or(children.len().saturating_sub(1), |high| keys.floor(high));
            let mut next: Vec<Arc<Node>> = Vec::with_capacity(children.len() + 2);
            next.extend(children.iter().take(first).cloned());
            match (children.get(first), children.get(last)) {
                (Some(only), _) if first == last => next.extend(replaced(only, change)),
                (Some(left), Some(right)) => {
                    next.extend(replaced(left, &Change { high: None, ..*change }));
                    next.extend(replaced(right, &Change { low: &[], high: change.high, items: &[] }));
                }
                _ => {}
            }
            next.extend(children.iter().skip(last + 1).cloned());
            inner_nodes(next)
        }
    }
}

fn replaced_leaf(keys: &Keys, seqnos: &[SeqNo], change: &Change<'_>) -> Vec<Arc<Node>> {
    let from = keys.partition_point(|key| key < change.low);
    let to = change.high.map_or(keys.len(), |high| keys.partition_point(|key| key <= high)).max(from);
    let of = |at: usize| Some((keys.get(at)?, *seqnos.get(at)?));
    let before = (0..from).filter_map(of);
    let behind = (to..keys.len()).filter_map(of);
    let mut items: Vec<(&[u8], SeqNo)> = Vec::with_capacity(keys.len() + change.items.len());
    items.extend(before.chain(change.items.iter().copied()).chain(behind));
    let leaf = |items: &[(&[u8], SeqNo)]| {
        let mut keys = Keys::with_room(items.len(), items.iter().map(|(key, _)| key.len()).sum());
        items.iter().for_each(|(key, _)| keys.push(key));
        Arc::new(Node::Leaf { keys, seqnos: items.iter().map(|(_, seqno)| *seqno).collect() })
    };
    even_parts(&items).map(leaf).collect()
}

/// Nodes over these nodes.
fn inner_nodes(nodes: Vec<Arc<Node>>) -> Vec<Arc<Node>> {
    let inner = |children: Vec<Arc<Node>>| {
        let bytes = children.iter().map(|node| node.first_key().len()).sum();
        let mut keys = Keys::with_room(children.len(), bytes);
        children.iter().for_each(|node| keys.push(node.first_key()));
        Arc::new(Node::Inner { keys, children })
    };
    match nodes.len() {
        0 => Vec::new(),
        1..=NODE_ITEMS_MAX => vec![inner(nodes)],
        _ => even_parts(&nodes).map(|part| inner(part.to_vec())).collect(),
    }
}

/// Parts of about the same length, as few as have room in a node each.
fn even_parts<T>(items: &[T]) -> std::slice::Chunks<'_, T> {
    let parts = items.len().div_ceil(NODE_ITEMS_MAX).max(1);
    items.chunks(items.len().div_ceil(parts).max(1))
}
