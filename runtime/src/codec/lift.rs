//! From a component's core values and memory to a chain's encoding.

use std::slice::Iter;

use theater_record::Encoder;
use wasmtime::component::__internal::wasmtime_environ::component::{
    StringEncoding, TypeFixedLengthList, TypeMap, VariantInfo,
};
use wasmtime::component::__internal::{ComponentTypes, InterfaceType, LiftContext};
use wasmtime::component::Lift;
use wasmtime::{Result, ValRaw, bail, format_err};

use super::PASSED_BYTES_MAX;
use crate::handles;

/// Lifts a whole list of arguments or results that is passed as core values.
pub(super) fn all_flat(
    cx: &mut LiftContext<'_>,
    ty: InterfaceType,
    src: &mut Iter<'_, ValRaw>,
    out: &mut Encoder<'_>,
) -> Result<()> {
    let types = cx.types;
    let items = list_of_types(types, ty);
    out.array(items.len());
    items.iter().try_for_each(|item| flat(cx, *item, src, out))
}

/// Lifts a whole list of arguments or results that stands in memory.
pub(super) fn all_loaded(
    cx: &mut LiftContext<'_>,
    ty: InterfaceType,
    at: usize,
    out: &mut Encoder<'_>,
) -> Result<()> {
    check_place(cx, ty, at)?;
    in_order(cx, list_of_types(cx.types, ty).iter().copied(), at, out)
}

/// The types of a function's parameters or results, which wasmtime keeps as a tuple.
pub(super) fn list_of_types(types: &ComponentTypes, ty: InterfaceType) -> &[InterfaceType] {
    match ty {
        InterfaceType::Tuple(index) => &types[index].types,
        _ => unreachable!("parameters and results are lists"),
    }
}

/// Lifts a value that is passed as core values.
fn flat(
    cx: &mut LiftContext<'_>,
    ty: InterfaceType,
    src: &mut Iter<'_, ValRaw>,
    out: &mut Encoder<'_>,
) -> Result<()> {
    let types = cx.types;
    match ty {
        InterfaceType::Bool => out.bool(next(src).get_i32() != 0),
        InterfaceType::S8 => out.int((next(src).get_i32() as i8).into()),
        InterfaceType::U8 => out.uint((next(src).get_u32() as u8).into()),
        InterfaceType::S16 => out.int((next(src).get_i32() as i16).into()),
        InterfaceType::U16 => out.uint((next(src).get_u32() as u16).into()),
        InterfaceType::S32 => out.int(next(src).get_i32().into()),
        InterfaceType::U32 => out.uint(next(src).get_u32().into()),
        InterfaceType::S64 => out.int(next(src).get_i64()),
        InterfaceType::U64 => out.uint(next(src).get_u64()),
        InterfaceType::Float32 => out.bytes(&next(src).get_f32().to_be_bytes()),
        InterfaceType::Float64 => out.bytes(&next(src).get_f64().to_be_bytes()),
        InterfaceType::Char => char(next(src).get_u32(), out)?,
        InterfaceType::String => {
            let (at, len) = (next(src).get_u32(), next(src).get_u32());
            string(cx, at, len, out)?;
        }
        InterfaceType::List(index) => {
            let (at, len) = (next(src).get_u32(), next(src).get_u32());
            list(cx, types[index].element, at as usize, len as usize, out)?;
        }
        InterfaceType::Map(index) => {
            let (at, len) = (next(src).get_u32(), next(src).get_u32());
            map(cx, &types[index], at as usize, len as usize, out)?;
        }
        InterfaceType::Record(index) => {
            let fields = &types[index].fields;
            out.array(fields.len());
            fields.iter().try_for_each(|field| flat(cx, field.ty, src, out))?;
        }
        InterfaceType::Tuple(index) => {
            let items = &types[index].types;
            if handles::host_handle(items).is_some() {
                out.uint(handles::from_lifter(next(src).get_u32())?.into());
                return Ok(());
            }
            out.array(items.len());
            items.iter().try_for_each(|item| flat(cx, *item, src, out))?;
        }
        InterfaceType::FixedLengthList(index) => flat_fixed(cx, &types[index], src, out)?,
        InterfaceType::Variant(_) | InterfaceType::Option(_) | InterfaceType::Result(_) => {
            flat_case(cx, ty, src, out)?;
        }
        InterfaceType::Enum(_) => {
            let case = next(src).get_u32();
            case_type(types, ty, case)?;
            out.uint(case.into());
        }
        InterfaceType::Flags(index) => {
            let words = (0..flat_count(types, &ty)).map(|_| next(src).get_u32());
            let bits = words.enumerate().fold(0, |bits, (at, word)| bits | word_at(word, at));
            out.uint(bits & mask(types[index].names.len()));
        }
        InterfaceType::Own(_) | InterfaceType::Borrow(_) => {
            out.uint(handles::lift(cx, ty, next(src).get_u32())?.into());
        }
        InterfaceType::Future(_) | InterfaceType::Stream(_) | InterfaceType::ErrorContext(_) => {
            bail!("asynchronous types cannot be recorded");
        }
    }
    Ok(())
}

fn flat_fixed(
    cx: &mut LiftContext<'_>,
    list: &TypeFixedLengthList,
    src: &mut Iter<'_, ValRaw>,
    out: &mut Encoder<'_>,
) -> Result<()> {
    if list.element == InterfaceType::U8 {
        let bytes = (0..list.size).map(|_| next(src).get_u32() as u8).collect::<Vec<_>>();
        out.bytes(&bytes);
        return Ok(());
    }
    out.array(list.size as usize);
    (0..list.size).try_for_each(|_| flat(cx, list.element, src, out))
}

fn flat_case(
    cx: &mut LiftContext<'_>,
    ty: InterfaceType,
    src: &mut Iter<'_, ValRaw>,
    out: &mut Encoder<'_>,
) -> Result<()> {
    let types = cx.types;
    let case = next(src).get_u32();
    let payload = case_type(types, ty, case)?;
    case_head(ty, case, payload.is_some(), out);
    let mut used = 1;
    if let Some(payload) = payload {
        used += flat_count(types, &payload);
        flat(cx, payload, src, out)?;
    }
    // The smaller cases of a variant leave slots of the largest unused.
    for _ in used..flat_count(types, &ty) {
        next(src);
    }
    Ok(())
}

/// Lifts a value that stands in memory at an offset whose place was checked.
fn load(
    cx: &mut LiftContext<'_>,
    ty: InterfaceType,
    at: usize,
    out: &mut Encoder<'_>,
) -> Result<()> {
    let types = cx.types;
    match ty {
        InterfaceType::Bool => out.bool(bytes::<1>(cx, at)?[0] != 0),
        InterfaceType::S8 => out.int(i8::from_le_bytes(bytes(cx, at)?).into()),
        InterfaceType::U8 => out.uint(u8::from_le_bytes(bytes(cx, at)?).into()),
        InterfaceType::S16 => out.int(i16::from_le_bytes(bytes(cx, at)?).into()),
        InterfaceType::U16 => out.uint(u16::from_le_bytes(bytes(cx, at)?).into()),
        InterfaceType::S32 => out.int(i32::from_le_bytes(bytes(cx, at)?).into()),
        InterfaceType::U32 => out.uint(u32::from_le_bytes(bytes(cx, at)?).into()),
        InterfaceType::S64 => out.int(i64::from_le_bytes(bytes(cx, at)?)),
        InterfaceType::U64 => out.uint(u64::from_le_bytes(bytes(cx, at)?)),
        InterfaceType::Float32 => out.bytes(&reversed(bytes::<4>(cx, at)?)),
        InterfaceType::Float64 => out.bytes(&reversed(bytes::<8>(cx, at)?)),
        InterfaceType::Char => char(u32::from_le_bytes(bytes(cx, at)?), out)?,
        InterfaceType::String => {
            let (at, len) = pair(cx, at)?;
            string(cx, at, len, out)?;
        }
        InterfaceType::List(index) => {
            let (at, len) = pair(cx, at)?;
            list(cx, types[index].element, at as usize, len as usize, out)?;
        }
        InterfaceType::Map(index) => {
            let (at, len) = pair(cx, at)?;
            map(cx, &types[index], at as usize, len as usize, out)?;
        }
        InterfaceType::Record(index) => {
            let fields = types[index].fields.iter().map(|field| field.ty);
            in_order(cx, fields, at, out)?;
        }
        InterfaceType::Tuple(index) => {
            let items = &types[index].types;
            if handles::host_handle(items).is_some() {
                out.uint(handles::from_lifter(u32::from_le_bytes(bytes(cx, at)?))?.into());
                return Ok(());
            }
            in_order(cx, items.iter().copied(), at, out)?;
        }
        InterfaceType::FixedLengthList(index) => {
            items(cx, types[index].element, at, types[index].size as usize, out)?;
        }
        InterfaceType::Variant(_) | InterfaceType::Option(_) | InterfaceType::Result(_) => {
            load_case(cx, ty, at, out)?;
        }
        InterfaceType::Enum(_) => {
            let case = discriminant(cx, variant_info(types, ty), at)?;
            case_type(types, ty, case)?;
            out.uint(case.into());
        }
        InterfaceType::Flags(index) => {
            let size = types.canonical_abi(&ty).size32 as usize;
            let mut bits = [0; 8];
            bits[..size.min(8)].copy_from_slice(slice(cx, at, size.min(8))?);
            out.uint(u64::from_le_bytes(bits) & mask(types[index].names.len()));
        }
        InterfaceType::Own(_) | InterfaceType::Borrow(_) => {
            let index = u32::from_le_bytes(bytes(cx, at)?);
            out.uint(handles::lift(cx, ty, index)?.into());
        }
        InterfaceType::Future(_) | InterfaceType::Stream(_) | InterfaceType::ErrorContext(_) => {
            bail!("asynchronous types cannot be recorded");
        }
    }
    Ok(())
}

fn load_case(
    cx: &mut LiftContext<'_>,
    ty: InterfaceType,
    at: usize,
    out: &mut Encoder<'_>,
) -> Result<()> {
    let info = variant_info(cx.types, ty);
    let case = discriminant(cx, info, at)?;
    let payload = case_type(cx.types, ty, case)?;
    case_head(ty, case, payload.is_some(), out);
    match payload {
        Some(payload) => load(cx, payload, at + info.payload_offset32 as usize, out),
        None => Ok(()),
    }
}

/// Whether a value of this type can stand at this offset.
fn check_place(cx: &LiftContext<'_>, ty: InterfaceType, at: usize) -> Result<()> {
    let abi = cx.types.canonical_abi(&ty);
    if !at.is_multiple_of(abi.align32 as usize) {
        bail!("return pointer not aligned");
    }
    match at.checked_add(abi.size32 as usize) {
        Some(end) if end <= cx.memory().len() => Ok(()),
        _ => bail!("pointer out of bounds of memory"),
    }
}

/// The fields of a record or the items of a tuple, each at its place.
fn in_order(
    cx: &mut LiftContext<'_>,
    types: impl ExactSizeIterator<Item = InterfaceType>,
    at: usize,
    out: &mut Encoder<'_>,
) -> Result<()> {
    out.array(types.len());
    let mut next = at;
    for ty in types {
        let place = cx.types.canonical_abi(&ty).next_field32_size(&mut next);
        load(cx, ty, place, out)?;
    }
    Ok(())
}

/// The type of a case's payload, if the case exists.
pub(super) fn case_type(
    types: &ComponentTypes,
    ty: InterfaceType,
    case: u32,
) -> Result<Option<InterfaceType>> {
    let at = case as usize;
    let (payload, count) = match ty {
        InterfaceType::Variant(index) => {
            let cases = &types[index].cases;
            (cases.get_index(at).map(|(_, payload)| *payload), cases.len())
        }
        InterfaceType::Enum(index) => {
            let names = &types[index].names;
            ((at < names.len()).then_some(None), names.len())
        }
        InterfaceType::Option(index) => ([None, Some(types[index].ty)].get(at).copied(), 2),
        InterfaceType::Result(index) => ([types[index].ok, types[index].err].get(at).copied(), 2),
        _ => (None, 0),
    };
    payload.ok_or_else(|| format_err!("discriminant {case} out of range [0..{count})"))
}

pub(super) fn variant_info(types: &ComponentTypes, ty: InterfaceType) -> &VariantInfo {
    match ty {
        InterfaceType::Variant(index) => &types[index].info,
        InterfaceType::Enum(index) => &types[index].info,
        InterfaceType::Option(index) => &types[index].info,
        InterfaceType::Result(index) => &types[index].info,
        _ => unreachable!("only types with cases are asked for them"),
    }
}

/// How many core values a value takes.
pub(super) fn flat_count(types: &ComponentTypes, ty: &InterfaceType) -> usize {
    types.canonical_abi(ty).flat_count(usize::MAX).unwrap_or(usize::MAX)
}

/// The bits that flags may use.
pub(crate) fn mask(count: usize) -> u64 {
    if count >= 64 { u64::MAX } else { (1 << count) - 1 }
}

fn case_head(ty: InterfaceType, case: u32, has_payload: bool, out: &mut Encoder<'_>) {
    match ty {
        InterfaceType::Option(_) if has_payload => out.array(1),
        InterfaceType::Option(_) => out.null(),
        _ => {
            out.array(1 + usize::from(has_payload));
            out.uint(case.into());
        }
    }
}

fn discriminant(cx: &LiftContext<'_>, info: &VariantInfo, at: usize) -> Result<u32> {
    Ok(match usize::from(info.size) {
        1 => u8::from_le_bytes(bytes(cx, at)?).into(),
        2 => u16::from_le_bytes(bytes(cx, at)?).into(),
        _ => u32::from_le_bytes(bytes(cx, at)?),
    })
}

fn list(
    cx: &mut LiftContext<'_>,
    element: InterfaceType,
    at: usize,
    len: usize,
    out: &mut Encoder<'_>,
) -> Result<()> {
    let abi = cx.types.canonical_abi(&element);
    let end = len.checked_mul(abi.size32 as usize).and_then(|bytes| at.checked_add(bytes));
    if end.is_none_or(|end| end > cx.memory().len()) {
        bail!("list pointer/length out of bounds of memory");
    }
    if !at.is_multiple_of(abi.align32 as usize) {
        bail!("list pointer is not aligned");
    }
    items(cx, element, at, len, out)
}

/// Elements whose place was checked.
fn items(
    cx: &mut LiftContext<'_>,
    element: InterfaceType,
    at: usize,
    len: usize,
    out: &mut Encoder<'_>,
) -> Result<()> {
    if element == InterfaceType::U8 {
        check_room(out, len)?;
        out.bytes(slice(cx, at, len)?);
        return Ok(());
    }
    let size = cx.types.canonical_abi(&element).size32 as usize;
    out.array(len);
    for item in 0..len {
        check_room(out, size)?;
        load(cx, element, at + item * size, out)?;
    }
    Ok(())
}

fn map(
    cx: &mut LiftContext<'_>,
    ty: &TypeMap,
    at: usize,
    len: usize,
    out: &mut Encoder<'_>,
) -> Result<()> {
    let size = ty.entry_abi.size32 as usize;
    let end = len.checked_mul(size).and_then(|bytes| at.checked_add(bytes));
    if end.is_none_or(|end| end > cx.memory().len()) {
        bail!("map pointer/length out of bounds of memory");
    }
    if !at.is_multiple_of(ty.entry_abi.align32 as usize) {
        bail!("map pointer is not aligned");
    }
    out.array(len);
    for entry in 0..len {
        let at = at + entry * size;
        check_room(out, size)?;
        out.array(2);
        load(cx, ty.key, at, out)?;
        load(cx, ty.value, at + ty.value_offset32 as usize, out)?;
    }
    Ok(())
}

/// Whether about so many more bytes may be passed.
fn check_room(out: &Encoder<'_>, more: usize) -> Result<()> {
    if out.0.len().saturating_add(more) > PASSED_BYTES_MAX {
        bail!("more than {PASSED_BYTES_MAX} bytes are passed in one call");
    }
    Ok(())
}

fn string(cx: &mut LiftContext<'_>, at: u32, len: u32, out: &mut Encoder<'_>) -> Result<()> {
    if cx.options().string_encoding == StringEncoding::Utf8 {
        let Ok(bytes) = slice(cx, at as usize, len as usize) else {
            bail!("string pointer/length out of bounds of memory");
        };
        check_room(out, bytes.len())?;
        out.text(std::str::from_utf8(bytes)?);
    } else {
        let pair = [ValRaw::u32(at), ValRaw::u32(len)];
        let text = String::linear_lift_from_flat(cx, InterfaceType::String, &pair)?;
        check_room(out, text.len())?;
        out.text(&text);
    }
    Ok(())
}

fn char(code: u32, out: &mut Encoder<'_>) -> Result<()> {
    out.uint(u32::from(char::try_from(code)?).into());
    Ok(())
}

fn next<'a>(src: &mut Iter<'a, ValRaw>) -> &'a ValRaw {
    src.next().expect("as many core values were passed as the type takes")
}

fn word_at(word: u32, at: usize) -> u64 {
    u64::from(word).checked_shl(32 * at as u32).unwrap_or(0)
}

fn pair(cx: &LiftContext<'_>, at: usize) -> Result<(u32, u32)> {
    Ok((u32::from_le_bytes(bytes(cx, at)?), u32::from_le_bytes(bytes(cx, at + 4)?)))
}

fn bytes<const N: usize>(cx: &LiftContext<'_>, at: usize) -> Result<[u8; N]> {
    match cx.memory().get(at..).and_then(|rest| rest.first_chunk()) {
        Some(bytes) => Ok(*bytes),
        None => bail!("pointer out of bounds of memory"),
    }
}

fn slice<'a>(cx: &LiftContext<'a>, at: usize, len: usize) -> Result<&'a [u8]> {
    match at.checked_add(len).and_then(|end| cx.memory().get(at..end)) {
        Some(bytes) => Ok(bytes),
        None => bail!("pointer out of bounds of memory"),
    }
}

fn reversed<const N: usize>(mut bytes: [u8; N]) -> [u8; N] {
    bytes.reverse();
    bytes
}
