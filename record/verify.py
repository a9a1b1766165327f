"""A second verifier, from FORMAT.md alone: verify.py CHAIN... Exits like theater-replay. Needs cbor2, blake3. Ignores signatures."""
import collections, hashlib, re, sys, blake3, cbor2
MAGIC, FIELDS = b"\xd9\xd9\xf8\xdaTHTRCBOR", dict(enumerate([[22], [7], [9]] + [[6, 7]] * 4 + [[6], [7], [9], [17], [15], [9]]))
HEAD = re.compile(rb"\xd8\x18(?:X[\x2a-\xff]|Y[^\0].|Z(?:\0[^\0]..|\x01\0\0\0))(?=[\x80-\x97]D.{4}X .{32}[\0-\x1bP\xf6])", re.S)
Item = collections.namedtuple("Item", "frame body tag prev seq hash", defaults=[None] * 5)
sha256 = lambda data: hashlib.sha256(data).digest()
derive = lambda what, data: blake3.blake3(data, derive_key_context="theater chain v1 " + what).digest()
def root(leaves, node):  # as in RFC 6962
    split = 1 << (len(leaves) - 1).bit_length() >> 1
    return leaves[0] if len(leaves) == 1 else node(root(leaves[:split], node) + root(leaves[split:], node))
def scan(data, at=len(MAGIC)):  # a blob has no `seq`; bytes that are no frame have no `body`
    while head := next((h for h in HEAD.finditer(data, at) if h.end() + int.from_bytes(h[0][3:]) <= len(data)), None):
        if head.start() > at: yield Item(data[at:head.start()])
        frame, body = data[head.start():(at := head.end() + int.from_bytes(head[0][3:]))], data[head.end():at]
        seq, link = cbor2.loads(body[40:49]) if body[40] < 28 else None, derive("record", frame + bytes(-len(frame) % 64))
        yield Item(frame, body, body[2:6], body[8:40], seq, link)
    if at < len(data): yield Item(data[at:])
def parse(item):  # the fields, or none if they are malformed or a blob is not the one it says it is
    try:
        fields = cbor2.loads(item.body, max_depth=68)
        blob = item.seq is None and fields[2] and derive("blob", fields[2] + blake3.blake3(fields[3]).digest())
        ok = len(fields) in (FIELDS[fields[3]] if item.seq is not None else [4]) and (not blob or blob == item.prev)
        return fields if ok and cbor2.dumps(fields, canonical=True) == item.body else []
    except Exception: return []
def blame(records, item, seq, head, stray):  # `item` is not event `seq`; of two runs that changed places the shorter has moved
    later = records[records.index(item) + 1:]
    home = next((at for at, other in enumerate(later, 1) if (other.seq, other.prev) == (seq, head)), 0)
    if home or item.seq < seq: return seq if seq < item.seq <= seq + home or sum(item.hash in r for r in records) < 2 else item.seq
    lost = stray and not stray.body and 0 < seq < item.seq and head not in stray.frame  # nothing proves the one before
    proven = item.hash in [other.prev for other in later[:1]] or item.body[-32:] == derive("close", item.body[:-34])
    return seq - 1 if lost or item.seq == seq and proven else seq
def holds(fields, body, done, log, segment, blobs, durable):  # what a checkpoint or close record says
    all_bytes, segment_bytes = (b"".join(record.frame for record in records) for records in (done, segment))
    if fields[3] == 11: return [*fields[6:9], fields[14]] == [len(log), len(all_bytes), blobs[1], derive("close", body[:-34])]
    return durable <= (fields[10] or 0) < len(done) and fields[4:6] + fields[7:9] + fields[11:14] == [
        len(log), segment[0].seq, len(segment_bytes), blobs[0], derive("segment", segment_bytes),
        root([record.hash for record in segment], lambda pair: derive("node", pair)),
        root([sha256(b"\0" + frame) for frame in log] or [sha256(b"")], lambda pair: sha256(b"\1" + pair))]
def check(data):
    items, done, log, segment, blobs, durable, stray, torn, end = [*scan(data)], [], [], [], [0, 0], 0, None, None, False
    tag = collections.Counter(item.tag for item in items if item.body).most_common(1)
    if not data or data[:12] != MAGIC[:len(data)]: return "damaged" if tag else "not-a-chain", None, "no magic"
    for item in items:
        seq, head, fields = len(done), done[-1].hash if done else bytes(32), item.body and parse(item)
        if end or not item.body and item is items[-1]: torn = item
        elif not item.body or item.tag != tag[0][0]: stray = item
        elif item.seq is None and fields: blobs = [blobs[0] + 1, blobs[1] + 1]
        elif item.seq is not None and (item.seq, item.prev) != (seq, head):
            return "damaged", blame([r for r in items if r.seq is not None and r.tag == item.tag], item, seq, head, stray), "a link"
        elif stray: return "damaged", seq if stray.body else None, "something between records"
        elif not fields or fields[3] in (10, 11) and not holds(fields, item.body, done, log, segment, blobs, durable):
            return "damaged", item.seq, "malformed, or says what is not so"
        else:
            if fields[3] == 10: log, segment, blobs, durable = log + [item.frame], [], [0, blobs[1]], fields[10] or 0
            done, segment, end = [*done, item], [*segment, item], fields[3] == 11
    good = not stray and not (end and torn) and not (done and parse(done[0])[8])  # the last: a what-if
    return ("complete" if end else "open") if good else "damaged", len(done) if stray and not end else None, f"{len(done)} events"
results = [check(open(path, "rb").read()) for path in sys.argv[1:]]
for verdict, event, detail in results: print(verdict, "-" if event is None else event, detail)
sys.exit(max(["complete", "damaged", "not-a-chain", "open"].index(result[0]) for result in results))
