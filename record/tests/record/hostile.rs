//! CBOR that other decoders take and a chain must not hold: each is refused, and for the reason
//! that is really wrong with it.

use theater_record::{
    CborError, CborFault, Decoder, Encoder, Frame, Kind, NESTING_DEPTH_MAX, Values, check_body,
};

fn fault_of(bytes: &[u8]) -> Option<CborFault> {
    let mut input = Decoder::new(bytes);
    input.item().and_then(|_| input.finish()).err().map(|error| error.fault)
}

/// The body of an export call with this item where its arguments belong.
fn call_with(args: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    let mut out = Encoder(&mut body);
    out.array(6);
    out.bytes(b"tag.");
    out.bytes(&[0; 32]);
    out.uint(7);
    out.uint(Kind::ExportCall as u64);
    out.uint(0);
    out.raw(args);
    body
}

/// The item inside an array, so that it stands where arguments may.
fn as_args(item: &[u8]) -> Vec<u8> {
    [&[0x81], item].concat()
}

fn nested(depth: usize) -> Vec<u8> {
    let mut item = vec![0x81; depth];
    item.push(0x00);
    item
}

#[test]
fn items_are_refused_for_the_right_reason() {
    use CborFault::{Forbidden, Indefinite, NotShortest, NotUtf8, OutOfRange, Truncated};
    let cases: &[(&str, &[u8], CborFault)] = &[
        ("23 in two bytes", &[0x18, 0x17], NotShortest),
        ("255 in three bytes", &[0x19, 0x00, 0xff], NotShortest),
        ("65535 in five bytes", &[0x1a, 0, 0, 0xff, 0xff], NotShortest),
        ("1 in nine bytes", &[0x1b, 0, 0, 0, 0, 0, 0, 0, 1], NotShortest),
        ("-1 in two bytes", &[0x38, 0x00], NotShortest),
        ("a long byte string head", &[0x58, 0x01, 0x00], NotShortest),
        ("a long text head", &[0x78, 0x01, b'a'], NotShortest),
        ("a long array head", &[0x98, 0x01, 0x00], NotShortest),
        ("an indefinite array", &[0x9f, 0x00, 0xff], Indefinite),
        ("an indefinite byte string", &[0x5f, 0x41, 0x00, 0xff], Indefinite),
        ("an indefinite text", &[0x7f, 0x61, b'a', 0xff], Indefinite),
        ("an indefinite map", &[0xbf, 0xff], Indefinite),
        ("a stop code", &[0xff], Indefinite),
        ("text of half a character", &[0x62, 0xc3, 0x28], NotUtf8),
        ("text with a surrogate", &[0x63, 0xed, 0xa0, 0x80], NotUtf8),
        ("an overlong slash", &[0x62, 0xc0, 0xaf], NotUtf8),
        ("simple value 24 in two bytes", &[0xf8, 0x18], Forbidden),
        ("simple value 255", &[0xf8, 0xff], Forbidden),
        ("undefined", &[0xf7], Forbidden),
        ("simple value 0", &[0xe0], Forbidden),
        ("a half float", &[0xf9, 0x3c, 0x00], Forbidden),
        ("a signalling half NaN", &[0xf9, 0x7c, 0x01], Forbidden),
        ("a single float", &[0xfa, 0x3f, 0x80, 0, 0], Forbidden),
        ("a double float", &[0xfb, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0], Forbidden),
        ("an empty map", &[0xa0], Forbidden),
        ("a map with one key twice", &[0xa2, 0x01, 0x00, 0x01, 0x00], Forbidden),
        ("a bignum", &[0xc2, 0x41, 0x05], Forbidden),
        ("tag 24", &[0xd8, 0x18, 0x41, 0x00], Forbidden),
        ("reserved length 28", &[0x1c], Forbidden),
        ("reserved length 30", &[0x5e], Forbidden),
        ("nothing", &[], Truncated),
        ("half a head", &[0x19, 0x01], Truncated),
        ("an array that lacks an element", &[0x82, 0x00], Truncated),
        ("a text that lacks a byte", &[0x62, b'a'], Truncated),
        ("2^31 bytes", &[0x5a, 0x80, 0, 0, 0], Truncated),
        ("2^63 bytes", &[0x5b, 0x80, 0, 0, 0, 0, 0, 0, 0], Truncated),
        ("2^64 - 1 elements", &[0x9b, 255, 255, 255, 255, 255, 255, 255, 255], Truncated),
        ("a text of 2^63 bytes", &[0x7b, 0x80, 0, 0, 0, 0, 0, 0, 0], Truncated),
        ("a blob of no pieces", &[0xd9, 0x74, 0x62, 0x81, 0x00], OutOfRange),
    ];
    for (what, item, fault) in cases {
        assert_eq!(fault_of(item), Some(*fault), "{what}");
        let refused = check_body(&call_with(&as_args(item))).map_err(|error| error.0.fault);
        assert_eq!(refused, Err(*fault), "{what}, as an argument");
    }
}

#[test]
fn blob_tags_stand_before_blob_references_only() {
    let tagged = |item: &[u8]| [&[0xd9, 0x74, 0x62], item].concat();
    assert_eq!(fault_of(&tagged(&[0x00])), Some(CborFault::Expected("an array")));
    assert_eq!(fault_of(&tagged(&tagged(&[0x80]))), Some(CborFault::Expected("an array")));
    let short_digest = [&[0x82, 0x01, 0x58, 31][..], &[0; 31]].concat();
    assert_eq!(fault_of(&tagged(&short_digest)), Some(CborFault::OutOfRange));
    let digest = [&[0x82, 0x01, 0x58, 32][..], &[0; 32]].concat();
    assert_eq!(fault_of(&tagged(&digest)), None);
}

#[test]
fn bytes_after_the_item_are_refused() {
    assert_eq!(fault_of(&[0x00, 0x00]), Some(CborFault::Trailing));
    let longer = [call_with(&[0x80]), vec![0x00]].concat();
    let CborError { at, fault } = check_body(&longer).expect_err("a byte too many").0;
    assert_eq!((at, fault), (longer.len() - 1, CborFault::Trailing));
    assert_eq!(Values::from_encoded(vec![0x80, 0x00]).expect_err("two items").fault, fault);
}

#[test]
fn nesting_ends_at_the_limit() {
    assert_eq!(fault_of(&nested(NESTING_DEPTH_MAX)), None);
    assert_eq!(fault_of(&nested(NESTING_DEPTH_MAX + 1)), Some(CborFault::TooDeep));
    // Deep enough to overflow the stack of whoever recurses.
    assert_eq!(fault_of(&nested(1_000_000)), Some(CborFault::TooDeep));
    assert_eq!(check_body(&call_with(&nested(NESTING_DEPTH_MAX))), Ok(Kind::ExportCall));
    assert!(check_body(&call_with(&nested(NESTING_DEPTH_MAX + 1))).is_err());
}

#[test]
fn every_start_of_a_frame_is_no_frame() {
    let mut frame = Vec::new();
    Frame::wrap(&call_with(&[0x80]), &mut frame);
    assert!(Frame::parse(&frame).is_some());
    for end in 0..frame.len() {
        assert_eq!(Frame::parse(&frame[..end]), None, "the first {end} bytes");
    }
}

#[test]
fn frames_with_another_head_are_no_frames() {
    let body = call_with(&[0x80]);
    let len = body.len() as u8;
    let heads: &[(&str, &[u8])] = &[
        ("no tag", &[0x58, len]),
        ("another tag", &[0xd8, 0x19, 0x58, len]),
        ("a longer head than needed", &[0xd8, 0x18, 0x59, 0, len]),
        ("the longest head", &[0xd8, 0x18, 0x5b, 0, 0, 0, 0, 0, 0, 0, len]),
        ("an indefinite length", &[0xd8, 0x18, 0x5f]),
        ("a text string", &[0xd8, 0x18, 0x78, len]),
        ("more than the largest body", &[0xd8, 0x18, 0x5a, 0x01, 0, 0, 1]),
    ];
    for (what, head) in heads {
        assert_eq!(Frame::parse(&[head, &body[..]].concat()), None, "{what}");
    }
}
