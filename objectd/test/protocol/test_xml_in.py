"""XML bodies: what is accepted, what is refused, and how fast."""

import time
from collections.abc import Mapping
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from objectd.protocol.errors import S3Error
from objectd.protocol.messages import HttpRequest
from objectd.protocol.model import load_s3_model
from objectd.protocol.operations import compiled
from objectd.protocol.targets import parse_target
from objectd.protocol.xml_in import TOKEN_BYTES_MAX

MODEL = load_s3_model()
NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
ATTACK_SECONDS_MAX = 0.5


class _XmlTestCase(SynchronousTestCase):
    def parse(self, operation: str, body: str | bytes) -> Any:
        """The payload that the operation makes of a body."""
        model = MODEL.operations[operation]
        fixed = "&".join(model.discriminators)
        request = HttpRequest(model.method, f"/b/k?{fixed}&uploadId=u".encode(), (), "id")
        body = body.encode() if isinstance(body, str) else body
        arguments = compiled(MODEL, operation).parse(request, parse_target(request, ()), body)
        assert model.input is not None and model.input.payload is not None
        return arguments[model.input.payload]

    def refusal(self, operation: str, body: str | bytes) -> str:
        with self.assertRaises(S3Error) as caught:
            self.parse(operation, body)
        code: str = caught.exception.code
        return code


class DocumentTests(_XmlTestCase):
    def delete(self, content: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.parse("DeleteObjects", f"<Delete>{content}</Delete>")
        return found

    def test_namespaces(self) -> None:
        """The namespace may be S3's, another, a prefixed one, or none."""
        for document in (
            "<Delete><Object><Key>a</Key></Object></Delete>",
            f"<Delete {NAMESPACE}><Object><Key>a</Key></Object></Delete>",
            '<Delete xmlns="urn:x"><Object><Key>a</Key></Object></Delete>',
            '<s:Delete xmlns:s="urn:x"><s:Object><s:Key>a</s:Key></s:Object></s:Delete>',
            '<?xml version="1.0"?>\n<Delete>\n <Object>\n  <Key>a</Key>\n </Object>\n</Delete>\n',
        ):
            self.assertEqual(self.parse("DeleteObjects", document), {"Objects": [{"Key": "a"}]})

    def test_order(self) -> None:
        """Elements come in any order, also lists in pieces."""
        self.assertEqual(
            self.delete(
                "<Object><VersionId>v</VersionId><Key>a</Key></Object><Quiet>true</Quiet>"
                "<Object><Key>b</Key></Object>"
            ),
            {"Objects": [{"VersionId": "v", "Key": "a"}, {"Key": "b"}], "Quiet": True},
        )

    def test_text_is_exact(self) -> None:
        """Text keeps its white space, entities and CDATA are resolved."""
        found = self.delete("<Object><Key> a\n&amp;&#x41;<![CDATA[<b>]]> </Key></Object>")
        self.assertEqual(found["Objects"], [{"Key": " a\n&A<b> "}])

    def test_values(self) -> None:
        """Numbers, truth values and times are what they say; all else is refused."""
        rule = (
            "<LifecycleConfiguration><Rule><Status>Enabled</Status><Filter/><Expiration>"
            "{}</Expiration></Rule></LifecycleConfiguration>"
        )
        for text, value in (
            ("<Days> 5 </Days>", {"Days": 5}),
            ("<Date>2023-11-14T22:13:20.5Z</Date>", {"Date": 1_700_000_000_500_000}),
            ("<Date>2023-11-14T23:13:20+01:00</Date>", {"Date": 1_700_000_000_000_000}),
            ("<Date>2023-11-14</Date>", {"Date": 1_699_920_000_000_000}),
            (
                "<ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker>",
                {"ExpiredObjectDeleteMarker": True},
            ),
            (
                "<ExpiredObjectDeleteMarker>0</ExpiredObjectDeleteMarker>",
                {"ExpiredObjectDeleteMarker": False},
            ),
        ):
            found = self.parse("PutBucketLifecycleConfiguration", rule.format(text))
            self.assertEqual(found["Rules"][0]["Expiration"], value)
        for text in (
            "<Days></Days>",
            "<Days>5.0</Days>",
            "<Days>five</Days>",
            "<Days>2147483648</Days>",
            "<Days>" + "9" * 5000 + "</Days>",
            "<Date>tomorrow</Date>",
            "<Date>2023-02-30</Date>",
            "<Date>2023-W01-1</Date>",
            "<ExpiredObjectDeleteMarker>yes</ExpiredObjectDeleteMarker>",
        ):
            code = self.refusal("PutBucketLifecycleConfiguration", rule.format(text))
            self.assertEqual(code, "MalformedXML", text[:40])

    def test_enumerations(self) -> None:
        """A word that the model does not list is refused, but for names of regions."""
        versioning = "<VersioningConfiguration><Status>{}</Status></VersioningConfiguration>"
        found = self.parse("PutBucketVersioning", versioning.format("Suspended"))
        self.assertEqual(found, {"Status": "Suspended"})
        code = self.refusal("PutBucketVersioning", versioning.format("Off"))
        self.assertEqual(code, "MalformedXML")
        bucket = (
            "<CreateBucketConfiguration><LocationConstraint>basement</LocationConstraint>"
            "</CreateBucketConfiguration>"
        )
        self.assertEqual(self.parse("CreateBucket", bucket), {"LocationConstraint": "basement"})

    def test_attribute(self) -> None:
        """A grantee's type is an attribute, whatever its prefix."""
        for prefix in ("xsi", "x"):
            found = self.parse(
                "PutBucketAcl",
                "<AccessControlPolicy><AccessControlList><Grant><Grantee "
                f'xmlns:{prefix}="http://www.w3.org/2001/XMLSchema-instance" '
                f'{prefix}:type="CanonicalUser"><ID>1</ID></Grantee>'
                "<Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>",
            )
            grantee = {"Type": "CanonicalUser", "ID": "1"}
            self.assertEqual(found, {"Grants": [{"Grantee": grantee, "Permission": "READ"}]})

    def test_does_not_fit(self) -> None:
        """What is not well-formed, or not what the shape says, is MalformedXML."""
        for document in (
            "",
            " ",
            "{}",
            "<Delete>",
            "<Delete></Delete><Delete></Delete>",
            "<Remove><Object><Key>a</Key></Object></Remove>",
            "<Delete/>",
            "<Delete><Object/></Delete>",
            "<Delete><Object><Key>a</Key><Key>b</Key></Object></Delete>",
            "<Delete><Object><Key>a</Key></Object>text</Delete>",
            "<Delete><Object><Key><b/></Key></Object></Delete>",
            "<Delete><Object><Key>a</Key></Object><New/></Delete>",
            "<Delete><Object><Key>a</Key></Object></Delete>trailing",
            "<p:Delete><Object><Key>a</Key></Object></p:Delete>",
            "<Delete><Object><Key>&undefined;</Key></Object></Delete>",
        ):
            expected = "MalformedXML" if document else "MissingRequestBodyError"
            self.assertEqual(self.refusal("DeleteObjects", document), expected, document)
        for raw in (b"<Delete>\xff</Delete>", b"<Delete>\0</Delete>", b"\xff\xfe<"):
            self.assertEqual(self.refusal("DeleteObjects", raw), "MalformedXML")

    def test_acl_has_its_own_code(self) -> None:
        """A malformed ACL is a MalformedACLError."""
        self.assertEqual(self.refusal("PutBucketAcl", "<x/>"), "MalformedACLError")

    def test_long_tags(self) -> None:
        """A tag may be as long as the limit and not longer, wherever it begins."""
        content = b"<Object><Key>a</Key></Object></Delete>"
        for lead in (0, 1, 40_000, TOKEN_BYTES_MAX - 1):
            fits = b" " * lead + b'<Delete a="' + b"x" * (TOKEN_BYTES_MAX - 20) + b'">'
            self.assertEqual(
                self.parse("DeleteObjects", fits + content), {"Objects": [{"Key": "a"}]}
            )
            too_long = b" " * lead + b'<Delete a="' + b"x" * (2 * TOKEN_BYTES_MAX) + b'">'
            self.assertEqual(self.refusal("DeleteObjects", too_long + content), "MalformedXML")

    def test_long_documents(self) -> None:
        """A document of many pieces is one document."""
        keys = [f"{n:04}-" + "ä" * 500 for n in range(1000)]
        objects = "".join(f"<Object><Key>{key}</Key></Object>" for key in keys)
        found = self.parse("DeleteObjects", f"<Delete>{objects}</Delete>")
        self.assertEqual([one["Key"] for one in found["Objects"]], keys)

    def test_empty_list(self) -> None:
        """A list may be empty."""
        found = self.parse("PutObjectTagging", "<Tagging><TagSet/></Tagging>")
        self.assertEqual(found, {"TagSet": []})


class AttackTests(_XmlTestCase):
    def assert_refused_fast(self, body: bytes) -> None:
        started = time.process_time()
        code = self.refusal("DeleteObjects", body)
        spent_seconds = time.process_time() - started
        self.assertIn(code, ("MalformedXML", "MaxMessageLengthExceeded"))
        self.assertLess(spent_seconds, ATTACK_SECONDS_MAX)

    def test_billion_laughs(self) -> None:
        """Entities that grow are refused before they do."""
        entities = '<!ENTITY a0 "ha">' + "".join(
            f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12)
        )
        content = "<Delete><Object><Key>&a11;</Key></Object></Delete>"
        self.assert_refused_fast(f"<!DOCTYPE Delete [{entities}]>{content}".encode())

    def test_doctypes(self) -> None:
        """No DOCTYPE is allowed: neither external, nor internal, nor empty."""
        content = "<Delete><Object><Key>a</Key></Object></Delete>"
        for doctype in (
            "<!DOCTYPE Delete>",
            "<!DOCTYPE Delete []>",
            '<!DOCTYPE Delete SYSTEM "file:///etc/passwd">',
            '<!DOCTYPE Delete PUBLIC "x" "http://127.0.0.1:1/x.dtd">',
            '<!DOCTYPE Delete [<!ENTITY % x SYSTEM "http://127.0.0.1:1/"> %x;]>',
            '<!DOCTYPE Delete [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        ):
            self.assert_refused_fast((doctype + content).encode())
            self.assert_refused_fast(("\ufeff" + doctype + content).encode("utf-16-le"))

    def test_nesting(self) -> None:
        """A million open elements end at the first that may not stand there."""
        for tag in (b"<Delete>", b"<Object>", b"<x>"):
            self.assert_refused_fast(b"<Delete>" + tag * 1_000_000)
            self.assert_refused_fast(b"<Delete>" + tag * 500_000)

    def test_attributes(self) -> None:
        """A million attributes are refused, and so are as many as a body may hold."""
        for number in (1_000_000, 300_000):
            attributes = b" ".join(b'a%d=""' % n for n in range(number))
            self.assert_refused_fast(b"<Delete " + attributes + b"/>")

    def test_namespaces(self) -> None:
        """So are namespace declarations."""
        declarations = b" ".join(b'xmlns:a%d="u"' % n for n in range(150_000))
        self.assert_refused_fast(b"<Delete " + declarations + b"/>")

    def test_long_lists(self) -> None:
        """A list that is longer than any list of S3 is refused where it becomes so."""
        self.assert_refused_fast(b"<Delete>" + b"<Object><Key>k</Key></Object>" * 140_000)
        inner = b"<Tag><Key>k</Key><Value/></Tag>" * 20_000
        self.assertEqual(
            self.refusal("PutBucketTagging", b"<Tagging><TagSet>%b</TagSet></Tagging>" % inner),
            "MalformedXML",
        )

    def test_large_text(self) -> None:
        """A huge body is refused for its size, whatever it holds."""
        self.assert_refused_fast(b"<Delete>" + b" " * (5 << 20) + b"</Delete>")
        self.assert_refused_fast(b"<Delete>" + b"<!-- -->" * 400_000)
        self.assert_refused_fast(b"<Delete>" + b"<?x y?>" * 400_000)
