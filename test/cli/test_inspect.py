"""`shoplake inspect`: segments and raw objects that are made here, byte by byte, from docs/formats/wal.md."""
import gzip
import hashlib
import struct

FIRST = 1000
SALT = 0x5F3A9C01
NAME = f"{FIRST:020}-{3:08}-{SALT:08x}.wal"
MICROS = 1_795_239_960_000_000  # 2026-11-21 05:46:00 UTC


def crc32c(data, crc=0):
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def header(first=FIRST, sequence=3, salt=SALT):
    begin = struct.pack("<8sIIQqI8x", b"SHOPWAL\0", 1, sequence, first, MICROS, salt)
    return begin + struct.pack("<I", crc32c(begin))


def record(offset, payload, stream=b"events", salt=SALT):
    body = stream + payload
    rest = struct.pack("<IQqIBBH", crc32c(body, salt), offset, MICROS + offset, len(payload), len(stream), 1, 0)
    return struct.pack("<I", crc32c(rest, salt)) + rest + body


def segment(payloads):
    return header() + b"".join(record(FIRST + i, payload) for i, payload in enumerate(payloads))


def test_a_log_written_from_its_specification(shoplake, tmp_path):
    assert crc32c(b"123456789") == 0xE3069283
    (tmp_path / NAME).write_bytes(segment([b'{"a":1}\n', b'{"a":2}\n', b'{"a":3}\n']))
    told = shoplake("inspect", "wal", tmp_path, "--show", "2", "--from", "1001", "--json").json()
    (only,) = told["segments"]
    assert (only["first_offset"], only["end_offset"], only["records"], only["sequence"]) == (1000, 1003, 3, 3)
    assert only["streams"] == {"events": 3} and only["lost"] == [] and only["tail_bytes"] == 0
    assert only["created_at"] == "2026-11-21T05:46:00Z"
    assert [(r["offset"], r["payload"]) for r in told["records"]] == [(1001, '{"a":2}\n'), (1002, '{"a":3}\n')]
    assert told["exit_code"] == 0
    text = shoplake("inspect", "wal", tmp_path / NAME, "--show", "1").stdout
    assert NAME in text and "1,002" in text


def test_damage_is_told_and_the_rest_is_shown(shoplake, tmp_path):
    whole = bytearray(segment([b"one\n", b"two\n", b"three\n"]) + b"torn")
    whole[48 + 42 + 35] ^= 1
    (tmp_path / NAME).write_bytes(whole)
    outcome = shoplake("inspect", "wal", tmp_path, "--json", check=False)
    assert outcome.returncode == 1
    (only,) = outcome.json()["segments"]
    assert [(lost["first_offset"], lost["end_offset"]) for lost in only["lost"]] == [(1001, 1002)]
    assert only["records"] == 2 and only["tail_bytes"] == 4
    assert "offsets 1,001 to 1,001" in shoplake("inspect", "wal", tmp_path, check=False).stdout

    whole[20] ^= 1  # the header; the name has what is needed
    (tmp_path / NAME).write_bytes(whole)
    (only,) = shoplake("inspect", "wal", tmp_path, "--json", check=False).json()["segments"]
    assert only["header_damaged"] and only["records"] == 2


def test_what_a_later_segment_begins_with_does_not_count(shoplake, tmp_path):
    (tmp_path / NAME).write_bytes(segment([b"kept\n", b"given up\n"]))
    later = header(first=1001, sequence=4, salt=7) + record(1001, b"instead\n", salt=7)
    (tmp_path / f"{1001:020}-{4:08}-{7:08x}.wal").write_bytes(later)
    told = shoplake("inspect", "wal", tmp_path, "--show", "9", "--json").json()
    assert [r["payload"] for r in told["records"]] == ["kept\n", "instead\n"]


def test_paths_that_are_no_log(shoplake, tmp_path):
    assert shoplake("inspect", "wal", tmp_path / "none", check=False).returncode == 2
    empty = shoplake("inspect", "wal", tmp_path, "--json", check=False)
    assert empty.returncode == 2 and empty.json()["error"]["code"] == "inspect.not_a_log"
    (tmp_path / "x.wal").write_bytes(b"something else")
    assert shoplake("inspect", "wal", tmp_path / "x.wal", check=False).returncode == 1


def test_an_object(shoplake, tmp_path):
    path = tmp_path / "my-events-1-2026-11-21-05-46-00-00000000000000001234.gz"
    path.write_bytes(gzip.compress(b'{"a":1}\n') + gzip.compress(b'\n{"a":2}\n{"a":3}'))
    told = shoplake("inspect", "object", path, "--json").json()
    assert told["md5"] == hashlib.md5(path.read_bytes()).hexdigest()
    assert (told["format"], told["records"], told["payload_bytes"]) == ("gzip", 3, 24)
    assert (told["first_record"], told["last_record"]) == ('{"a":1}', '{"a":3}')
    assert (told["stream"], told["first_offset"]) == ("my-events", 1234)
    assert '{"a":3}' in shoplake("inspect", "object", path).stdout

    path.write_bytes(path.read_bytes()[:-9])
    cut = shoplake("inspect", "object", path, "--json", check=False)
    assert cut.returncode == 1 and cut.json()["problem"] and cut.json()["first_record"] == '{"a":1}'
    plain = tmp_path / "plain.ndjson"
    plain.write_bytes(b"a\nb\n")
    told = shoplake("inspect", "object", plain, "--json").json()
    assert (told["format"], told["records"], told["stream"], told["first_offset"]) == ("plain", 2, None, None)
    plain.write_bytes(b"")
    assert shoplake("inspect", "object", plain, "--json").json()["records"] == 0
    assert shoplake("inspect", "object", tmp_path, check=False).returncode == 2
