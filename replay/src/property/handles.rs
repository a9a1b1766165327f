//! The component's own resources, as far as they are at hand for the next call.

use std::collections::{BTreeMap, BTreeSet};

use theater_record::{Type, TypeId, TypeTable, Value};

/// The handles that the component gave away and did not get back, by resource type, the oldest
/// first.
pub(super) struct Handles<'t> {
    types: &'t TypeTable,
    at_hand: BTreeMap<TypeId, Vec<u64>>,
}

impl<'t> Handles<'t> {
    pub(super) fn new(types: &'t TypeTable) -> Handles<'t> {
        Handles { types, at_hand: BTreeMap::new() }
    }

    /// Puts handles in place of the numbers that stand for some. `None` if there is none to take;
    /// nothing is taken then.
    pub(super) fn give(&mut self, args: &[Value], params: &[(String, Type)]) -> Option<Vec<Value>> {
        let mut giving = Giving { at_hand: self.at_hand.clone(), lent: BTreeSet::new() };
        let mut given = args.to_vec();
        for (value, (_, ty)) in given.iter_mut().zip(params) {
            let mut is_there = true;
            for_each_handle(value, ty, self.types, &mut |value, id| {
                is_there = is_there && giving.put(value, id).is_some();
            });
            if !is_there {
                return None;
            }
        }
        self.at_hand = giving.at_hand;
        Some(given)
    }

    /// Takes the handles in what a call returned.
    pub(super) fn take(&mut self, mut results: Vec<Value>, types: &[Type]) {
        for (value, ty) in results.iter_mut().zip(types) {
            for_each_handle(value, ty, self.types, &mut |value, id| {
                if let Value::Own(number) = value {
                    self.at_hand.entry(id).or_default().push(*number);
                }
            });
        }
    }
}

/// The handles for one call.
struct Giving {
    at_hand: BTreeMap<TypeId, Vec<u64>>,
    /// What is lent for the call cannot be given away in it.
    lent: BTreeSet<u64>,
}

impl Giving {
    fn put(&mut self, value: &mut Value, id: TypeId) -> Option<()> {
        let at_hand = self.at_hand.get_mut(&id)?;
        let lent = &mut self.lent;
        match value {
            Value::Own(number) => {
                let free: Vec<usize> =
                    (0..at_hand.len()).filter(|at| !lent.contains(&at_hand[*at])).collect();
                *number = at_hand.remove(*round(&free, *number)?);
            }
            Value::Borrow(number) => {
                *number = *round(at_hand, *number)?;
                lent.insert(*number);
            }
            other => unreachable!("{other:?} is no handle"),
        }
        Some(())
    }
}

/// The item with this number, where counting starts again behind the last.
fn round<T>(items: &[T], number: u64) -> Option<&T> {
    let len = u64::try_from(items.len()).ok().filter(|len| *len > 0)?;
    items.get(usize::try_from(number % len).ok()?)
}

/// Every handle inside a value, with its resource type.
fn for_each_handle(
    value: &mut Value,
    ty: &Type,
    types: &TypeTable,
    found: &mut dyn FnMut(&mut Value, TypeId),
) {
    let Some(ty) = types.resolve(ty) else { return };
    match (value, ty) {
        (value @ (Value::Own(_) | Value::Borrow(_)), Type::Own(id) | Type::Borrow(id)) => {
            found(value, *id);
        }
        (Value::List(items), Type::List(ty) | Type::FixedList(_, ty)) => {
            items.iter_mut().for_each(|item| for_each_handle(item, ty, types, found));
        }
        (Value::Tuple(items), Type::Tuple(tys)) => {
            let items = items.iter_mut().zip(tys);
            items.for_each(|(item, ty)| for_each_handle(item, ty, types, found));
        }
        (Value::Record(values), Type::Record(fields)) => {
            let fields = values.iter_mut().zip(fields);
            fields.for_each(|(value, (_, ty))| for_each_handle(value, ty, types, found));
        }
        (Value::Variant(case, Some(payload)), Type::Variant(cases)) => {
            if let Some((_, Some(ty))) = cases.get(*case as usize) {
                for_each_handle(payload, ty, types, found);
            }
        }
        (Value::Option(Some(payload)), Type::Option(ty))
        | (Value::Result(Ok(Some(payload))), Type::Result(Some(ty), _))
        | (Value::Result(Err(Some(payload))), Type::Result(_, Some(ty))) => {
            for_each_handle(payload, ty, types, found);
        }
        (Value::Map(pairs), Type::Map(key_ty, value_ty)) => {
            for (key, value) in pairs {
                for_each_handle(key, key_ty, types, found);
                for_each_handle(value, value_ty, types, found);
            }
        }
        // Nothing else has handles inside.
        _ => {}
    }
}
