"""Faults that S3 servers were published for, and the tests that show that this one is free of
them. What is proved elsewhere is not proved again here.

| class of fault | published for | shown by |
|---|---|---|
| streaming signatures: seed, chunk, order, last chunk not checked | seaweedfs/seaweedfs#2180 | `s3.test_signatures.SignedChunkTests`, `auth.test_chunks.SignatureTests` |
| bytes that are used before their chunk is verified | MinIO CVE-2021-21390 | `test_streaming_signatures`, `auth.test_chunks` |
| unsigned trailers for unsigned requests | MinIO CVE-2025-31489 | `s3.test_signatures.UnsignedTrailerTests` |
| two sources of credentials | MinIO CVE-2026-41145 | `s3.test_signatures.TwoSourcesTests`, `auth.test_claim.PlacesTests` |
| a route that forgets to check | MinIO CVE-2026-40344, CVE-2020-11012 | `s3.test_signatures.EveryRouteTests` |
| presigned URLs beyond time, scope, method or headers | the rules of SigV4 | `test_presigned`, `auth.test_sigv4`, `auth.test_claim.QueryTests` |
| existence that leaks through conditions | MinIO CVE-2024-36107 | `s3.test_signatures.EveryRouteTests` |
| `..` and encoded slashes that name another object | SeaweedFS CVE-2026-54917, RustFS GHSA-8r6f, s3-proxy CVE-2026-42882 | `test_paths`, `protocol.test_targets` |
| XXE, entity bombs, nesting, attributes | Swift CVE-2022-47950, LocalS3 CVE-2025-27136 | `test_xml`, `protocol.test_xml_in`, `s3.test_documents` |
| client headers that become internal fields | MinIO GHSA-3rh2 | `test_injection.InternalFieldTests` |
| CR, LF and NUL in answers | Ceph CVE-2021-3524, CVE-2020-10753, CVE-2015-5245 | `test_injection.HeaderTests`, `web.test_requests.HeadTests.test_header_injection` |
| bodies without Content-Length, contradicting lengths | versitygw GHSA-v2ch | `test_framing`, `s3.test_payloads.MismatchTests` |
| request smuggling, answers out of order | Twisted CVE-2022-24801, CVE-2020-10108, CVE-2020-10109, CVE-2023-46137, CVE-2024-41671, CVE-2019-12387 | `test_framing`, `functional.test_proxies`, `web.test_refusals`, `web.test_requests.PipeliningTests` |
| huge documents in memory | MinIO CVE-2018-1000538 | `s3.test_documents` |
| crashes on malformed requests | Ceph CVE-2018-7262, CVE-2019-10222, CVE-2019-19337, CVE-2020-12059, CVE-2016-8626, CVE-2021-3531, CVE-2022-3854 | `fuzz`, `functional.test_fuzz` |
| sockets and files that leak, slow clients | Ceph CVE-2019-3821, CVE-2020-1700, Swift CVE-2016-0738 | `functional.test_aborted`, `web.test_deadlines` |
| unbounded listings, too much at once | Ceph CVE-2018-16846 | `test_exhaustion`, `web.test_limits` |
"""  # noqa: E501 - it is a table
