//! `modules.itertools`, as lists.

use std::collections::HashMap;

use minijinja::value::Value;
use minijinja::Error;

use crate::functions::{members, native};
use crate::operators::add;
use crate::value::{failed, items, list, tuple, Arguments};

/// More results than any template needs, and less than fills the memory.
const ITEMS_MAX: usize = 100_000;

fn choose(pool: usize, length: usize, allowed: &dyn Fn(&[usize], usize) -> bool) -> Result<Vec<Vec<usize>>, Error> {
    let mut result = Vec::new();
    let mut stack = vec![Vec::new()];
    while let Some(chosen) = stack.pop() {
        if chosen.len() == length {
            if result.len() == ITEMS_MAX {
                return Err(failed(format!("itertools gives more than {ITEMS_MAX} items")));
            }
            result.push(chosen);
            continue;
        }
        for next in (0..pool).rev().filter(|next| allowed(&chosen, *next)) {
            let mut longer = chosen.clone();
            longer.push(next);
            stack.push(longer);
        }
    }
    Ok(result)
}

fn itertools(method: &str, mut call: Arguments) -> Result<Value, Error> {
    let given: Vec<Value> = call.positional.clone();
    let pools = || given.iter().map(items).collect::<Result<Vec<_>, _>>();
    let picked = |pool: &[Value], chosen: Vec<Vec<usize>>| {
        list(chosen.into_iter().map(|c| tuple(c.into_iter().map(|i| pool[i].clone()).collect())).collect())
    };
    Ok(match method {
        "chain" => list(pools()?.concat()),
        "product" => {
            let repeat = call.named.shift_remove("repeat").and_then(|v| v.as_usize()).unwrap_or(1);
            let once = pools()?;
            let pools: Vec<_> = std::iter::repeat_n(once, repeat).flatten().collect();
            let mut rows: Vec<Vec<Value>> = vec![Vec::new()];
            for pool in pools {
                if rows.len().saturating_mul(pool.len()) > ITEMS_MAX {
                    return Err(failed(format!("itertools.product() gives more than {ITEMS_MAX} items")));
                }
                rows = rows.iter().flat_map(|row| pool.iter().map(move |item| [row.clone(), vec![item.clone()]].concat())).collect();
            }
            list(rows.into_iter().map(tuple).collect())
        }
        "combinations" | "combinations_with_replacement" | "permutations" => {
            let pool = items(&call.need(0, "iterable", method)?)?;
            let length = call.take(1, "r").and_then(|v| v.as_usize()).unwrap_or(pool.len());
            let chosen = match method {
                "combinations" => choose(pool.len(), length, &|c, n| c.last().is_none_or(|l| n > *l))?,
                "combinations_with_replacement" => choose(pool.len(), length, &|c, n| c.last().is_none_or(|l| n >= *l))?,
                _ => choose(pool.len(), length, &|c, n| !c.contains(&n))?,
            };
            picked(&pool, chosen)
        }
        "zip_longest" => {
            let fill = call.named.shift_remove("fillvalue").unwrap_or(Value::from(()));
            let pools = pools()?;
            let length = pools.iter().map(Vec::len).max().unwrap_or(0);
            list((0..length).map(|at| tuple(pools.iter().map(|p| p.get(at).cloned().unwrap_or(fill.clone())).collect())).collect())
        }
        "islice" => {
            let all = items(&call.need(0, "iterable", method)?)?;
            let numbers: Vec<Option<usize>> = given[1..].iter().map(|v| v.as_usize()).collect();
            let (start, stop, step) = match numbers[..] {
                [stop] => (0, stop, 1),
                [start, stop] => (start.unwrap_or(0), stop, 1),
                [start, stop, step] => (start.unwrap_or(0), stop, step.unwrap_or(1).max(1)),
                _ => return Err(failed("islice() takes an iterable and one to three numbers")),
            };
            list(all.into_iter().take(stop.unwrap_or(usize::MAX)).skip(start).step_by(step).collect())
        }
        "repeat" => {
            let times = call.take(1, "times").and_then(|v| v.as_usize()).ok_or_else(|| failed("repeat() needs how many times"))?;
            list(vec![call.need(0, "object", method)?; times.min(ITEMS_MAX)])
        }
        "accumulate" => {
            let mut sum: Option<Value> = None;
            let mut result = Vec::new();
            for item in items(&call.need(0, "iterable", method)?)? {
                let next = match sum {
                    Some(sum) => add(&sum, &item)?,
                    None => item,
                };
                result.push(next.clone());
                sum = Some(next);
            }
            list(result)
        }
        _ => return Err(failed(format!("itertools has no '{method}' here"))),
    })
}

macro_rules! named_functions {
    ($function:path; $($name:literal),*) => {
        HashMap::from([$(($name, native($name, |_, call| $function($name, call)))),*])
    };
}

/// The members of `modules.itertools`.
pub fn module() -> Value {
    members(
        "itertools",
        named_functions!(itertools; "chain", "product", "combinations", "combinations_with_replacement", "permutations", "zip_longest", "islice", "repeat", "accumulate"),
    )
}
