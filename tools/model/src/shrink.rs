// SPDX-License-Identifier: GPL-2.0

//! Cuts a failing sequence down to the operations that matter.

use crate::ops::Op;

/// Tells whether operations still fail in the same way; `None` when there is no time left to find out.
pub trait Trial: FnMut(&[Op]) -> Option<bool> {}

impl<T: FnMut(&[Op]) -> Option<bool>> Trial for T {}

/// The fewest operations that this finds. First whole ones are taken out, then those inside of others.
pub fn shrink(ops: &[Op], mut fails: impl Trial) -> Vec<Op> {
    let ops = minimize(ops, &mut fails);
    shrink_inner(ops, &mut fails)
}

/// Delta debugging: takes out ever smaller parts, as long as what is left fails.
fn minimize(ops: &[Op], fails: &mut dyn FnMut(&[Op]) -> Option<bool>) -> Vec<Op> {
    let mut left = ops.to_vec();
    let mut part = left.len().div_ceil(2);
    while part > 0 {
        let before = left.len();
        let mut start = 0;
        while start < left.len() {
            let mut candidate = left.clone();
            candidate.drain(start..(start + part).min(left.len()));
            match fails(&candidate) {
                Some(true) => left = candidate,
                Some(false) => start += part,
                None => return left,
            }
        }
        // Single operations are tried again as long as some go: those that stay may have needed those that went.
        part = if part > 1 { part / 2 } else { usize::from(left.len() < before) };
    }
    left
}

fn shrink_inner(mut ops: Vec<Op>, fails: &mut dyn FnMut(&[Op]) -> Option<bool>) -> Vec<Op> {
    for index in 0..ops.len() {
        let Some(inner) = ops[index].inner().cloned() else { continue };
        let (before, after) = (ops[..index].to_vec(), ops[index + 1..].to_vec());
        let outer = ops[index].clone();
        let mut with = |inner: &[Op]| {
            let all = [&before[..], &[outer.with_inner(inner.to_vec())], &after].concat();
            fails(&all)
        };
        let fewer = minimize(&inner, &mut with);
        let fewer = shrink_inner(fewer, &mut with);
        ops[index] = outer.with_inner(fewer);
    }
    ops
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator;
    use crate::ops::{Span, count};

    fn unmap(first: usize) -> Op {
        Op::Unmap(Span { first, count: 1 })
    }

    #[test]
    fn what_matters_is_left_in_order() {
        let ops: Vec<Op> = (0..300).map(unmap).collect();
        let fails = |ops: &[Op]| {
            let place = |first| ops.iter().position(|op| *op == unmap(first));
            Some(matches!((place(17), place(250)), (Some(a), Some(b)) if a < b))
        };
        assert_eq!(shrink(&ops, fails), [unmap(17), unmap(250)]);
    }

    #[test]
    fn operations_inside_of_others_are_cut_too() {
        let inner = vec![Op::Compare, unmap(3), Op::Fork { ops: vec![Op::Count, unmap(4)], held: true }];
        let ops = vec![unmap(1), Op::Fork { ops: inner, held: false }, unmap(2)];
        let fails = |ops: &[Op]| Some(format!("{ops:?}").contains("first: 4"));
        let innermost = Op::Fork { ops: vec![unmap(4)], held: true };
        assert_eq!(shrink(&ops, fails), [Op::Fork { ops: vec![innermost], held: false }]);
    }

    #[test]
    fn a_random_sequence_shrinks_to_the_two_that_matter() {
        let mut ops = generator::sequence(11, 400).ops;
        ops.insert(100, unmap(9999));
        ops.insert(300, unmap(8888));
        let mut trials = 0;
        let fails = |ops: &[Op]| {
            trials += 1;
            Some(ops.contains(&unmap(9999)) && ops.contains(&unmap(8888)))
        };
        assert_eq!(shrink(&ops, fails).len(), 2);
        assert!(trials < 200, "{trials}");
    }

    #[test]
    fn without_time_all_is_left_as_it_is() {
        let ops = generator::sequence(1, 50).ops;
        assert_eq!(count(&shrink(&ops, |_: &[Op]| None)), count(&ops));
    }
}
