//! Record bodies to bytes and back.
//!
//! A body is an array: chain tag, previous hash, sequence number, kind, then the fields of the
//! kind in the order of the struct in `event.rs`. Optional fields are `null`. Fuel alone is left
//! out when there is none, because calls are the bulk of a chain.

use crate::blob::BlobRef;
use crate::cbor::{CborError, CborFault, Decoder, Encoder, head_bytes};
use crate::event::{
    Call, Checkpoint, CheckpointPolicy, Close, CloseReason, Event, FunctionId, FunctionType,
    Header, Kind, Lifecycle, LifecycleState, Origin, Outcome, Permission, Recover, ResourceDrop,
    Return, TrapCode,
};
use crate::format::{BODY_SEQ_AT, COMMON_FIELDS, NESTING_DEPTH_MAX};
use crate::frame::Frame;
use crate::hash::{ChainId, Hash};
use crate::sign::{PublicKey, Signature};
use crate::types::{Type, TypeDef, TypeId, decode_many};
use crate::value::Values;

/// Where a record stands: the part of its body that is the same for all kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The chain tag.
    pub tag: [u8; 4],
    /// The hash of the record before.
    pub prev: Hash,
    /// The event number.
    pub seq: u64,
}

impl Place {
    /// The frame of a record that says `event` in this place.
    #[must_use]
    pub fn frame(self, event: &Event) -> Vec<u8> {
        let mut frame = Vec::new();
        self.frame_into(event, &mut frame);
        frame
    }

    /// Appends the frame of a record that says `event` in this place. Allocates nothing if there
    /// is room for it.
    pub fn frame_into(self, event: &Event, out: &mut Vec<u8>) {
        let start = out.len();
        encode_body(self, event, out);
        Frame::wrap_from(start, out);
    }

    /// Appends the frame of a record whose fields are encoded already.
    pub(crate) fn frame_fields(
        self,
        kind: Kind,
        field_count: usize,
        fields: &[u8],
        out: &mut Vec<u8>,
    ) {
        Frame::encode_head(body_bytes(self.seq, kind, fields.len()), out);
        encode_common(self, kind, field_count, out);
        out.extend_from_slice(fields);
    }
}

/// How long the body of a record is whose own fields have this many bytes.
pub(crate) fn body_bytes(seq: u64, kind: Kind, fields: usize) -> usize {
    BODY_SEQ_AT + head_bytes(seq) + head_bytes(kind as u64) + fields
}

/// Appends a whole body.
pub(crate) fn encode_body(place: Place, event: &Event, out: &mut Vec<u8>) {
    encode_common(place, event.kind(), event.field_count(), out);
    encode_fields(event, out);
}

/// Appends the part of a body that is the same for all kinds.
fn encode_common(place: Place, kind: Kind, field_count: usize, out: &mut Vec<u8>) {
    let mut out = Encoder(out);
    out.array(COMMON_FIELDS + field_count);
    out.bytes(&place.tag);
    out.bytes(&place.prev.0);
    out.uint(place.seq);
    out.uint(kind as u64);
}

/// Reads a whole body.
pub(crate) fn decode_body(body: &[u8]) -> Result<(Place, Event), CborError> {
    let mut input = Decoder::new(body);
    let fields = input.array()?;
    let place =
        Place { tag: input.byte_array()?, prev: Hash(input.byte_array()?), seq: input.uint()? };
    let at = input.position();
    let kind = Kind::from_number(input.uint()?)
        .ok_or(CborError { at, fault: CborFault::Expected("a known kind of record") })?;
    if body.len() > kind.body_bytes_max() {
        return Err(CborError { at: 0, fault: CborFault::OutOfRange });
    }
    let event = decode_fields(kind, fields.saturating_sub(COMMON_FIELDS), &mut input)?;
    input.finish()?;
    if fields != COMMON_FIELDS + event.field_count() {
        return Err(CborError { at: 0, fault: CborFault::Expected("another number of fields") });
    }
    Ok((place, event))
}

impl Event {
    /// How many fields the kind has here; fuel makes the difference.
    pub(crate) fn field_count(&self) -> usize {
        match self {
            Event::Header(_) => 18,
            Event::Type(_) => 3,
            Event::Function(_) => 5,
            Event::ExportCall(Call { fuel, .. })
            | Event::ImportCall(Call { fuel, .. })
            | Event::ImportReturn(Return { fuel, .. })
            | Event::ExportReturn(Return { fuel, .. }) => 2 + usize::from(fuel.is_some()),
            Event::ResourceDrop(_) => 2,
            Event::Lifecycle(_) => 3,
            Event::Permission(_) => 5,
            Event::Checkpoint(_) => 13,
            Event::Close(_) => 11,
            Event::Recover(_) => 5,
        }
    }
}

/// Appends the fields of the event's kind.
pub(crate) fn encode_fields(event: &Event, out: &mut Vec<u8>) {
    let out = &mut Encoder(out);
    match event {
        Event::Header(header) => encode_header(header, out),
        Event::Type(def) => {
            out.uint(u64::from(def.id.0));
            out.text(&def.name);
            def.ty.encode(out);
        }
        Event::Function(function) => {
            out.uint(u64::from(function.id.0));
            out.text(&function.interface);
            out.text(&function.name);
            out.array(function.params.len());
            for (name, ty) in &function.params {
                out.array(2);
                out.text(name);
                ty.encode(out);
            }
            out.array(function.results.len());
            function.results.iter().for_each(|ty| ty.encode(out));
        }
        Event::ExportCall(call) | Event::ImportCall(call) => {
            out.uint(u64::from(call.function.0));
            out.raw(call.args.as_bytes());
            call.fuel.into_iter().for_each(|fuel| out.uint(fuel));
        }
        Event::ImportReturn(end) | Event::ExportReturn(end) => {
            out.uint(u64::from(end.function.0));
            encode_outcome(&end.outcome, out);
            end.fuel.into_iter().for_each(|fuel| out.uint(fuel));
        }
        Event::ResourceDrop(drop) => {
            out.uint(u64::from(drop.ty.0));
            out.uint(drop.resource);
        }
        Event::Lifecycle(lifecycle) => {
            out.uint(lifecycle.state as u64);
            out.uint(lifecycle.time);
            out.text(&lifecycle.detail);
        }
        Event::Permission(permission) => {
            out.text(&permission.capability);
            out.text(&permission.subject);
            out.bool(permission.allowed);
            out.uint(permission.reason);
            out.text(&permission.detail);
        }
        Event::Checkpoint(checkpoint) => encode_checkpoint(checkpoint, out),
        Event::Close(close) => encode_close(close, out),
        Event::Recover(recover) => {
            out.uint(recover.discarded_bytes);
            out.bytes(&recover.discarded_digest.0);
            out.uint(recover.time);
            optional_bytes(out, recover.next_key.as_ref().map(|key| &key.0[..]));
            optional_bytes(out, recover.signature.as_ref().map(|signature| &signature.0[..]));
        }
    }
}

fn encode_header(header: &Header, out: &mut Encoder<'_>) {
    out.uint(header.version);
    out.bytes(&header.chain_id.0);
    out.uint(header.suite);
    out.array(header.features.len());
    header.features.iter().for_each(|feature| out.uint(*feature));
    out.uint(header.origin as u64);
    out.text(&header.recorder);
    out.uint(header.created);
    out.text(&header.name);
    optional_bytes(out, header.component.as_ref().map(|digest| &digest.0[..]));
    match &header.embedded {
        Some(blob) => blob.encode(out),
        None => out.null(),
    }
    optional_text(out, header.manifest.as_deref());
    optional_bytes(out, header.state.as_deref());
    out.array(header.settings.len());
    for (name, value) in &header.settings {
        out.array(2);
        out.text(name);
        out.text(value);
    }
    optional_text(out, header.world.as_deref());
    out.array(3);
    out.uint(header.policy.records_max);
    out.uint(header.policy.bytes_max);
    optional_uint(out, header.policy.interval_ns);
    optional_bytes(out, header.first_key.as_ref().map(|key| &key.0[..]));
    optional_bytes(out, header.identity.as_ref().map(|key| &key.0[..]));
    optional_bytes(out, header.signature.as_ref().map(|signature| &signature.0[..]));
}

fn encode_checkpoint(checkpoint: &Checkpoint, out: &mut Encoder<'_>) {
    out.uint(checkpoint.number);
    out.uint(checkpoint.first_seq);
    out.uint(checkpoint.segment_offset);
    out.uint(checkpoint.segment_bytes);
    out.uint(checkpoint.blob_count);
    out.uint(checkpoint.blob_bytes);
    optional_uint(out, checkpoint.durable_seq);
    out.bytes(&checkpoint.segment_digest.0);
    out.bytes(&checkpoint.segment_root.0);
    out.bytes(&checkpoint.log_root.0);
    out.uint(checkpoint.time);
    optional_bytes(out, checkpoint.next_key.as_ref().map(|key| &key.0[..]));
    optional_bytes(out, checkpoint.signature.as_ref().map(|signature| &signature.0[..]));
}

fn encode_close(close: &Close, out: &mut Encoder<'_>) {
    out.uint(close.reason as u64);
    out.text(&close.detail);
    out.uint(close.checkpoints);
    out.uint(close.record_bytes);
    out.uint(close.blob_count);
    out.uint(close.blob_bytes);
    out.uint(close.checkpoint_offset);
    optional_uint(out, close.durable_seq);
    out.uint(close.time);
    optional_bytes(out, close.signature.as_ref().map(|signature| &signature.0[..]));
    out.bytes(&close.digest.0);
}

/// An outcome is `[0, [results...]]` or `[1, code, detail]`.
fn encode_outcome(outcome: &Outcome, out: &mut Encoder<'_>) {
    match outcome {
        Outcome::Returned(values) => {
            out.array(2);
            out.uint(0);
            out.raw(values.as_bytes());
        }
        Outcome::Trapped { code, detail } => {
            out.array(3);
            out.uint(1);
            out.uint(*code as u64);
            out.text(detail);
        }
    }
}

fn decode_fields(kind: Kind, fields: usize, input: &mut Decoder<'_>) -> Result<Event, CborError> {
    Ok(match kind {
        Kind::Header => Event::Header(Box::new(decode_header(input)?)),
        Kind::Type => Event::Type(TypeDef {
            id: TypeId(input.uint_as()?),
            name: input.text()?.to_owned(),
            ty: Type::decode(input, NESTING_DEPTH_MAX)?,
        }),
        Kind::Function => Event::Function(FunctionType {
            id: FunctionId(input.uint_as()?),
            interface: input.text()?.to_owned(),
            name: input.text()?.to_owned(),
            params: decode_many(input, |input| {
                input.array_of(2)?;
                Ok((input.text()?.to_owned(), Type::decode(input, NESTING_DEPTH_MAX)?))
            })?,
            results: decode_many(input, |input| Type::decode(input, NESTING_DEPTH_MAX))?,
        }),
        Kind::ExportCall => Event::ExportCall(decode_call(fields, input)?),
        Kind::ImportCall => Event::ImportCall(decode_call(fields, input)?),
        Kind::ImportReturn => Event::ImportReturn(decode_return(fields, input)?),
        Kind::ExportReturn => Event::ExportReturn(decode_return(fields, input)?),
        Kind::ResourceDrop => Event::ResourceDrop(ResourceDrop {
            ty: TypeId(input.uint_as()?),
            resource: input.uint()?,
        }),
        Kind::Lifecycle => Event::Lifecycle(Lifecycle {
            state: one_of(input, &LifecycleState::ALL)?,
            time: input.uint()?,
            detail: input.text()?.to_owned(),
        }),
        Kind::Permission => Event::Permission(Permission {
            capability: input.text()?.to_owned(),
            subject: input.text()?.to_owned(),
            allowed: input.bool()?,
            reason: input.uint()?,
            detail: input.text()?.to_owned(),
        }),
        Kind::Checkpoint => Event::Checkpoint(Box::new(decode_checkpoint(input)?)),
        Kind::Close => Event::Close(Box::new(decode_close(input)?)),
        Kind::Recover => Event::Recover(Box::new(Recover {
            discarded_bytes: input.uint()?,
            discarded_digest: Hash(input.byte_array()?),
            time: input.uint()?,
            next_key: optional(input, |input| input.byte_array().map(PublicKey))?,
            signature: optional(input, |input| input.byte_array().map(Signature))?,
        })),
    })
}

fn decode_header(input: &mut Decoder<'_>) -> Result<Header, CborError> {
    Ok(Header {
        version: input.uint()?,
        chain_id: ChainId(input.byte_array()?),
        suite: input.uint()?,
        features: decode_many(input, |input| input.uint())?,
        origin: one_of(input, &[Origin::Recorded, Origin::Synthetic])?,
        recorder: input.text()?.to_owned(),
        created: input.uint()?,
        name: input.text()?.to_owned(),
        component: optional(input, |input| input.byte_array().map(Hash))?,
        embedded: optional(input, BlobRef::decode)?,
        manifest: optional(input, |input| input.text().map(str::to_owned))?,
        state: optional(input, |input| input.bytes().map(<[u8]>::to_vec))?,
        settings: decode_many(input, |input| {
            input.array_of(2)?;
            Ok((input.text()?.to_owned(), input.text()?.to_owned()))
        })?,
        world: optional(input, |input| input.text().map(str::to_owned))?,
        policy: {
            input.array_of(3)?;
            CheckpointPolicy {
                records_max: input.uint()?,
                bytes_max: input.uint()?,
                interval_ns: optional(input, Decoder::uint)?,
            }
        },
        first_key: optional(input, |input| input.byte_array().map(PublicKey))?,
        identity: optional(input, |input| input.byte_array().map(PublicKey))?,
        signature: optional(input, |input| input.byte_array().map(Signature))?,
    })
}

fn decode_checkpoint(input: &mut Decoder<'_>) -> Result<Checkpoint, CborError> {
    Ok(Checkpoint {
        number: input.uint()?,
        first_seq: input.uint()?,
        segment_offset: input.uint()?,
        segment_bytes: input.uint()?,
        blob_count: input.uint()?,
        blob_bytes: input.uint()?,
        durable_seq: optional(input, Decoder::uint)?,
        segment_digest: Hash(input.byte_array()?),
        segment_root: Hash(input.byte_array()?),
        log_root: Hash(input.byte_array()?),
        time: input.uint()?,
        next_key: optional(input, |input| input.byte_array().map(PublicKey))?,
        signature: optional(input, |input| input.byte_array().map(Signature))?,
    })
}

fn decode_close(input: &mut Decoder<'_>) -> Result<Close, CborError> {
    Ok(Close {
        reason: one_of(input, &CloseReason::ALL)?,
        detail: input.text()?.to_owned(),
        checkpoints: input.uint()?,
        record_bytes: input.uint()?,
        blob_count: input.uint()?,
        blob_bytes: input.uint()?,
        checkpoint_offset: input.uint()?,
        durable_seq: optional(input, Decoder::uint)?,
        time: input.uint()?,
        signature: optional(input, |input| input.byte_array().map(Signature))?,
        digest: Hash(input.byte_array()?),
    })
}

fn decode_call(fields: usize, input: &mut Decoder<'_>) -> Result<Call, CborError> {
    Ok(Call {
        function: FunctionId(input.uint_as()?),
        args: Values::decode_raw(input)?,
        fuel: if fields > 2 { Some(input.uint()?) } else { None },
    })
}

fn decode_return(fields: usize, input: &mut Decoder<'_>) -> Result<Return, CborError> {
    Ok(Return {
        function: FunctionId(input.uint_as()?),
        outcome: decode_outcome(input)?,
        fuel: if fields > 2 { Some(input.uint()?) } else { None },
    })
}

fn decode_outcome(input: &mut Decoder<'_>) -> Result<Outcome, CborError> {
    let at = input.position();
    match (input.array()?, input.uint()?) {
        (2, 0) => Ok(Outcome::Returned(Values::decode_raw(input)?)),
        (3, 1) => Ok(Outcome::Trapped {
            code: one_of(input, &TrapCode::ALL)?,
            detail: input.text()?.to_owned(),
        }),
        _ => Err(CborError { at, fault: CborFault::Expected("results or a trap") }),
    }
}

fn one_of<T: Copy>(input: &mut Decoder<'_>, all: &[T]) -> Result<T, CborError> {
    let at = input.position();
    let number: usize = input.uint_as()?;
    all.get(number).copied().ok_or(CborError { at, fault: CborFault::OutOfRange })
}

fn optional<'a, T>(
    input: &mut Decoder<'a>,
    one: impl FnOnce(&mut Decoder<'a>) -> Result<T, CborError>,
) -> Result<Option<T>, CborError> {
    if input.null()? { Ok(None) } else { one(input).map(Some) }
}

fn optional_uint(out: &mut Encoder<'_>, number: Option<u64>) {
    match number {
        Some(number) => out.uint(number),
        None => out.null(),
    }
}

fn optional_bytes(out: &mut Encoder<'_>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => out.bytes(bytes),
        None => out.null(),
    }
}

fn optional_text(out: &mut Encoder<'_>, text: Option<&str>) {
    match text {
        Some(text) => out.text(text),
        None => out.null(),
    }
}
