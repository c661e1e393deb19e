"""Numbers, truth values, times and header text."""

from email.utils import parsedate_to_datetime

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from objectd.protocol.header_text import decode, decode_metadata, encode, encode_metadata
from objectd.protocol.scalars import (
    http_date,
    iso_8601_milliseconds,
    iso_8601_seconds,
    parse_boolean,
    parse_integer,
    parse_timestamp,
)

TIME = 1_700_000_000_123_456
SECONDS = st.integers(min_value=0, max_value=250_000_000_000)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


class ScalarTests(SynchronousTestCase):
    def test_times(self) -> None:
        """Times are shown as AWS shows them."""
        self.assertEqual(http_date(TIME), "Tue, 14 Nov 2023 22:13:20 GMT")
        self.assertEqual(iso_8601_seconds(TIME), "2023-11-14T22:13:20.000Z")
        self.assertEqual(iso_8601_milliseconds(TIME), "2023-11-14T22:13:20.123Z")

    @settings(deadline=None)
    @given(SECONDS)
    def test_times_round_trip(self, seconds: int) -> None:
        """Whole seconds survive every form."""
        time_us = seconds * 1_000_000
        for write in (http_date, iso_8601_seconds, iso_8601_milliseconds):
            self.assertEqual(parse_timestamp(write(time_us)), time_us)
        self.assertEqual(parsedate_to_datetime(http_date(time_us)).timestamp(), seconds)

    def test_http_dates(self) -> None:
        """All three forms of RFC 9110 are read."""
        for text in (
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ):
            self.assertEqual(parse_timestamp(text), 784_111_777_000_000)

    def test_not_times(self) -> None:
        """What is no time is a ValueError, whatever it is."""
        for text in (
            "",
            "x",
            "0",
            "1994",
            "1994-11-06T25:00:00Z",
            "Sun, 99 Nov 1994",
            "Sun, 06 Nov 99999999999999 08:49:37 GMT",
            "1994-11-06T08:49:37Z; 1",
        ):
            with self.assertRaises(ValueError):
                parse_timestamp(text)

    def test_integers(self) -> None:
        """Only plain decimal numbers are numbers."""
        self.assertEqual([parse_integer(t) for t in ("0", " 12 ", "-3")], [0, 12, -3])
        for text in ("", "+1", "1_0", "0x1", "1e3", "٣", "1.0", "9" * 20):
            with self.assertRaises(ValueError):
                parse_integer(text)

    def test_booleans(self) -> None:
        """True and false in any case."""
        self.assertEqual([parse_boolean(t) for t in ("true", "False", " TRUE ")], [1, 0, 1])
        with self.assertRaises(ValueError):
            parse_boolean("1")


class HeaderTextTests(SynchronousTestCase):
    @settings(deadline=None)
    @given(TEXT)
    def test_metadata_round_trip(self, text: str) -> None:
        """Metadata survives, unless it looks like an encoded word itself."""
        if "=?" not in text:
            self.assertEqual(decode_metadata(encode_metadata(text)), text)

    @settings(deadline=None)
    @given(TEXT)
    def test_metadata_is_safe(self, text: str) -> None:
        """Whatever metadata holds, its header is printable US-ASCII."""
        self.assertTrue(encode_metadata(text).replace(b"\t", b" ").decode("ascii").isprintable())

    def test_bad_encoded_words(self) -> None:
        """An encoded word that does not decode is kept as it is."""
        for raw in (b"=?x-none?B?AA==?=", b"=?UTF-8?B?/w==?=", b"=?UTF-8?B?A?=", b"=?"):
            self.assertEqual(decode_metadata(raw), raw.decode())

    def test_charsets(self) -> None:
        """Encoded words in UTF-8, Latin-1 and ASCII are read; in any other charset, of which
        Python has some that are no text, they are kept as they are."""
        self.assertEqual(decode_metadata(b"=?utf-8?Q?gr=C3=BC=C3=9Fe_a?="), "grüße a")
        self.assertEqual(decode_metadata(b"=?ISO-8859-1?Q?=FC?= =?us-ascii?b?YQ==?= b"), "üa b")
        for charset in ("punycode", "idna", "undefined", "utf-7", "unicode_escape"):
            raw = f"=?{charset}?Q?\\ud800+2AA-xn--a?=".encode()
            self.assertEqual(decode_metadata(raw), raw.decode())

    def test_many_encoded_words(self) -> None:
        """Encoded words that never end cost no more than they are long."""
        raw = b"=?a?q?x" * 100_000
        self.assertEqual(decode_metadata(raw), raw.decode())

    def test_encodings(self) -> None:
        """Header values are UTF-8, or else Latin-1, and are written as UTF-8."""
        self.assertEqual([decode(b"\xc3\xa4"), decode(b"\xe4")], ["ä", "ä"])
        self.assertEqual(encode("ä"), b"\xc3\xa4")
