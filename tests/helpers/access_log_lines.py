"""Contains made-up lines of every built-in layout, with addresses for documentation."""

from __future__ import annotations

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:126.0) Gecko/20100101 Firefox/126.0"
WHEN = "[10/Oct/2023:13:55:36 -0700]"
REQUEST = '"GET /shoes?id=7 HTTP/1.1"'
COMMON = f"192.0.2.1 - - {WHEN} {REQUEST} 200 2326"
COMBINED = f'{COMMON} "https://www.example/list" "{AGENT}"'
LISTENER = (
    "https 2023-10-10T20:55:36.186641Z app/shop/50dc6c495c0c9188 192.0.2.1:2817 198.51.100.7:80 "
    '0.086 0.048 0.037 200 200 34 2326 "GET https://www.example:443/shoes?id=7 HTTP/1.1" '
    f'"{AGENT}" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 arn:aws:elasticloadbalancing:eu:1:tg/t/7 '
    '"Root=1-58337364-23a8c76965a2ef7629b185e3" "www.example" "-"'
)
ALB = f'{LISTENER} 0 2023-10-10T20:55:36.100000Z "forward" "-" "-" "198.51.100.7:80" "200" "-" "-"'
ELB = (
    "2023-10-10T20:55:36.945958Z shop 192.0.2.1:2817 198.51.100.7:80 0.000073 0.001048 0.000057 "
    f'200 200 0 2326 "GET http://www.example:80/shoes?id=7 HTTP/1.1" "{AGENT}" - -'
)
S3 = (
    f"79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be pictures {WHEN} 192.0.2.1 - "
    f'3E57427F3EXAMPLE REST.GET.OBJECT shoes/7.jpg "GET /pictures/shoes/7.jpg HTTP/1.1" 200 - '
    f'2326 3462992 70 10 "https://www.example/list" "{AGENT}" - s9lzHYrFp76ZVxRcpX9+= SigV4 '
    "ECDHE-RSA-AES128-GCM-SHA256 AuthHeader pictures.s3.example TLSv1.2 - -"
)

ROW = {
    "ip": "192.0.2.1",
    "timestamp": "2023-10-10T13:55:36-07:00",
    "method": "GET",
    "url": "/shoes?id=7",
    "protocol": "HTTP/1.1",
    "status": "200",
    "bytes": "2326",
}
VISIT = {**ROW, "referrer": "https://www.example/list", "user_agent": AGENT}

LINES = {
    "common": (COMMON, ROW),
    "combined": (COMBINED, VISIT),
    "with a user": (COMMON.replace("- -", "- Ann Lee"), {**ROW, "user": "Ann Lee"}),
    "with an ident": (COMMON.replace("- -", "unix ann"), {**ROW, "ident": "unix", "user": "ann"}),
    "behind its host": (f"www.example {COMBINED}", {"host": "www.example", **VISIT}),
    "behind its host and port": (
        f"www.example:443 {COMMON}",
        {"host": "www.example", "port": "443", **ROW},
    ),
    "of IPv6": (COMBINED.replace("192.0.2.1", "2001:db8::1"), {**VISIT, "ip": "2001:db8::1"}),
    "of a host by name": (COMMON.replace("192.0.2.1", "a.example"), {**ROW, "ip": "a.example"}),
    "of a forwarded list": (
        COMMON.replace("192.0.2.1", "192.0.2.1, 198.51.100.9"),
        {**ROW, "ip": "192.0.2.1, 198.51.100.9"},
    ),
    "with what it was forwarded for": (
        f'{COMBINED} "203.0.113.9, 198.51.100.9"',
        {**VISIT, "forwarded_for": "203.0.113.9, 198.51.100.9"},
    ),
    "forwarded for nobody": (f'{COMBINED} "-"', VISIT),
    "common with a time": (f"{COMMON} 0.005", {**ROW, "extra1": "0.005"}),
    "combined with more": (
        f'{COMBINED} 512 "-" "a \\"b\\"" 0.003',
        {**VISIT, "extra1": "512", "extra3": 'a "b"', "extra4": "0.003"},
    ),
    "without a size": (
        COMMON.replace(" 2326", " -"),
        {k: v for k, v in ROW.items() if k != "bytes"},
    ),
    "without an offset": (
        COMMON.replace(" -0700", ""),
        {**ROW, "timestamp": "2023-10-10T13:55:36"},
    ),
    "of a load balancer": (
        ALB,
        {
            "timestamp": "2023-10-10T20:55:36.186641Z",
            "elb": "app/shop/50dc6c495c0c9188",
            "ip": "192.0.2.1",
            "client_port": "2817",
            "target": "198.51.100.7:80",
            "request_processing_time": "0.086",
            "target_processing_time": "0.048",
            "response_processing_time": "0.037",
            "status": "200",
            "target_status_code": "200",
            "received_bytes": "34",
            "bytes": "2326",
            "method": "GET",
            "url": "https://www.example:443/shoes?id=7",
            "protocol": "HTTP/1.1",
            "user_agent": AGENT,
            "ssl_cipher": "ECDHE-RSA-AES128-GCM-SHA256",
            "ssl_protocol": "TLSv1.2",
            "target_group_arn": "arn:aws:elasticloadbalancing:eu:1:tg/t/7",
            "trace_id": "Root=1-58337364-23a8c76965a2ef7629b185e3",
            "host": "www.example",
            "scheme": "https",
            "matched_rule_priority": "0",
            "request_creation_time": "2023-10-10T20:55:36.100000Z",
            "actions_executed": "forward",
            "target_port_list": "198.51.100.7:80",
            "target_status_code_list": "200",
        },
    ),
    "of a classic load balancer": (
        ELB,
        {
            "timestamp": "2023-10-10T20:55:36.945958Z",
            "elb": "shop",
            "ip": "192.0.2.1",
            "client_port": "2817",
            "backend": "198.51.100.7:80",
            "request_processing_time": "0.000073",
            "backend_processing_time": "0.001048",
            "response_processing_time": "0.000057",
            "status": "200",
            "backend_status_code": "200",
            "received_bytes": "0",
            "bytes": "2326",
            "method": "GET",
            "url": "http://www.example:80/shoes?id=7",
            "protocol": "HTTP/1.1",
            "user_agent": AGENT,
        },
    ),
    "of a bucket": (
        S3,
        {
            "bucket_owner": "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be",
            "bucket": "pictures",
            "timestamp": "2023-10-10T13:55:36-07:00",
            "ip": "192.0.2.1",
            "request_id": "3E57427F3EXAMPLE",
            "operation": "REST.GET.OBJECT",
            "key": "shoes/7.jpg",
            "method": "GET",
            "url": "/pictures/shoes/7.jpg",
            "protocol": "HTTP/1.1",
            "status": "200",
            "bytes": "2326",
            "object_size": "3462992",
            "total_time": "70",
            "turn_around_time": "10",
            "referrer": "https://www.example/list",
            "user_agent": AGENT,
            "host_id": "s9lzHYrFp76ZVxRcpX9+=",
            "signature_version": "SigV4",
            "cipher_suite": "ECDHE-RSA-AES128-GCM-SHA256",
            "authentication_type": "AuthHeader",
            "host": "pictures.s3.example",
            "tls_version": "TLSv1.2",
        },
    ),
}
"""Lines and their rows."""

IIS = (
    "#Software: Microsoft Internet Information Services 10.0\n#Version: 1.0\n"
    "#Date: 2023-10-10 20:55:36\n#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query "
    "s-port cs-username c-ip cs(User-Agent) cs(Referer) sc-status sc-substatus sc-win32-status "
    "time-taken\n"
    "2023-10-10 20:55:36 198.51.100.7 GET /shoes id=7 443 - 192.0.2.1 "
    "Mozilla/5.0+(Windows+NT+10.0) https://www.example/list 200 0 0 1687\n"
)
IIS_ROW = {
    "s-ip": "198.51.100.7",
    "method": "GET",
    "s-port": "443",
    "ip": "192.0.2.1",
    "user_agent": "Mozilla/5.0 (Windows NT 10.0)",
    "referrer": "https://www.example/list",
    "status": "200",
    "sc-substatus": "0",
    "sc-win32-status": "0",
    "request_time": "1.687",
    "timestamp": "2023-10-10T20:55:36Z",
    "url": "/shoes?id=7",
}
CLOUDFRONT = (
    "#Version: 1.0\n#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) "
    "cs-uri-stem sc-status cs(Referer) cs(User-Agent) cs-uri-query cs(Cookie) x-host-header "
    "cs-protocol time-taken x-forwarded-for cs-protocol-version\n"
    "2023-10-10\t20:55:36\tFRA2\t2326\t192.0.2.1\tGET\td1.cloudfront.example\t/sho%2520es\t200\t"
    "https://www.example/a%2520b\tMozilla/5.0%20(X11)%20100%25\tid=7\ta=1;%20b=2\twww.example\t"
    "https\t0.001\t203.0.113.9\tHTTP/2.0\n"
)
CLOUDFRONT_ROW = {
    "x-edge-location": "FRA2",
    "bytes": "2326",
    "ip": "192.0.2.1",
    "method": "GET",
    "cs(Host)": "d1.cloudfront.example",
    "status": "200",
    "referrer": "https://www.example/a%20b",
    "user_agent": "Mozilla/5.0 (X11) 100%",
    "cookie": "a=1; b=2",
    "host": "www.example",
    "scheme": "https",
    "request_time": "0.001",
    "forwarded_for": "203.0.113.9",
    "protocol": "HTTP/2.0",
    "timestamp": "2023-10-10T20:55:36Z",
    "url": "/sho%20es?id=7",
}
