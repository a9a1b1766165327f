//! From a chain's encoding to a component's core values and memory.

use std::mem::MaybeUninit;
use std::slice::IterMut;

use theater_record::{CborError, CborFault, Decoder};
use wasmtime::component::__internal::wasmtime_environ::component::{TypeFixedLengthList, TypeMap};
use wasmtime::component::__internal::{ComponentTypes, InterfaceType, LowerContext};
use wasmtime::component::Lower;
use wasmtime::{Result, ValRaw, bail, format_err};

use super::lift::{case_type, flat_count, list_of_types, mask, variant_info};
use crate::handles;

/// Lowers a whole list of arguments or results into core values.
pub(super) fn all_flat<T>(
    cx: &mut LowerContext<'_, T>,
    ty: InterfaceType,
    input: &mut Decoder<'_>,
    dst: &mut IterMut<'_, ValRaw>,
) -> Result<()> {
    let types = cx.types;
    let items = list_of_types(types, ty);
    input.array_of(items.len())?;
    items.iter().try_for_each(|item| flat(cx, *item, input, dst))
}

/// Lowers a whole list of arguments or results into memory.
pub(super) fn all_stored<T>(
    cx: &mut LowerContext<'_, T>,
    ty: InterfaceType,
    input: &mut Decoder<'_>,
    at: usize,
) -> Result<()> {
    let types = cx.types;
    in_order(cx, list_of_types(types, ty).iter().copied(), input, at)
}

/// Lowers the next value into core values.
fn flat<T>(
    cx: &mut LowerContext<'_, T>,
    ty: InterfaceType,
    input: &mut Decoder<'_>,
    dst: &mut IterMut<'_, ValRaw>,
) -> Result<()> {
    let types = cx.types;
    match ty {
        InterfaceType::Bool => *next(dst) = ValRaw::i32(input.bool()?.into()),
        InterfaceType::S8 => *next(dst) = ValRaw::i32(signed::<i8>(input)?.into()),
        InterfaceType::U8 => *next(dst) = ValRaw::u32(input.uint_as::<u8>()?.into()),
        InterfaceType::S16 => *next(dst) = ValRaw::i32(signed::<i16>(input)?.into()),
        InterfaceType::U16 => *next(dst) = ValRaw::u32(input.uint_as::<u16>()?.into()),
        InterfaceType::S32 => *next(dst) = ValRaw::i32(signed(input)?),
        InterfaceType::U32 => *next(dst) = ValRaw::u32(input.uint_as()?),
        InterfaceType::S64 => *next(dst) = ValRaw::i64(input.int()?),
        InterfaceType::U64 => *next(dst) = ValRaw::u64(input.uint()?),
        InterfaceType::Float32 => {
            *next(dst) = ValRaw::f32(u32::from_be_bytes(input.byte_array()?));
        }
        InterfaceType::Float64 => {
            *next(dst) = ValRaw::f64(u64::from_be_bytes(input.byte_array()?));
        }
        InterfaceType::Char => *next(dst) = ValRaw::u32(char(input)?),
        InterfaceType::String | InterfaceType::List(_) | InterfaceType::Map(_) => {
            let (at, len) = spilled(cx, ty, input)?;
            // A pointer may share its slot with a case that takes 64 bits.
            *next(dst) = ValRaw::i64(at as i64);
            *next(dst) = ValRaw::i64(len as i64);
        }
        InterfaceType::Record(index) => {
            let fields = &types[index].fields;
            input.array_of(fields.len())?;
            fields.iter().try_for_each(|field| flat(cx, field.ty, input, dst))?;
        }
        InterfaceType::Tuple(index) => {
            let items = &types[index].types;
            if let Some(passing) = handles::host_handle(items) {
                *next(dst) = ValRaw::u32(handles::to_lifter(input.uint_as()?, passing)?);
                return Ok(());
            }
            input.array_of(items.len())?;
            items.iter().try_for_each(|item| flat(cx, *item, input, dst))?;
        }
        InterfaceType::FixedLengthList(index) => flat_fixed(cx, &types[index], input, dst)?,
        InterfaceType::Variant(_) | InterfaceType::Option(_) | InterfaceType::Result(_) => {
            flat_case(cx, ty, input, dst)?;
        }
        InterfaceType::Enum(_) => {
            let case = input.uint_as()?;
            known_case(types, ty, case, input)?;
            *next(dst) = ValRaw::u32(case);
        }
        InterfaceType::Flags(index) => {
            let bits = flags(input, types[index].names.len())?;
            for word in 0..flat_count(types, &ty) {
                *next(dst) = ValRaw::u32((bits >> (32 * word)) as u32);
            }
        }
        InterfaceType::Own(_) | InterfaceType::Borrow(_) => {
            *next(dst) = ValRaw::u32(handles::lower(cx, ty, input.uint_as()?)?);
        }
        InterfaceType::Future(_) | InterfaceType::Stream(_) | InterfaceType::ErrorContext(_) => {
            bail!("asynchronous types cannot be replayed");
        }
    }
    Ok(())
}

fn flat_fixed<T>(
    cx: &mut LowerContext<'_, T>,
    list: &TypeFixedLengthList,
    input: &mut Decoder<'_>,
    dst: &mut IterMut<'_, ValRaw>,
) -> Result<()> {
    if list.element == InterfaceType::U8 {
        let bytes = fixed_bytes(input, list.size)?;
        bytes.iter().for_each(|byte| *next(dst) = ValRaw::u32((*byte).into()));
        return Ok(());
    }
    input.array_of(list.size as usize)?;
    (0..list.size).try_for_each(|_| flat(cx, list.element, input, dst))
}

fn flat_case<T>(
    cx: &mut LowerContext<'_, T>,
    ty: InterfaceType,
    input: &mut Decoder<'_>,
    dst: &mut IterMut<'_, ValRaw>,
) -> Result<()> {
    let types = cx.types;
    let (case, payload) = case(cx, ty, input)?;
    *next(dst) = ValRaw::u32(case);
    let mut used = 1;
    if let Some(payload) = payload {
        used += flat_count(types, &payload);
        flat(cx, payload, input, dst)?;
    }
    for _ in used..flat_count(types, &ty) {
        *next(dst) = ValRaw::u64(0);
    }
    Ok(())
}

/// Lowers the next value into memory, at a place that wasmtime allocated or checked for it.
fn store<T>(
    cx: &mut LowerContext<'_, T>,
    ty: InterfaceType,
    input: &mut Decoder<'_>,
    at: usize,
) -> Result<()> {
    let types = cx.types;
    match ty {
        InterfaceType::Bool => write(cx, at, &[input.bool()?.into()]),
        InterfaceType::S8 => write(cx, at, &signed::<i8>(input)?.to_le_bytes()),
        InterfaceType::U8 => write(cx, at, &[input.uint_as::<u8>()?]),
        InterfaceType::S16 => write(cx, at, &signed::<i16>(input)?.to_le_bytes()),
        InterfaceType::U16 => write(cx, at, &input.uint_as::<u16>()?.to_le_bytes()),
        InterfaceType::S32 => write(cx, at, &signed::<i32>(input)?.to_le_bytes()),
        InterfaceType::U32 => write(cx, at, &input.uint_as::<u32>()?.to_le_bytes()),
        InterfaceType::S64 => write(cx, at, &input.int()?.to_le_bytes()),
        InterfaceType::U64 => write(cx, at, &input.uint()?.to_le_bytes()),
        InterfaceType::Float32 => {
            write(cx, at, &u32::from_be_bytes(input.byte_array()?).to_le_bytes())
        }
        InterfaceType::Float64 => {
            write(cx, at, &u64::from_be_bytes(input.byte_array()?).to_le_bytes())
        }
        InterfaceType::Char => write(cx, at, &char(input)?.to_le_bytes()),
        InterfaceType::String | InterfaceType::List(_) | InterfaceType::Map(_) => {
            let (place, len) = spilled(cx, ty, input)?;
            write(cx, at, &u32::try_from(place)?.to_le_bytes())?;
            write(cx, at + 4, &u32::try_from(len)?.to_le_bytes())
        }
        InterfaceType::Record(index) => {
            let fields = types[index].fields.iter().map(|field| field.ty);
            in_order(cx, fields, input, at)
        }
        InterfaceType::Tuple(index) => {
            let items = &types[index].types;
            if let Some(passing) = handles::host_handle(items) {
                let index = handles::to_lifter(input.uint_as()?, passing)?;
                return write(cx, at, &index.to_le_bytes());
            }
            in_order(cx, items.iter().copied(), input, at)
        }
        InterfaceType::FixedLengthList(index) => store_fixed(cx, &types[index], input, at),
        InterfaceType::Variant(_) | InterfaceType::Option(_) | InterfaceType::Result(_) => {
            let (case, payload) = case(cx, ty, input)?;
            write_case(cx, ty, case, at)?;
            let place = at + variant_info(types, ty).payload_offset32 as usize;
            payload.map_or(Ok(()), |payload| store(cx, payload, input, place))
        }
        InterfaceType::Enum(_) => {
            let case = input.uint_as()?;
            known_case(types, ty, case, input)?;
            write_case(cx, ty, case, at)
        }
        InterfaceType::Flags(index) => {
            let bits = flags(input, types[index].names.len())?;
            let size = types.canonical_abi(&ty).size32 as usize;
            write(cx, at, &bits.to_le_bytes()[..size.min(8)])
        }
        InterfaceType::Own(_) | InterfaceType::Borrow(_) => {
            let index = handles::lower(cx, ty, input.uint_as()?)?;
            write(cx, at, &index.to_le_bytes())
        }
        InterfaceType::Future(_) | InterfaceType::Stream(_) | InterfaceType::ErrorContext(_) => {
            bail!("asynchronous types cannot be replayed");
        }
    }
}

fn store_fixed<T>(
    cx: &mut LowerContext<'_, T>,
    list: &TypeFixedLengthList,
    input: &mut Decoder<'_>,
    at: usize,
) -> Result<()> {
    if list.element == InterfaceType::U8 {
        return write(cx, at, fixed_bytes(input, list.size)?);
    }
    let size = cx.types.canonical_abi(&list.element).size32 as usize;
    input.array_of(list.size as usize)?;
    (0..list.size as usize).try_for_each(|item| store(cx, list.element, input, at + item * size))
}

/// The fields of a record or the items of a tuple, each at its place.
fn in_order<T>(
    cx: &mut LowerContext<'_, T>,
    types: impl ExactSizeIterator<Item = InterfaceType>,
    input: &mut Decoder<'_>,
    at: usize,
) -> Result<()> {
    input.array_of(types.len())?;
    let mut next = at;
    for ty in types {
        let place = cx.types.canonical_abi(&ty).next_field32_size(&mut next);
        store(cx, ty, input, place)?;
    }
    Ok(())
}

/// Lowers a value of a size that its type does not tell; returns where it is and how long.
fn spilled<T>(
    cx: &mut LowerContext<'_, T>,
    ty: InterfaceType,
    input: &mut Decoder<'_>,
) -> Result<(usize, usize)> {
    match ty {
        InterfaceType::String => string(cx, input),
        InterfaceType::List(index) => list(cx, cx.types[index].element, input),
        InterfaceType::Map(index) => map(cx, &cx.types[index], input),
        _ => unreachable!("only strings, lists and maps are of any size"),
    }
}

fn string<T>(cx: &mut LowerContext<'_, T>, input: &mut Decoder<'_>) -> Result<(usize, usize)> {
    let mut pair = MaybeUninit::<[ValRaw; 2]>::uninit();
    input.text()?.linear_lower_to_flat(cx, InterfaceType::String, &mut pair)?;
    // SAFETY: `linear_lower_to_flat` guarantees that all of it is written when it returns `Ok`.
    let [at, len] = unsafe { pair.assume_init() };
    Ok((at.get_u32() as usize, len.get_u32() as usize))
}

fn list<T>(
    cx: &mut LowerContext<'_, T>,
    element: InterfaceType,
    input: &mut Decoder<'_>,
) -> Result<(usize, usize)> {
    if element == InterfaceType::U8 {
        let bytes = input.bytes()?;
        let at = cx.realloc(0, 0, 1, bytes.len())?;
        write(cx, at, bytes)?;
        return Ok((at, bytes.len()));
    }
    let len = input.array()?;
    let abi = cx.types.canonical_abi(&element);
    let (size, align) = (abi.size32 as usize, abi.align32);
    let at = allocate(cx, len, size, align)?;
    (0..len).try_for_each(|item| store(cx, element, input, at + item * size))?;
    Ok((at, len))
}

fn map<T>(
    cx: &mut LowerContext<'_, T>,
    ty: &TypeMap,
    input: &mut Decoder<'_>,
) -> Result<(usize, usize)> {
    let len = input.array()?;
    let size = ty.entry_abi.size32 as usize;
    let at = allocate(cx, len, size, ty.entry_abi.align32)?;
    for entry in 0..len {
        let at = at + entry * size;
        input.array_of(2)?;
        store(cx, ty.key, input, at)?;
        store(cx, ty.value, input, at + ty.value_offset32 as usize)?;
    }
    Ok((at, len))
}

fn allocate<T>(cx: &mut LowerContext<'_, T>, len: usize, size: usize, align: u32) -> Result<usize> {
    let bytes = len.checked_mul(size).ok_or_else(|| format_err!("size overflow copying a list"))?;
    cx.realloc(0, 0, align, bytes)
}

/// The case that comes next, and the type of its payload.
fn case<T>(
    cx: &LowerContext<'_, T>,
    ty: InterfaceType,
    input: &mut Decoder<'_>,
) -> Result<(u32, Option<InterfaceType>)> {
    if let InterfaceType::Option(_) = ty {
        if input.null()? {
            return Ok((0, None));
        }
        input.array_of(1)?;
        return Ok((1, case_type(cx.types, ty, 1)?));
    }
    let fields = input.array()?;
    let case = input.uint_as()?;
    let payload = known_case(cx.types, ty, case, input)?;
    if fields != 1 + usize::from(payload.is_some()) {
        return Err(misfit(input, CborFault::Expected("a case with the payload of its type")));
    }
    Ok((case, payload))
}

fn known_case(
    types: &ComponentTypes,
    ty: InterfaceType,
    case: u32,
    input: &Decoder<'_>,
) -> Result<Option<InterfaceType>> {
    case_type(types, ty, case).map_err(|_| misfit(input, CborFault::Expected("a case of its type")))
}

fn write_case<T>(
    cx: &mut LowerContext<'_, T>,
    ty: InterfaceType,
    case: u32,
    at: usize,
) -> Result<()> {
    let size = usize::from(variant_info(cx.types, ty).size);
    write(cx, at, &case.to_le_bytes()[..size])
}

fn flags(input: &mut Decoder<'_>, count: usize) -> Result<u64> {
    let bits = input.uint()?;
    if bits & !mask(count) != 0 {
        return Err(misfit(input, CborFault::Expected("flags of their type")));
    }
    Ok(bits)
}

fn fixed_bytes<'a>(input: &mut Decoder<'a>, len: u32) -> Result<&'a [u8]> {
    let bytes = input.bytes()?;
    if bytes.len() != len as usize {
        return Err(misfit(input, CborFault::Expected("as many bytes as the type has")));
    }
    Ok(bytes)
}

fn char(input: &mut Decoder<'_>) -> Result<u32> {
    let code = input.uint_as::<u32>()?;
    char::try_from(code).map(u32::from).map_err(|_| misfit(input, CborFault::OutOfRange))
}

fn signed<N: TryFrom<i64>>(input: &mut Decoder<'_>) -> Result<N> {
    let number = input.int()?;
    N::try_from(number).map_err(|_| misfit(input, CborFault::OutOfRange))
}

/// The value that was just read is not one of its type. Only a chain that was made up has such
/// values, so the error says so to whoever plays it: it is no doing of the component's.
fn misfit(input: &Decoder<'_>, fault: CborFault) -> wasmtime::Error {
    CborError { at: input.position(), fault }.into()
}

fn next<'a>(dst: &mut IterMut<'a, ValRaw>) -> &'a mut ValRaw {
    dst.next().expect("there are as many core values as the type takes")
}

fn write<T>(cx: &mut LowerContext<'_, T>, at: usize, bytes: &[u8]) -> Result<()> {
    match cx.as_slice_mut().get_mut(at..).and_then(|rest| rest.get_mut(..bytes.len())) {
        Some(place) => {
            place.copy_from_slice(bytes);
            Ok(())
        }
        None => bail!("pointer out of bounds of memory"),
    }
}
