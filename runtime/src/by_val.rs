//! The same as the fused codec through wasmtime's public `Val`: slower, and easy to believe.
//!
//! It serves functions whose parameters do not fit into core values, which the codec cannot call,
//! and is what the codec is tested against.

use std::sync::Arc;

use theater_record::{Decoder, Encoder};
use wasmtime::component::{Func, ResourceAny, ResourceDynamic, Type, Val};
use wasmtime::{AsContextMut, Result, StoreContextMut, bail, format_err};

use crate::codec::{self, Callee};
use crate::handles::{self, Passing};

/// Makes a component's function callable.
pub(crate) fn callee<T: 'static>(
    func: Func,
    store: impl wasmtime::AsContext<Data = T>,
) -> Callee<T> {
    let ty = func.ty(&store);
    let params = ty.params().map(|(_, ty)| ty).collect::<Vec<_>>();
    let results = ty.results().collect::<Vec<_>>();
    Arc::new(move |cx, args| {
        let args = decode_all(cx.as_context_mut(), &params, args)?;
        let mut values = vec![Val::Bool(false); results.len()];
        func.call(cx.as_context_mut(), &args, &mut values)?;
        encode_all(cx.as_context_mut(), &results, &values)
    })
}

/// Encodes arguments or results.
pub(crate) fn encode_all<T: 'static>(
    mut cx: StoreContextMut<'_, T>,
    types: &[Type],
    values: &[Val],
) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(64);
    let mut out = Encoder(&mut bytes);
    out.array(values.len());
    for (ty, value) in types.iter().zip(values) {
        encode(&mut cx, ty, value, &mut out)?;
    }
    Ok(bytes)
}

/// Decodes arguments or results.
pub(crate) fn decode_all<T: 'static>(
    mut cx: StoreContextMut<'_, T>,
    types: &[Type],
    bytes: &[u8],
) -> Result<Vec<Val>> {
    let mut input = Decoder::new(bytes);
    input.array_of(types.len())?;
    let values = types.iter().map(|ty| decode(&mut cx, ty, &mut input)).collect::<Result<_>>()?;
    input.finish()?;
    Ok(values)
}

fn encode<T: 'static>(
    cx: &mut StoreContextMut<'_, T>,
    ty: &Type,
    value: &Val,
    out: &mut Encoder<'_>,
) -> Result<()> {
    match (ty, value) {
        (Type::Bool, Val::Bool(bit)) => out.bool(*bit),
        (Type::S8, Val::S8(number)) => out.int((*number).into()),
        (Type::U8, Val::U8(number)) => out.uint((*number).into()),
        (Type::S16, Val::S16(number)) => out.int((*number).into()),
        (Type::U16, Val::U16(number)) => out.uint((*number).into()),
        (Type::S32, Val::S32(number)) => out.int((*number).into()),
        (Type::U32, Val::U32(number)) => out.uint((*number).into()),
        (Type::S64, Val::S64(number)) => out.int(*number),
        (Type::U64, Val::U64(number)) => out.uint(*number),
        (Type::Float32, Val::Float32(number)) => out.bytes(&number.to_bits().to_be_bytes()),
        (Type::Float64, Val::Float64(number)) => out.bytes(&number.to_bits().to_be_bytes()),
        (Type::Char, Val::Char(char)) => out.uint(u32::from(*char).into()),
        (Type::String, Val::String(text)) => out.text(text),
        (Type::List(ty), Val::List(items)) => encode_items(cx, &ty.ty(), items, out)?,
        (Type::FixedLengthList(ty), Val::FixedLengthList(items)) => {
            encode_items(cx, &ty.ty(), items, out)?;
        }
        (Type::Tuple(ty), Val::Tuple(items)) => encode_tuple(cx, ty.types(), items, out)?,
        (Type::Record(ty), Val::Record(fields)) => {
            out.array(fields.len());
            for (field, (_, value)) in ty.fields().zip(fields) {
                encode(cx, &field.ty, value, out)?;
            }
        }
        (Type::Variant(ty), Val::Variant(name, payload)) => {
            let mut cases = ty.cases().enumerate();
            let found = cases.find(|(_, case)| case.name == name);
            let (case, found) = found.ok_or_else(|| format_err!("no case {name}"))?;
            encode_case(cx, case, found.ty.as_ref(), payload.as_deref(), out)?;
        }
        (Type::Option(ty), Val::Option(value)) => match value {
            None => out.null(),
            Some(value) => {
                out.array(1);
                encode(cx, &ty.ty(), value, out)?;
            }
        },
        (Type::Result(ty), Val::Result(Ok(value))) => {
            encode_case(cx, 0, ty.ok().as_ref(), value.as_deref(), out)?;
        }
        (Type::Result(ty), Val::Result(Err(value))) => {
            encode_case(cx, 1, ty.err().as_ref(), value.as_deref(), out)?;
        }
        (Type::Enum(ty), Val::Enum(name)) => {
            let case = ty.names().position(|known| known == name);
            out.uint(case.ok_or_else(|| format_err!("no case {name}"))? as u64);
        }
        (Type::Flags(ty), Val::Flags(set)) => {
            let names = ty.names().enumerate();
            let bits = names.filter(|(_, name)| set.iter().any(|other| other == name));
            out.uint(bits.fold(0, |bits, (at, _)| bits | 1 << at));
        }
        (Type::Map(ty), Val::Map(pairs)) => {
            out.array(pairs.len());
            for (key, value) in pairs {
                out.array(2);
                encode(cx, &ty.key(), key, out)?;
                encode(cx, &ty.value(), value, out)?;
            }
        }
        (Type::Own(_) | Type::Borrow(_), Val::Resource(resource)) => {
            out.uint(number_of(cx, *resource)?.into());
        }
        _ => bail!("a value of another type than the function has"),
    }
    Ok(())
}

fn encode_items<T: 'static>(
    cx: &mut StoreContextMut<'_, T>,
    ty: &Type,
    items: &[Val],
    out: &mut Encoder<'_>,
) -> Result<()> {
    if *ty == Type::U8 {
        let byte = |item: &Val| if let Val::U8(byte) = item { Some(*byte) } else { None };
        let bytes = items.iter().map(byte).collect::<Option<Vec<_>>>();
        out.bytes(&bytes.ok_or_else(|| format_err!("a list of bytes has other items"))?);
        return Ok(());
    }
    out.array(items.len());
    items.iter().try_for_each(|item| encode(cx, ty, item, out))
}

fn encode_tuple<T: 'static>(
    cx: &mut StoreContextMut<'_, T>,
    types: impl ExactSizeIterator<Item = Type>,
    items: &[Val],
    out: &mut Encoder<'_>,
) -> Result<()> {
    let types = types.collect::<Vec<_>>();
    if let (Some(_), [Val::U32(index)]) = (passing(&types), items) {
        out.uint(handles::from_lifter(*index)?.into());
        return Ok(());
    }
    out.array(items.len());
    types.iter().zip(items).try_for_each(|(ty, item)| encode(cx, ty, item, out))
}

fn encode_case<T: 'static>(
    cx: &mut StoreContextMut<'_, T>,
    case: usize,
    ty: Option<&Type>,
    payload: Option<&Val>,
    out: &mut Encoder<'_>,
) -> Result<()> {
    out.array(1 + usize::from(ty.is_some()));
    out.uint(case as u64);
    match (ty, payload) {
        (Some(ty), Some(payload)) => encode(cx, ty, payload, out),
        (None, None) => Ok(()),
        _ => bail!("a case has a payload where its type has none, or the other way round"),
    }
}

fn decode<T: 'static>(
    cx: &mut StoreContextMut<'_, T>,
    ty: &Type,
    input: &mut Decoder<'_>,
) -> Result<Val> {
    Ok(match ty {
        Type::Bool => Val::Bool(input.bool()?),
        Type::S8 => Val::S8(i8::try_from(input.int()?)?),
        Type::U8 => Val::U8(input.uint_as()?),
        Type::S16 => Val::S16(i16::try_from(input.int()?)?),
        Type::U16 => Val::U16(input.uint_as()?),
        Type::S32 => Val::S32(i32::try_from(input.int()?)?),
        Type::U32 => Val::U32(input.uint_as()?),
        Type::S64 => Val::S64(input.int()?),
        Type::U64 => Val::U64(input.uint()?),
        Type::Float32 => Val::Float32(f32::from_bits(u32::from_be_bytes(input.byte_array()?))),
        Type::Float64 => Val::Float64(f64::from_bits(u64::from_be_bytes(input.byte_array()?))),
        Type::Char => Val::Char(char::try_from(input.uint_as::<u32>()?)?),
        Type::String => Val::String(input.text()?.to_owned()),
        Type::List(ty) => Val::List(decode_items(cx, &ty.ty(), input)?),
        Type::FixedLengthList(ty) => Val::FixedLengthList(decode_items(cx, &ty.ty(), input)?),
        Type::Tuple(ty) => Val::Tuple(decode_tuple(cx, ty.types(), input)?),
        Type::Record(ty) => {
            input.array_of(ty.fields().len())?;
            let fields =
                ty.fields().map(|field| Ok((field.name.to_owned(), decode(cx, &field.ty, input)?)));
            Val::Record(fields.collect::<Result<_>>()?)
        }
        Type::Variant(ty) => {
            let fields = input.array()?;
            let case: usize = input.uint_as()?;
            let case = ty.cases().nth(case).ok_or_else(|| format_err!("no case {case}"))?;
            let payload = decode_payload(cx, fields, case.ty.as_ref(), input)?;
            Val::Variant(case.name.to_owned(), payload)
        }
        Type::Option(_) if input.null()? => Val::Option(None),
        Type::Option(ty) => {
            input.array_of(1)?;
            Val::Option(Some(Box::new(decode(cx, &ty.ty(), input)?)))
        }
        Type::Result(ty) => {
            let fields = input.array()?;
            match input.uint()? {
                0 => Val::Result(Ok(decode_payload(cx, fields, ty.ok().as_ref(), input)?)),
                1 => Val::Result(Err(decode_payload(cx, fields, ty.err().as_ref(), input)?)),
                side => bail!("a result is ok or err, not {side}"),
            }
        }
        Type::Enum(ty) => {
            let case: usize = input.uint_as()?;
            let name = ty.names().nth(case).ok_or_else(|| format_err!("no case {case}"))?;
            Val::Enum(name.to_owned())
        }
        Type::Flags(ty) => {
            let bits = input.uint()?;
            if bits & !codec::mask(ty.names().len()) != 0 {
                bail!("flags {bits:#x} have a bit that their type does not");
            }
            let set = ty.names().enumerate().filter(|(at, _)| bits >> at & 1 == 1);
            Val::Flags(set.map(|(_, name)| name.to_owned()).collect())
        }
        Type::Map(ty) => {
            let len = input.array()?;
            let pairs = (0..len).map(|_| {
                input.array_of(2)?;
                Ok((decode(cx, &ty.key(), input)?, decode(cx, &ty.value(), input)?))
            });
            Val::Map(pairs.collect::<Result<_>>()?)
        }
        Type::Own(ty) => Val::Resource(resource(cx, input.uint_as()?, ty, Passing::Own)?),
        Type::Borrow(ty) => Val::Resource(resource(cx, input.uint_as()?, ty, Passing::Borrow)?),
        Type::Future(_) | Type::Stream(_) | Type::ErrorContext => {
            bail!("asynchronous types cannot be replayed")
        }
    })
}

fn decode_tuple<T: 'static>(
    cx: &mut StoreContextMut<'_, T>,
    types: impl ExactSizeIterator<Item = Type>,
    input: &mut Decoder<'_>,
) -> Result<Vec<Val>> {
    let types = types.collect::<Vec<_>>();
    if let Some(passing) = passing(&types) {
        let index = handles::to_lifter(input.uint_as()?, passing)?;
        return Ok(vec![match passing {
            Passing::Own => Val::U32(index),
            Passing::Borrow => Val::S32(index.cast_signed()),
        }]);
    }
    input.array_of(types.len())?;
    types.iter().map(|ty| decode(cx, ty, input)).collect()
}

fn decode_items<T: 'static>(
    cx: &mut StoreContextMut<'_, T>,
    ty: &Type,
    input: &mut Decoder<'_>,
) -> Result<Vec<Val>> {
    if *ty == Type::U8 {
        return Ok(input.bytes()?.iter().map(|byte| Val::U8(*byte)).collect());
    }
    let len = input.array()?;
    (0..len).map(|_| decode(cx, ty, input)).collect()
}

fn decode_payload<T: 'static>(
    cx: &mut StoreContextMut<'_, T>,
    fields: usize,
    ty: Option<&Type>,
    input: &mut Decoder<'_>,
) -> Result<Option<Box<Val>>> {
    if fields != 1 + usize::from(ty.is_some()) {
        bail!("a case has a payload where its type has none, or the other way round");
    }
    ty.map(|ty| decode(cx, ty, input).map(Box::new)).transpose()
}

/// Whether a tuple of these types stands for a handle.
fn passing(types: &[Type]) -> Option<Passing> {
    use wasmtime::component::__internal::InterfaceType;
    match types {
        [Type::U32] => handles::host_handle(&[InterfaceType::U32]),
        [Type::S32] => handles::host_handle(&[InterfaceType::S32]),
        _ => None,
    }
}

fn number_of<T: 'static>(cx: &mut StoreContextMut<'_, T>, resource: ResourceAny) -> Result<u32> {
    if handles::stub_payload(&resource.ty()).is_some() {
        return Ok(ResourceDynamic::try_from_resource_any(resource, cx)?.rep());
    }
    handles::adopt(resource)
}

fn resource<T: 'static>(
    cx: &mut StoreContextMut<'_, T>,
    id: u32,
    ty: &wasmtime::component::ResourceType,
    passing: Passing,
) -> Result<ResourceAny> {
    handles::has_seen(id);
    match (handles::stub_payload(ty), passing) {
        // What is owned here is only lent where the function's type says so. A borrow could not be
        // made here: it would have to end with a call that has not begun.
        (Some(payload), Passing::Own | Passing::Borrow) => {
            ResourceDynamic::new_own(id, payload).try_into_resource_any(cx)
        }
        (None, Passing::Own) => handles::take_exported(id),
        (None, Passing::Borrow) => handles::exported(id),
    }
}
